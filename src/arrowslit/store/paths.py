"""Ways through one day of decisions: which index finds the rows of a query, and what is left to test on each.

Terms: an *arm* is the condition of one index scan. A *path* is one or more arms that together find all rows a query
can want; it is *ordered* where each arm gives its rows in the order of time. What is *left* is tested on the
rows that an arm finds. Actions are small numbers and stand in the indexes before the time, so a path has an arm for
each action: the three refusals of a client with a million permits are three rows to look at.

A range of addresses or all recipients of a domain are not ordered: that path is only good where it finds few rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from sqlalchemy import ColumnCollection, ColumnElement, and_, literal_column, true

from arrowslit.store.decision_row import address_octets
from arrowslit.store.decision_table import ACTIONS, COMMON, OTHER_ACTION, recipient_key
from arrowslit.store.query import Query

Columns = ColumnCollection[str, Any]
Condition = Callable[[Columns], ColumnElement[bool]]
"""A condition on whatever has these columns: the table, or a selection of it."""

_ALL_ACTIONS: Final = (*range(len(ACTIONS)), OTHER_ACTION)
_BY_ACTION: Final = frozenset({"client", "recipient"})
_INDEXED: Final = ("id", "client", "recipient", "kind", "outcome", "would_be", "rule", "reason", "virtual_server")
"""The most promising first."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way."""

    arms: tuple[Condition, ...]
    left: tuple[Condition, ...]
    ordered: bool = True


def paths(query: Query) -> tuple[list[Path], Path]:
    """The ways by an index that may find few rows, the most promising first; and the one that always works."""
    found = _conditions(query)
    by_index = [_path(name, query, found) for name in _INDEXED if name in found and _has_index(name, query)]
    arms = tuple(_equal("action", action) for action in _actions(query)) if query.actions else (_any,)
    return by_index, Path(arms, tuple(found.values()))


def _path(name: str, query: Query, found: dict[str, Condition]) -> Path:
    own, actions = found[name], _actions(query)
    left = tuple(condition for other, condition in found.items() if other != name)
    ordered = not _is_range(name, query)
    if ordered and name in _BY_ACTION:
        return Path(tuple(_both(own, _equal("action", action)) for action in actions), left)
    if query.actions:
        left = (*left, lambda columns: columns["action"].in_(actions))
    return Path((own,), left, ordered)


def _actions(query: Query) -> tuple[int, ...]:
    if not query.actions:
        return _ALL_ACTIONS
    return tuple(number for number, name in enumerate(ACTIONS) if name in query.actions)


def _conditions(query: Query) -> dict[str, Condition]:
    found: dict[str, Condition] = {}
    for name in ("id", "outcome", "reason", "rule", "kind", "virtual_server"):
        value = getattr(query, name)
        if value is not None:
            found[name] = _equal(name, value)
    if query.client is not None:
        found["client"] = _client(query.client)
    if query.recipient is not None:
        found["recipient"] = _recipient(query.recipient)
    for name, common in COMMON.items():
        if name in found and getattr(query, name) not in common:
            found[name] = _both(found[name], _none_of(name, common))
    if query.would_be is not None:
        found["would_be"] = _equal("observed", 1) if query.would_be else lambda columns: columns["observed"].is_(None)
    return found


def _has_index(name: str, query: Query) -> bool:
    if name in COMMON:
        return getattr(query, name) not in COMMON[name]
    return name != "would_be" or query.would_be is True


def _is_range(name: str, query: Query) -> bool:
    if name == "client":
        return query.client is not None and query.client.num_addresses > 1
    return name == "recipient" and query.recipient is not None and query.recipient.startswith("@")


# --- conditions -----------------------------------------------------------------------------------------------------


def _any(_columns: Columns) -> ColumnElement[bool]:
    """The table itself lies in the order of time."""
    return true()


def _equal(name: str, value: object) -> Condition:
    def condition(columns: Columns) -> ColumnElement[bool]:
        found: ColumnElement[bool] = columns[name] == value
        return found

    return condition


def _none_of(name: str, values: Iterable[str]) -> Condition:
    """Not by parameters: a planner must see that the partial index fits."""
    literals: list[ColumnElement[str]] = [literal_column(f"'{value}'") for value in values]
    return lambda columns: and_(*(columns[name] != literal for literal in literals))


def _both(one: Condition, other: Condition) -> Condition:
    return lambda columns: and_(one(columns), other(columns))


def _client(network: IPv4Network | IPv6Network) -> Condition:
    first, last = address_octets(str(network[0])), address_octets(str(network[-1]))
    if first == last:
        return _equal("client", first)
    return lambda columns: columns["client"].between(first, last)


def _recipient(wanted: str) -> Condition:
    key = recipient_key(wanted)
    if not wanted.startswith("@"):
        return _equal("recipient", key)
    # The key is `domain@`; "A" is what follows "@".
    return lambda columns: and_(columns["recipient"] >= key, columns["recipient"] < f"{key[:-1]}A")
