"""The kinds of recipients and client names that the tables of a service tell apart.

For each name or address that a table mentions there is one kind, and one for all that is mentioned nowhere. A domain
that is not handled here, and that a table lets in, is one too: in effect it is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from arrowslit.imports.asking import ELSEWHERE, Name, Recipient
from arrowslit.imports.imported import Origin
from arrowslit.imports.kinds import is_pattern, sample
from arrowslit.imports.plain import Plain
from arrowslit.imports.postfix.domains import Domains
from arrowslit.imports.postfix.lookups import UNKNOWN_NAME, key_addresses
from arrowslit.imports.postfix.tables import Row, Table
from arrowslit.imports.spaces import Part

MOST: Final = 300
"""How many names or recipients of tables are told apart; a table of more is a list of another sort. One more single
address comes back, so that it is seen."""
_ANYBODY: Final = "anybody-at-all"
_LOCAL_DOMAINS: Final = 50


def domain_patterns(row: Row, kind: str, *, parents: bool) -> Iterator[str]:
    """The domains, as patterns, that a row speaks of."""
    if kind == "indexed":
        key = row.key
        if "@" in key or not key or key_addresses(key):
            return
        name = key.removeprefix(".")
        if key.startswith("."):
            yield f"*.{name}"
        else:
            yield name
            if parents:
                yield f"*.{name}"
    for shape in row.shapes or ():
        if shape.kind == "exact" and "@" not in shape.text and not key_addresses(shape.text):
            yield shape.text
        elif shape.kind == "ending":
            yield f"*{shape.text}" if shape.text.startswith(".") else shape.text[1:]


def client_names(tables: Iterable[Table], *, parents: bool) -> list[Name]:
    """Every client name that a table speaks of, with one that stands for it."""
    found: dict[str, Name] = {}
    for table in tables:
        for row in table.rows:
            for pattern in domain_patterns(row, table.kind, parents=parents):
                if pattern not in found and is_pattern(pattern) and pattern != UNKNOWN_NAME:
                    found[pattern] = Name(pattern, sample(pattern), row.origin)
    return list(found.values())


def client_parts(tables: Iterable[Table]) -> list[Part]:
    """Every range of addresses that a table speaks of."""
    found: list[Part] = []
    for table in tables:
        for row in table.rows:
            addresses = row.addresses if table.kind == "cidr" else key_addresses(row.key)
            for shape in row.shapes or ():
                addresses = addresses.union(key_addresses(shape.text.rstrip(".:")))
            found += [Part(first, last, row.origin) for first, last in addresses.ranges()]
    return found


def recipients(tables: list[Table], domains: Domains, *, parents: bool) -> list[Recipient]:
    """The kinds of recipients: of accepted domains, single addresses, addresses that route, and elsewhere."""
    mentioned = dict(islice(_mentioned(tables, parents=parents).items(), MOST))
    cells = {pattern: one.origin for pattern, one in domains.found.items()}
    touched = Plain.of(mentioned)
    plain = [one for one in cells if one not in mentioned and touched.first(sample(one)) is None]
    rest = set(plain)
    found = [_accepted(tuple(plain), cells[plain[0]])] if plain else []
    found += [_accepted((pattern,), cells[pattern]) for pattern in cells if pattern not in rest]
    others = [Recipient("other", f"{_ANYBODY}@{ELSEWHERE}")]
    for pattern, origin in mentioned.items():
        if pattern not in cells:
            kind = "accepted" if domains.accepted(sample(pattern)) else "other"
            (found if kind == "accepted" else others).append(
                Recipient(kind, f"{_ANYBODY}@{sample(pattern)}", (pattern,), origin)
            )
    routing = [
        Recipient("routing", f"{text}@{domain}", (pattern,))
        for pattern, domain in _one_of_each_sort(domains)
        for text in _ROUTES
    ]
    return [*found, *islice(_addresses(tables, domains), MOST + 1), *routing, *others]


_ROUTES: Final = (f"user%{ELSEWHERE}", f"{ELSEWHERE}!user")


def _accepted(patterns: tuple[str, ...], origin: Origin) -> Recipient:
    return Recipient("accepted", f"{_ANYBODY}@{sample(patterns[0])}", patterns, origin)


def _one_of_each_sort(domains: Domains) -> Iterator[tuple[str, str]]:
    """One of mydestination, where addresses that route are taken apart, and one of the others."""
    for wanted in (True, False):
        hits = [(pattern, sample(pattern)) for pattern in domains.found if (pattern in domains.local) is wanted]
        yield from hits[:1]


def _mentioned(tables: list[Table], *, parents: bool) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for table in tables:
        for row in table.rows:
            for pattern in domain_patterns(row, table.kind, parents=parents):
                if is_pattern(pattern):
                    found.setdefault(pattern, row.origin)
    return found


def _addresses(tables: list[Table], domains: Domains) -> Iterator[Recipient]:
    seen: set[str] = set()
    for table in tables:
        for row in table.rows:
            for text in _row_addresses(row, table.kind, domains):
                domain = text.rpartition("@")[2]
                owner = _owner(domain, domains)
                if owner is not None and text not in seen:
                    seen.add(text)
                    yield Recipient("address", text, (owner,), row.origin)


def _owner(domain: str, domains: Domains) -> str | None:
    """The accepted domain that a name falls under: itself, else the longest wildcard."""
    above = (f"*{domain[at:]}" for at, sign in enumerate(domain) if sign == "." and at)
    return next((pattern for pattern in (domain, *above) if pattern in domains.found), None)


def _row_addresses(row: Row, kind: str, domains: Domains) -> Iterator[str]:
    texts = [row.key] if kind == "indexed" else []
    texts += [shape.text for shape in row.shapes or () if shape.kind in {"exact", "beginning"}]
    for text in texts:
        if text.endswith("@"):
            yield from (text + pattern for pattern in list(domains.found)[:_LOCAL_DOMAINS] if pattern[0] != "*")
        elif "@" in text:
            yield text
