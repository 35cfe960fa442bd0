"""The value that a setting has for one service: `-o` before main.cf before the default, with `$name` put in.

Defaults differ by `compatibility_level`; without one a Postfix from 3.0 on takes those of old, and one before 3.0 has
none. A name that is not told (`$myhostname` is the machine's own where main.cf has none) is put in as nothing and
remembered in `untold`. Values have a limit, since one can name another twice, and so on. Source: postconf(5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Origin
from arrowslit.imports.postfix.text import Files, Service, Setting, split_braces

_LONGEST: Final = 500_000
_DEEPEST: Final = 30
_MOST: Final = 20_000
"""How many names may be put in, in all: each can name two others."""
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

DEFAULTS: Final = {
    "compatibility_level": "0",
    "smtpd_client_restrictions": "",
    "smtpd_helo_restrictions": "",
    "smtpd_sender_restrictions": "",
    "smtpd_recipient_restrictions": "",
    "smtpd_data_restrictions": "",
    "smtpd_end_of_data_restrictions": "",
    "smtpd_restriction_classes": "",
    "smtpd_relay_restrictions": "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, "
    "permit_sasl_authenticated, defer_unauth_destination}}",
    "smtpd_delay_reject": "yes",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_security_level": "",
    "smtpd_use_tls": "no",
    "smtpd_enforce_tls": "no",
    "smtpd_tls_wrappermode": "no",
    "allow_untrusted_routing": "no",
    "inet_interfaces": "all",
    "mydestination": "$myhostname, localhost.$mydomain, localhost",
    "mynetworks_style": "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
    "relay_domains": "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
    "virtual_alias_domains": "$virtual_alias_maps",
    "virtual_alias_maps": "$virtual_maps",
    "virtual_maps": "",
    "virtual_mailbox_domains": "$virtual_mailbox_maps",
    "virtual_mailbox_maps": "",
    "parent_domain_matches_subdomains": "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,"
    "qmqpd_authorized_clients,relay_domains,smtpd_access_maps",
    "postscreen_access_list": "permit_mynetworks",
    "postscreen_denylist_action": "${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}",
    "postscreen_blacklist_action": "",
    "message_size_limit": "",
    "smtpd_recipient_limit": "",
    "smtpd_client_connection_count_limit": "",
    "relayhost": "",
    "relay_transport": "relay",
    "transport_maps": "",
}


@dataclass(slots=True)
class Values:
    """The values of one service; `service` is None for those of main.cf alone."""

    files: Files
    service: Service | None = None
    untold: set[str] = field(default_factory=set)
    left: int = _MOST

    def raw(self, name: str) -> Setting | None:
        """As written; None where only the default counts."""
        self.files.used.add(name)
        own = None if self.service is None else self.service.options.get(name)
        return own or self.files.settings.get(name)

    def told(self, name: str) -> bool:
        """Whether it is written anywhere."""
        return self.raw(name) is not None

    def get(self, name: str) -> Setting:
        """With everything put in."""
        written = self.raw(name)
        if written is None:
            return Setting(self.expand(self._default(name)), Origin("default", 0, name))
        return Setting(self.expand(written.value), written.origin)

    def yes(self, name: str) -> bool:
        """Whether it is on."""
        return self.get(name).value.lower() == "yes"

    def _default(self, name: str) -> str:
        if name in DEFAULTS:
            return DEFAULTS[name]
        if name == "mydomain" and (host := self.raw("myhostname")) is not None:
            return host.value.partition(".")[2] or "localdomain"
        self.untold.add(name)
        return ""

    def _one(self, name: str, depth: int) -> str:
        self.left -= 1
        if self.left < 0:
            return ""
        written = self.raw(name)
        return self.expand(self._default(name) if written is None else written.value, depth + 1)

    def expand(self, text: str, depth: int = 0) -> str:
        """With `$name`, `${name}`, `${name?text}`, `${name:text}` and `${{a} == {b} ? {c} : {d}}` put in."""
        if depth > _DEEPEST:
            return ""
        made: list[str] = []
        length = at = 0
        while at < len(text) and length <= _LONGEST:
            sign = text.find("$", at)
            if sign < 0:
                sign = len(text)
            piece, after = text[at:sign], sign
            if sign < len(text):
                put, after = self._reference(text, sign + 1, depth)
                piece += put
            made.append(piece)
            length += len(piece)
            at = after
        return "".join(made)[:_LONGEST]

    def _reference(self, text: str, at: int, depth: int) -> tuple[str, int]:
        """What stands for the reference behind a dollar sign, and where it ends."""
        if text[at : at + 1] == "$":
            return "$", at + 1
        if text[at : at + 1] in {"{", "("}:
            end = _closing(text, at)
            return self._braced(text[at + 1 : end], depth), end + 1
        end = at
        while end < len(text) and text[end] in _NAME:
            end += 1
        return (self._one(text[at:end], depth) if end > at else "$"), end

    def _braced(self, inner: str, depth: int) -> str:
        inner = inner.strip()
        if inner.startswith("{"):
            return self._condition(inner, depth)
        name = inner
        for at, sign in enumerate(inner):
            if sign not in _NAME:
                name, rest = inner[:at], inner[at:].strip()
                return self._chosen(bool(self._one(name, depth)), rest, depth) if rest[:1] in {"?", ":"} else ""
        return self._one(name, depth)

    def _condition(self, inner: str, depth: int) -> str:
        end = _closing(inner, 0)
        left, rest = inner[1:end].strip(), inner[end + 1 :].strip()
        operator = next((one for one in _OPERATORS if rest.startswith(one)), None)
        if operator is None:
            return ""
        rest = rest[len(operator) :].strip()
        end = _closing(rest, 0)
        right, rest = rest[1:end].strip(), rest[end + 1 :].strip()
        return self._chosen(_holds(self.expand(left, depth + 1), operator, self.expand(right, depth + 1)), rest, depth)

    def _chosen(self, holds: bool, rest: str, depth: int) -> str:
        """`?{a}:{b}`, `?text`, `:text`."""
        if rest[:1] == ":":
            return "" if holds else self.expand(_unbraced(rest[1:].strip()), depth + 1)
        rest = rest[1:].strip()
        if not rest.startswith("{"):
            return self.expand(rest, depth + 1) if holds else ""
        end = _closing(rest, 0)
        first, other = rest[1:end].strip(), rest[end + 1 :].strip().removeprefix(":").strip()
        return self.expand(first if holds else _unbraced(other), depth + 1)


_OPERATORS: Final = (
    "<=level", ">=level", "==level", "!=level", "<level", ">level", "==", "!=", "<=", ">=", "<", ">",
)  # fmt: skip


def _closing(text: str, at: int) -> int:
    """The place of the bracket that closes the one at `at`; the end where there is none."""
    opens, closes = text[at : at + 1], {"{": "}", "(": ")"}.get(text[at : at + 1], "}")
    depth = 0
    for place in range(at, len(text)):
        depth += (text[place] == opens) - (text[place] == closes)
        if depth == 0:
            return place
    return len(text)


def _unbraced(text: str) -> str:
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text


def _holds(left: str, operator: str, right: str) -> bool:
    one, other = _comparable(left, operator), _comparable(right, operator)
    sign = operator.removesuffix("level")
    if sign in {"==", "!="}:
        return (one == other) is (sign == "==")
    below, same = one < other, one == other
    return {"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[sign]


def _comparable(text: str, operator: str) -> tuple[int, str] | tuple[int, ...]:
    numbers = text.strip().split(".")
    if all(one.isascii() and one.isdigit() and len(one) < 9 for one in numbers):
        whole = tuple(int(one) for one in numbers)
        if operator.endswith("level") or len(whole) == 1:
            return (*whole, *(0 for _ in range(4 - len(whole))))
    return (-1, text)


def words(text: str) -> list[str]:
    """The words of a list: commas and blanks are between them, braces hold them together."""
    return split_braces(text, " \t\n\r,")
