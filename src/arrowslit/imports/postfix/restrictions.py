"""Restriction lists as values: each restriction with its argument and its place, and what is known of each by name.

Sources: postconf(5), access(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.imports.imported import Origin
from arrowslit.imports.postfix.text import Setting, unbraced
from arrowslit.imports.postfix.values import words

CHECKS_BY_LIST: Final = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    "smtpd_relay_restrictions": "check_recipient_access",
    "smtpd_recipient_restrictions": "check_recipient_access",
}
"""What a table alone stands for."""

WITH_ARGUMENT: Final = frozenset(
    {
        *(f"check_{what}_access" for what in ("client", "helo", "sender", "recipient", "ccert", "sasl", "etrn")),
        "check_reverse_client_hostname_access",
        *(
            f"check_{what}_{record}_access"
            for what in ("client", "reverse_client_hostname", "helo", "sender", "recipient")
            for record in ("a", "mx", "ns")
        ),
        "check_policy_service", "sleep", "permit_dnswl_client", "permit_rhswl_client", "reject_rbl_client",
        "reject_rbl", "reject_maps_rbl_domain", "reject_rhsbl_client", "reject_rhsbl_helo", "reject_rhsbl_recipient",
        "reject_rhsbl_reverse_client", "reject_rhsbl_sender",
    }
)  # fmt: skip

NO_EFFECT: Final = frozenset(
    {"sleep", "reject_unauth_pipelining", "defer_if_reject", "reject_multi_recipient_bounce", "check_etrn_access"}
)
"""Never decide whether a plain session is permitted."""

MAY_PERMIT: Final = frozenset(
    {"permit_mx_backup", "permit_tls_clientcerts", "permit_tls_all_clientcerts", "permit_inet_interfaces",
     "permit_dnswl_client", "permit_rhswl_client"}
)  # fmt: skip

REFUSES_ONLY: Final = ("reject_", "defer_")
"""Beginnings of names that can refuse and do no more; those of `OTHERS` and what is evaluated apart."""

OTHERS: Final = frozenset({"check_policy_service", "check_relay_domains"})

HINTS: Final = {
    "reject_rbl_client": "spam lists are asked by content filtering (rspamd)",
    "reject_sender_login_mismatch": 'sender_addresses = "own" of authentication is the same for a directory',
    "check_sender_access": 'own_domains_from_outside = "reject" refuses one\'s own domains from strangers',
    "permit_tls_clientcerts": "list the certificates: { certificate = ... }",
}


@dataclass(frozen=True, slots=True)
class Restriction:
    """`name` in small letters; `argument` "" where it has none; `warns` where it only warns."""

    name: str
    argument: str
    origin: Origin
    warns: bool = False

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{'warn_if_reject ' if self.warns else ''}{self.name} {self.argument}".rstrip()


def restrictions(setting: Setting, list_name: str) -> list[Restriction]:
    """The restrictions of a list; `list_name` says what a table alone stands for."""
    found: list[Restriction] = []
    warns = False
    left = iter(_tokens(setting.value))
    for word in left:
        name, argument = word.lower(), ""
        if name == "warn_if_reject":
            warns = True
            continue
        if name in WITH_ARGUMENT:
            argument = next(left, "")
        elif ":" in word:
            name, argument = CHECKS_BY_LIST.get(list_name, "check_client_access"), word
        found.append(Restriction(name, argument, setting.origin, warns))
        warns = False
    return found


def _tokens(text: str) -> list[str]:
    """Words; what braces hold together is taken apart where it is more than an argument."""
    found: list[str] = []
    for word in words(text):
        if word.startswith("{"):
            inner = words(unbraced(word))
            found += inner[:2] if inner and inner[0].lower() in WITH_ARGUMENT else inner
        else:
            found.append(word)
    return found


def refuses_only(name: str) -> bool:
    """Whether the restriction of that name can refuse, and can't permit."""
    return name.startswith(REFUSES_ONLY)


def known(name: str) -> bool:
    """Whether Postfix has a restriction of this name (as far as its documentation says)."""
    return name in NO_EFFECT | MAY_PERMIT | OTHERS | WITH_ARGUMENT or refuses_only(name) or name.startswith("check_")
