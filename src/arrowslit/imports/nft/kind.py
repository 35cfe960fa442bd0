"""The rule set of nftables, as `nft -j list ruleset` writes it: who may connect.

See `firewall` for how rules are followed and `firewall.carried` for what comes of it. Tables of the family "bridge" are
not followed, and said; those of "arp" have no say over mail. A rule is named by its handle, as nft has no lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from arrowslit.imports.firewall.carried import carry
from arrowslit.imports.firewall.rules import DROP, FILTER, NAT, Chain, Rule, RuleSet, Table
from arrowslit.imports.imported import Imported, ImportFailedError, Kind, Origin, Source
from arrowslit.imports.nft.elements import ElementSet, Json, Named, elements
from arrowslit.imports.nft.statements import rules_of

_FAMILIES: Final = {"ip": {4}, "ip6": {6}, "inet": {4, 6}, "netdev": {4, 6}}
_AS_JSON: Final = "save it as JSON: nft -j list ruleset > FILE"
_SHOWN: Final = 400


def read(sources: Sequence[Source]) -> Imported:
    """Who may connect, by port. Raises ImportFailedError for what is no whole rule set in JSON."""
    found, rules = Imported(), RuleSet(versions={4, 6})
    for source in sources:
        objects = _objects(source)
        _Reader(source.name, objects, rules, found).read()
    carry(rules, ", ".join(source.name for source in sources), found)
    return found


def _objects(source: Source) -> list[tuple[str, Mapping[str, Json]]]:
    """The objects of the file with their kind, in order."""
    try:
        whole = json.loads(source.text)
    except RecursionError:
        raise ImportFailedError(f"{source.name}: it is nested too deep to be a rule set; {_AS_JSON}") from None
    except ValueError as error:
        raise ImportFailedError(f"{source.name}: this is no whole JSON ({error}); {_AS_JSON}") from None
    listed = whole.get("nftables") if isinstance(whole, dict) else None
    if not isinstance(listed, list):
        raise ImportFailedError(f'{source.name}: there is no list "nftables" in it; {_AS_JSON}')
    made: list[tuple[str, Mapping[str, Json]]] = []
    for one in listed:
        if not isinstance(one, dict) or len(one) != 1 or not all(isinstance(inner, dict) for inner in one.values()):
            raise ImportFailedError(f"{source.name}: {str(one)[:80]} is no object of nftables; {_AS_JSON}")
        made += one.items()
    return made


class _Reader:
    """Reads one file: first what rules name, then the rules."""

    def __init__(
        self, name: str, objects: list[tuple[str, Mapping[str, Json]]], rules: RuleSet, found: Imported
    ) -> None:
        self.name, self.objects, self.rules, self.found = name, objects, rules, found
        self.tables: dict[tuple[str, str], Table] = {}
        self.named: dict[tuple[str, str], Named] = {}

    def read(self) -> None:
        for kind, one in self.objects:
            if kind == "table":
                self._table(one)
        for kind, one in self.objects:
            if (key := _key(one, "table")) in self.tables:
                self._thing(kind, one, key)
        for kind, one in self.objects:
            if kind == "rule" and (key := _key(one, "table")) in self.tables:
                self._rule(one, key)
        self._bridges()

    def _table(self, one: Mapping[str, Json]) -> None:
        family, name = _key(one, "name")
        if family in _FAMILIES and "dormant" not in str(one.get("flags", "")):
            made = Table(f"{family} {name}", frozenset(_FAMILIES[family]))
            self.tables[family, name] = made
            self.named[family, name] = Named()
            self.rules.tables.append(made)

    def _thing(self, kind: str, one: Mapping[str, Json], key: tuple[str, str]) -> None:
        """A chain, or what rules name."""
        name, named = str(one.get("name")), self.named[key]
        if kind == "chain":
            self.tables[key].chains[name] = self._chain(one, key, name)
        elif kind == "set":
            named.sets[name] = ElementSet(name, elements(one.get("elem")))
        elif kind == "map":
            entries = one.get("elem")
            named.maps[name] = entries if isinstance(entries, list) else []
        elif kind == "limit":
            named.limits[name] = one

    def _chain(self, one: Mapping[str, Json], key: tuple[str, str], name: str) -> Chain:
        hook = one.get("hook")
        priority, devices = one.get("prio"), one.get("dev")
        return Chain(
            name,
            Origin(self.name, what=f"{key[0]} {key[1]} {name} policy"),
            hook=hook if isinstance(hook, str) else "",
            priority=priority if isinstance(priority, int) else 0,
            kind=NAT if one.get("type") == "nat" else FILTER,
            policy=DROP if one.get("policy") == "drop" else "accept",
            devices=tuple(str(device) for device in (devices if isinstance(devices, list) else [devices]) if device),
        )

    def _rule(self, one: Mapping[str, Json], key: tuple[str, str]) -> None:
        table, name = self.tables[key], str(one.get("chain"))
        origin = Origin(self.name, what=f"{key[0]} {key[1]} {name} handle {one.get('handle', '?')}")
        chain = table.chains.setdefault(name, Chain(name, origin))
        note = one.get("comment")
        expressions = one.get("expr")
        text = json.dumps(expressions)[:_SHOWN]
        version = {"ip": 4, "ip6": 6}.get(key[0])
        for conditions, verdict in rules_of(expressions, version, self.named[key]):
            chain.rules.append(Rule(conditions, verdict, origin, text, note if isinstance(note, str) else ""))

    def _bridges(self) -> None:
        for kind, one in self.objects:
            if kind == "chain" and one.get("family") == "bridge" and one.get("hook"):
                origin = Origin(self.name, what=f"bridge {one.get('table')} {one.get('name')}")
                says = "what passes a bridge is not followed, and such a chain may turn somebody away"
                self.found.leave(origin, "table bridge", says, "see what it drops", widens=True)


def _key(one: Mapping[str, Json], name: str) -> tuple[str, str]:
    return str(one.get("family")), str(one.get(name))


def recognise(text: str) -> int:
    """95 for the list "nftables" in JSON; 60 for nft's own language, which is refused with what to do."""
    head = text.lstrip("\ufeff \t\r\n")[:2000]
    if head.startswith("{") and '"nftables"' in head:
        return 95
    return 60 if any(_own_words(head)) else 0


def _own_words(head: str) -> Iterator[bool]:
    for line in head.splitlines():
        words = line.split()
        yield len(words) >= 3 and words[0] == "table" and (words[1] in _FAMILIES or words[2] == "{")
        yield line.startswith("flush ruleset") or line.startswith("#!/usr/sbin/nft")


NFTABLES: Final = Kind("nftables", "nftables (nft -j list ruleset)", recognise, read)
