"""Clients of a rehearsal as lines of 80 columns and as JSON: who would hear something else, how often, since when, why.

Names, addresses and domains come from strangers: all of them are escaped, and cut to what fits.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

from arrowslit.cli.output import Style, escaped, painted
from arrowslit.traffic.clients import OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arrowslit.traffic.clients import Client
    from arrowslit.traffic.rehearsal import Rehearsal

WORDS: Final = {
    "newly_refused": ("newly refused", "was let in and would not be", Style.BAD),
    "newly_permitted": ("newly permitted", "was refused and would be let in", Style.CAUTION),
    "cannot_tell": ("can't be told", "depends on what the log does not tell", Style.CAUTION),
    "observed": ("only observed", "let in by the mode observe, refused once it is enforced", Style.CAUTION),
}
"""Group -> its head, what it means, its colour."""
MISSING: Final = {
    "tls": "TLS",
    "authenticated_as": "signing in",
    "certificate": "certificate",
    "client_name": "reverse name",
    "reverse_path": "reverse-path",
    "own_addresses": "own sender addresses",
    "client_address": "client address",
    "forward_path": "recipient",
    "virtual_server": "which listener",
    "outcome": "what became of it",
    "reason": "why it was refused",
}
_WIDTH: Final = 80
_DAY: Final = 86_400.0


def ordered(clients: Iterable[Client]) -> list[Client]:
    """The most frequent first; at the end those that are put together because they were too many."""
    return sorted(clients, key=lambda one: (one.address == OTHERS, -one.attempts, one.address))


def group_lines(rehearsal: Rehearsal, group: str, shown: int) -> list[str]:
    """The head of a group and its clients, two lines each; nothing where there is none."""
    clients = ordered(rehearsal.group(group).values())
    if not clients:
        return []
    head, meaning, style = WORDS[group]
    total = sum(one.attempts for one in clients)
    lines = [f"{painted(head, style, sys.stdout)}  {counted(total, 'recipient')}, {_number_of(clients)}"]
    lines[0] += f": {meaning}"
    for one in clients[:shown]:
        lines += _client_lines(one)
    if len(clients) > shown:
        lines.append(f"  and {counted(len(clients) - shown, 'more client')}; all of them with --all, or --json")
    return lines


def _number_of(clients: list[Client]) -> str:
    together = clients[-1].address == OTHERS
    return f"more than {len(clients) - 1:,} clients" if together else counted(len(clients), "client")


def _client_lines(one: Client) -> list[str]:
    name = escaped(", ".join(one.names))
    missing = ", ".join(MISSING.get(fact, escaped(fact)) for fact in one.missing)
    why = f"not told: {missing}" if missing else escaped(one.reason)
    to = ", ".join(f"{escaped(domain) or 'others'} {number:,}" for domain, number in _most(one.to_domains))
    return [
        _cut(
            f"  {escaped(one.address) or 'address not told':<39} {one.attempts:>9,}  {span(one.first, one.last)}",
            _WIDTH,
        ),
        *([_cut(f"      {name}", _WIDTH)] if name else []),
        _cut(f"      {why}{'; to ' + to if to else ''}", _WIDTH),
    ]


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:3]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."


def counted(number: int, word: str, several: str = "") -> str:
    """`1 client`, `1,204 clients`."""
    return f"{number:,} {word if number == 1 else several or word + 's'}"


def span(first: float, last: float) -> str:
    """`2026-03-02`, or `2026-03-02..03-30` where it ends in the same year, else both in full."""
    since, until = _day(first), _day(last)
    if since == until:
        return since
    return f"{since}..{until[5:] if since[:4] == until[:4] else until}"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def client_json(one: Client) -> dict[str, Any]:
    """One client as JSON."""
    return {
        "client": one.address or None,
        "count": one.attempts,
        "messages": one.messages,
        "reason": one.reason,
        "missing": one.missing,
        "first": one.first,
        "last": one.last,
        "days": len(one.days),
        "names": one.names,
        "to_domains": one.to_domains,
        "from_domains": one.from_domains,
        "recipient": one.recipient,
        "signed_in": one.signed_in,
        "relayed": one.relayed,
        "reply": one.reply,
    }


def rehearsal_json(rehearsal: Rehearsal) -> dict[str, Any]:
    """The whole result as JSON."""
    return {
        "looked_at": rehearsal.attempts,
        "messages": rehearsal.messages,
        "since": rehearsal.first,
        "until": rehearsal.last,
        "unchanged": rehearsal.unchanged,
        "not_judged": rehearsal.not_judged,
        **{group: [client_json(one) for one in ordered(rehearsal.group(group).values())] for group in WORDS},
    }
