"""What a policy by which nobody may connect comes to at each place; it is never the same everywhere.

A place that only permits refuses nobody by permitting nobody; a list that is some rule's source says nothing of other
rules; a mail server still answers. `SAYS` has the words for each target by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.gaps import Term
from arrowslit.targets.recipient import exceptions
from arrowslit.targets.rules import Rules

_HERE: Final = "this closes the port to everybody but this machine itself"
_OUTSIDE: Final = "this closes the port to everybody who comes in from outside"
_PERMITS: Final = "this permits nobody, and refuses nobody: whom a rule beside it permits still gets in"
_BEHIND: Final = "this refuses everybody whom no rule before it permits"
_PODS: Final = "this lets nobody reach the chosen pods on the port; another policy that permits it adds to this one"
_SOURCE: Final = "a rule that has this as its source lets nobody in; another rule that permits the port still does"
_FRONT: Final = "this lets nobody through; the server's own port is not closed by it"
_HAND: Final = "who follows it closes the port to everybody from outside"
_MAIL: Final = "this refuses the mail of every client"
_MAIL_HERE: Final = "this refuses the mail of every client but this machine itself"
_EXCHANGE: Final = "this takes mail from nobody but this server, the other Exchange servers and those of -AlsoKeep"
_CONNECTORS: Final = "this refuses all mail from outside that no other connector lets in"

SAYS: Final[dict[str, str]] = {
    **dict.fromkeys(("nftables", "iptables", "ufw", "firewalld", "windows-firewall"), _HERE),
    **dict.fromkeys(("mikrotik", "cisco-ios", "cisco-asa", "openwrt", "nftables-router", "juniper"), _OUTSIDE),
    **dict.fromkeys(("iptables-docker", "paloalto"), "this closes the port to everybody"),
    **dict.fromkeys(("aws", "terraform", "cloudformation"), _PERMITS),
    **dict.fromkeys(("azure", "gcp", "pf"), _BEHIND),
    **dict.fromkeys(("fortigate", "opnsense", "pfsense"), _SOURCE),
    **dict.fromkeys(("haproxy", "nginx"), _FRONT),
    **dict.fromkeys(("sheet", "sheet-markdown"), _HAND),
    **dict.fromkeys(("postfix", "mailcow", "docker-mailserver", "zimbra", "mail-in-a-box"), _MAIL),
    **dict.fromkeys(("exim", "exim-debian", "exim-cpanel", "opensmtpd", "sendmail"), _MAIL_HERE),
    **dict.fromkeys(("exchange-2003", "iis-smtp"), _MAIL_HERE),
    **dict.fromkeys(("exchange-online", "exchange-online-certificate"), _CONNECTORS),
    "exchange": _EXCHANGE,
    "kubernetes": _PODS,
}

_TERM: Final = {"domain": Term.DOMAIN, "certificate": Term.CERTIFICATE}


def if_nobody(rules: Rules, name: str, terms: frozenset[Term]) -> Iterator[str]:
    """The note where nobody may connect, by his address or by anything else that the target of that name knows."""
    access = rules.connect
    others = access.only_listed and any(_TERM[one.entry.kind] in terms for one in access.others)
    if rules.observes or access.everybody or access.permitted or others:
        return
    but = ", but to recipients that are exceptions" if Term.EXCEPTIONS in terms and exceptions(rules) else ""
    yield f"nobody may connect: {SAYS[name]}{but}"
