"""Reads an ACL file of Exim as statements with sets of addresses, so that two are compared by what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet

_VERBS: Final = frozenset({"accept", "defer", "deny", "discard", "drop", "require", "warn"})
_SETS_CLIENT: Final = "set acl_m_arrowslit"
_LISTED: Final = ("listed", "${if def:tls_in_cipher{listed}{starttls}}")
Value = str | AddressSet


@dataclass(frozen=True, slots=True)
class Statement:
    """One verb and what stands in it, in order."""

    verb: str
    conditions: tuple[tuple[str, Value], ...] = ()

    @property
    def lists(self) -> AddressSet:
        """The addresses that this names as those of the list of who may connect, or may not."""
        said = dict(self.conditions)
        if said.get(_SETS_CLIENT) not in _LISTED:
            return EMPTY
        return EMPTY.union(*(value for value in said.values() if isinstance(value, AddressSet)))

    @property
    def of_list(self) -> bool:
        """Whether it belongs to that list, and may be there or not as it has addresses or none."""
        return dict(self.conditions).get(_SETS_CLIENT) in _LISTED


def statements(text: str) -> list[Statement]:
    """All statements of a file."""
    found: list[Statement] = []
    for line in _logical(text):
        if line in _VERBS:
            found.append(Statement(line))
        elif found:
            last = found[-1]
            found[-1] = Statement(last.verb, (*last.conditions, _condition(line)))
        else:
            found.append(Statement("?", ((line, ""),)))
    return found


def listed(found: list[Statement]) -> AddressSet:
    """The list of who may connect, or may not."""
    return EMPTY.union(*(one.lists for one in found))


def rest(found: list[Statement]) -> list[Statement]:
    """All but the addresses of that list."""
    return [_without_addresses(one) for one in found]


def _without_addresses(statement: Statement) -> Statement:
    if not statement.of_list:
        return statement
    conditions = ((name, "" if isinstance(value, AddressSet) else value) for name, value in statement.conditions)
    return Statement(statement.verb, tuple(conditions))


def _condition(line: str) -> tuple[str, Value]:
    name, _, value = line.partition("=")
    name, value = " ".join(name.split()), " ".join(value.split())
    if name in {"hosts", "!hosts"} and value.startswith("<;"):
        try:
            words = (one.strip() for one in value[2:].split(";"))
            return name, address_set(parse_range(one) for one in words if one)
        except ValueError:
            return name, value
    return name, value


def _logical(text: str) -> Iterator[str]:
    """Lines with what continues them; comments count nowhere, not even between those (chapter 6)."""
    parts: list[str] = []
    for line in text.split("\n"):
        said = line.strip()
        if said.startswith("#"):
            continue
        parts.append(said.removesuffix("\\"))
        if said.endswith("\\"):
            continue
        whole = "".join(parts)
        parts = []
        if whole:
            yield whole
