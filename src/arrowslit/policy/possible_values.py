"""The values of a fact that some lists tell apart: any other value comes to the same as one of these.

A client name may match several entries at once, and a certificate bears a digest and several names; so there is a
value for each set of demands that can be met together, however many entries there are.

Terms: a *demand* is what an entry asks for beside the client itself: to count, on one of the lists, in TLS only or
not. Never decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any, Final

from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox
from arrowslit.policy.access_index import patterns
from arrowslit.policy.facts import TEMPORARY_FAILURE, Certificate, Unknown
from arrowslit.policy.parts import Entry

SOMEBODY: Final = "somebody"
_STRANGE: Final = "name-on-no-list.invalid"
_NO_DIGEST: Final = "sha256:" + "0" * 63 + "x"

Demands = frozenset[tuple[int, bool]]
_NOTHING: Final[Demands] = frozenset()
Lists = Iterable[Iterable[Entry]]


def client_names(lists: Lists) -> Iterator[str | Unknown | None]:
    """No name, a look-up that failed, and one name for each set of demands that a name can meet."""
    yield None
    yield TEMPORARY_FAILURE
    yield from _names(_demands(lists, "domain")).values()


def certificates(lists: Lists) -> Iterator[Certificate | None]:
    """None, and one certificate for each set of demands that a digest and any number of names can meet together."""
    # A certificate is only shown in TLS: whether an entry counts without is no question.
    demands = _demands(([replace(one, require_tls=False) for one in entries] for entries in lists), "certificate")
    digests: dict[Demands, str] = {_NOTHING: _NO_DIGEST}
    for value, met in demands.items():
        if value.startswith("sha256:"):
            digests.setdefault(met, value)
    together: dict[Demands, frozenset[str]] = {_NOTHING: frozenset()}
    for met, name in _names({value: met for value, met in demands.items() if ":" not in value}).items():
        for others, names in list(together.items()):
            together.setdefault(met | others, names | {name})
    seen: set[Demands] = {_NOTHING}
    yield None
    for met, digest in digests.items():
        for others, names in together.items():
            if met | others not in seen:
                seen.add(met | others)
                yield Certificate(digest, names)


def reverse_paths(accepted_domains: Iterable[str]) -> Iterator[Any]:
    """The null one, a stranger's, and one of an accepted domain."""
    yield NULL_REVERSE_PATH
    yield Mailbox(SOMEBODY, _STRANGE, f"{SOMEBODY}@{_STRANGE}")
    accepted = next(iter(accepted_domains), None)
    if accepted is not None:
        domain = _sample(accepted, (accepted,))
        yield Mailbox(SOMEBODY, domain, f"{SOMEBODY}@{domain}")


def own_addresses(path: object) -> tuple[frozenset[str], ...]:
    """No address at all, and the one that is written under."""
    own = f"{path.local_part}@{path.domain}".lower() if isinstance(path, Mailbox) else ""
    return frozenset(), frozenset({own})


def _demands(lists: Lists, kind: str) -> dict[str, Demands]:
    """The demands on each value that an entry of `kind` names."""
    found: dict[str, set[tuple[int, bool]]] = defaultdict(set)
    for number, entries in enumerate(lists):
        for entry in entries:
            if entry.kind == kind:
                found[entry.value].add((number, entry.require_tls))
    return {value: frozenset(met) for value, met in found.items()}


def _names(demands: dict[str, Demands]) -> dict[Demands, str]:
    """A name for each set of demands that one name can meet, but for none at all."""
    found: dict[Demands, str] = {}
    for pattern in demands:
        name = _sample(pattern, demands)
        met = _NOTHING.union(*(demands[one] for one in patterns(name) if one in demands))
        found.setdefault(met, name)
    return found


def _sample(pattern: str, others: Iterable[str]) -> str:
    """A name that `pattern` matches, and no longer one of `others` (a dictionary or a set, where there are many)."""
    if not pattern.startswith("*."):
        return pattern
    tried = (f"any-name-below{number or ''}{pattern[1:]}" for number in count())
    return next(name for name in tried if name not in others)
