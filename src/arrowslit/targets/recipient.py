"""What targets that decide at RCPT have in common: who may connect, recipients that are exceptions, domains in rank.

Terms: a domain *lies within* a wildcard that it counts before (policy-semantics, "Stages and grants").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.rules import Access, Rules

_SIMPLE: Final = re.compile(r"[a-z0-9][a-z0-9._=+-]*@[a-z0-9._-]+")
"""Mailboxes that mean nothing else in any language."""


def at_connect(rules: Rules) -> bool:
    """True where the policy refuses before the greeting: then neither TLS nor a recipient can count (decisions 12)."""
    return rules.server.refuse_at == "connect" or rules.server.forward == "splice"


def connecting(rules: Rules) -> Access:
    """Who may connect, without the entries that can't match."""
    access = rules.connect
    if not at_connect(rules):
        return access
    sources = tuple(one for one in access.sources if not one.entry.require_tls)
    return Access(access.rule, access.mode, sources, access.others)


def exceptions(rules: Rules) -> tuple[str, ...]:
    """The recipient_exceptions that count, in lower case: in accepted domains, of plain letters."""
    if at_connect(rules):
        return ()
    wanted = [one.lower() for one in rules.server.recipient_exceptions]
    return tuple(one for one in wanted if _SIMPLE.fullmatch(one) and _accepted(rules, one.rpartition("@")[2]))


def odd_exceptions(rules: Rules) -> tuple[Gap, ...]:
    """The gap for exceptions whose local parts could mean something else in another language."""
    odd = [one for one in rules.server.recipient_exceptions if not _SIMPLE.fullmatch(one.lower())]
    return (Gap(Term.EXCEPTIONS.value, GAPS[Term.EXCEPTIONS.value]),) if odd else ()


def sign_in_notes(rules: Rules) -> Iterator[str]:
    """What changes for those who sign in."""
    if rules.server.authentication is None:
        yield "who signs in on these ports may not relay by that: the policy has no authentication here"


def lies_within(name: str, wider: str) -> bool:
    """Whether an accepted domain, or any domain, lies within this wildcard."""
    return name != wider and wider.startswith("*.") and name.endswith(wider[1:])


def by_rank(rules: Rules) -> list[str]:
    """All accepted domains in the order in which they count: the exact ones, then the longest wildcard first."""
    return sorted((one.name for one in rules.accepted), key=lambda name: (name.startswith("*."), -len(name), name))


def _accepted(rules: Rules, domain: str) -> bool:
    return any(domain == one.name or lies_within(domain, one.name) for one in rules.accepted)
