"""Which next hop takes the mail about alarms: that of the recipient's accepted domain, else one for relaying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from arrowslit.mail.mailbox import Mailbox
from arrowslit.mail.mailbox_text import parse_mailbox
from arrowslit.policy.model import NextHop, Policy

_SMTP = {"smtp", "lmtp", "lmtp+unix", "maildir"}


@dataclass(frozen=True, slots=True)
class MailRoute:
    """Recipients and the next hops that are tried for them in order: one, and its fallbacks."""

    hops: tuple[NextHop, ...]
    recipients: tuple[Mailbox, ...]


def alarm_routes(recipients: Iterable[str], policy: Policy) -> tuple[list[MailRoute], list[str]]:
    """The routes, one for each next hop, and the recipients that there is none for.

    `recipients` are addresses as the settings have them. Raises ValueError for one that is none.
    """
    by_hop: dict[str, list[Mailbox]] = {}
    stranded = []
    for text in recipients:
        mailbox = parse_mailbox(text)
        name = _next_hop(mailbox, policy)
        if name is None:
            stranded.append(text)
        else:
            by_hop.setdefault(name, []).append(mailbox)
    return [MailRoute(tuple(_with_fallbacks(name, policy)), tuple(found)) for name, found in by_hop.items()], stranded


def _next_hop(mailbox: Mailbox, policy: Policy) -> str | None:
    accepted = policy.accepted_domain(mailbox.domain)
    if accepted is not None:
        return accepted.next_hop if _usable(accepted.next_hop, policy) else None
    servers = sorted(policy.virtual_servers.values(), key=lambda server: server.name != "default")
    relays = (server.relay_next_hop for server in servers)
    return next((name for name in relays if _usable(name, policy)), None)


def _usable(name: str | None, policy: Policy) -> bool:
    hop = policy.next_hops.get(name or "")
    return hop is not None and hop.address[0].scheme in _SMTP


def _with_fallbacks(name: str, policy: Policy) -> Iterator[NextHop]:
    seen: set[str] = set()
    while name not in seen and _usable(name, policy):
        seen.add(name)
        yield policy.next_hops[name]
        name = policy.next_hops[name].fallback or ""
