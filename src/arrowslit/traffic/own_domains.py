"""Which domains are ours: told by a policy or the administrator, or proposed from where mail of strangers was let in.

Mail that a server takes from outside without signing in is for domains that it takes mail for, or the server is an
open relay: so the domains that such mail goes to are what is proposed. Where a log has none of it (each client has
the address of a gateway), all mail that was let in counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from arrowslit.mail.domain import normalise_domain
from arrowslit.traffic.largest import OTHERS

IsOurs = Callable[[str], bool]
"""Of a domain as a log has it (lower case)."""

PROPOSED: Final = 20
SHARE: Final = 0.01
"""A domain with less of the mail than this is not proposed: some mail is forwarded to anywhere."""
_REMEMBERED: Final = 50_000


def proposed(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Domains to propose, the largest first, from recipients by domain."""
    whole = sum(counts.values())
    named = sorted(counts, key=lambda domain: (-counts[domain], domain))
    return tuple(one for one in named if one != OTHERS and "." in one and counts[one] >= whole * SHARE)[:PROPOSED]


def among(domains: frozenset[str] | set[str]) -> IsOurs:
    """A test for these domains (normal form; `*.x` is all below x)."""
    exact = frozenset(domains)
    below = tuple(one[1:] for one in exact if one.startswith("*."))
    return remembered(lambda domain: domain in exact or (bool(below) and domain.endswith(below)))


def remembered(is_ours: IsOurs) -> IsOurs:
    """`is_ours`, asked once for each domain, in its normal form; what is no domain is not ours."""
    known: dict[str, bool] = {}

    def ask(domain: str) -> bool:
        found = known.get(domain)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            try:
                found = is_ours(normalise_domain(domain))
            except ValueError:
                found = False
            known[domain] = found
        return found

    return ask


def related(domain: str, is_ours: IsOurs) -> bool:
    """True where `domain` or one above it is ours: hosts of ours write as `root@printer.example.org`."""
    while "." in domain:
        if is_ours(domain):
            return True
        domain = domain.partition(".")[2]
    return False
