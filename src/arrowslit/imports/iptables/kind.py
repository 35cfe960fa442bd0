"""The rules of iptables and ip6tables, as their save commands write them, with the sets of ipset: who may connect.

All files are taken together: one of each family, and the sets that they name. See `firewall` for how rules are
followed and `firewall.carried` for what comes of it. A file that ends in the middle of a table is refused, as what is
missing may be a refusal; a table "filter" that is not there, and a line that is not understood, lets nobody in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from arrowslit.imports.firewall.carried import carry
from arrowslit.imports.firewall.conditions import Unknown
from arrowslit.imports.firewall.rules import DROP, NAT, UNKNOWN, Chain, Rule, RuleSet, Table, Verdict
from arrowslit.imports.imported import Imported, Kind, Origin, Source
from arrowslit.imports.iptables.ipset import IpSet, add, create
from arrowslit.imports.iptables.reading import rule_of
from arrowslit.imports.iptables.words import RawChain, RawFile, RawTable, policy_of, read_file
from arrowslit.imports.lines import lines_of

HOOKS: Final = {
    "PREROUTING": "prerouting",
    "INPUT": "input",
    "FORWARD": "forward",
    "OUTPUT": "output",
    "POSTROUTING": "postrouting",
}
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_TRANSLATIONS: Final = {"PREROUTING": -100, "OUTPUT": -100, "INPUT": 100, "POSTROUTING": 100}
_LOOKED_AT: Final = 400


def read(sources: Sequence[Source]) -> Imported:
    """Who may connect, by port. Raises ImportFailedError for a file that is not whole."""
    found = Imported()
    files = [read_file(source) for source in sources]
    sets = _sets(files, found)
    rules = RuleSet()
    for file in files:
        if file.tables:
            _file(file, sets, rules, found)
        for line in file.strange:
            says = "the line stands outside of a table, and was not read"
            found.leave(line.origin, line.text, says, "save the rules again: iptables-save > FILE", widens=True)
    carry(rules, ", ".join(file.name for file in files), found)
    return found


def _sets(files: list[RawFile], found: Imported) -> dict[str, IpSet]:
    sets: dict[str, IpSet] = {}
    for file in files:
        for words, origin in file.sets:
            made = create(words, origin) if words[:1] == ("create",) else None
            element = add(words) if words[:1] == ("add",) else None
            if made is not None:
                sets[made.name] = made
            elif element is not None and words[1] in sets:
                sets[words[1]].elements.append(element)
            else:
                says = "the line is not understood, and the sets of this file may lack an entry"
                found.leave(origin, " ".join(words), says, "save the sets again: ipset save > FILE", widens=True)
    return sets


def _file(file: RawFile, sets: dict[str, IpSet], rules: RuleSet, found: Imported) -> None:
    version = file.version or 4
    if not file.version:
        says = "nothing in the file says of which family its rules are; they are read as rules for IPv4"
        found.doubt(Origin(file.name), "iptables or ip6tables", says, "save them anew, with the comment at the top")
    rules.versions.add(version)
    if not any(table.name == "filter" for table in file.tables):
        says = "the file has no table filter: whether it was empty or was not saved can't be told; nobody is let in"
        found.doubt(Origin(file.name), f"IPv{version}", says, "save all tables: iptables-save > FILE")
        rules.versions.discard(version)
    for raw in file.tables:
        rules.tables.append(_table(raw, version, sets))


def _table(raw: RawTable, version: int, sets: dict[str, IpSet]) -> Table:
    made = Table(raw.name, frozenset({version}))
    for chain in raw.chains.values():
        made.chains[chain.name] = _chain(raw, chain, version, sets)
    for strange in raw.strange:
        says = "the line is not understood; save the rules as they run: iptables-save"
        stop = Rule((Unknown(says),), Verdict(DROP), strange.origin, strange.text)
        for one in made.chains.values():
            if one.hook:
                one.rules.insert(0, stop)
    return made


def _chain(table: RawTable, raw: RawChain, version: int, sets: dict[str, IpSet]) -> Chain:
    made = Chain(raw.name, raw.origin, policy=policy_of(raw))
    if raw.name in HOOKS:
        made.hook = HOOKS[raw.name]
        made.kind = NAT if table.name == "nat" else "filter"
        made.priority = _TRANSLATIONS.get(raw.name, 0) if table.name == "nat" else _PRIORITIES.get(table.name, 0)
    for one in raw.rules:
        if one.words is None:
            says = "a quote is not closed"
            made.rules.append(Rule((Unknown(says),), Verdict(UNKNOWN, why=says), one.origin, one.text))
            continue
        conditions, verdict, note = rule_of(version, sets, one.words)
        made.rules.append(Rule(conditions, verdict, one.origin, one.text, note))
    return made


def recognise(text: str) -> int:
    """90 for tables as iptables-save writes them, 80 for sets as ipset does."""
    lines = [line.strip() for line in lines_of(text)[:_LOOKED_AT]]
    if any(line.startswith("*") and line[1:] in {"filter", "nat", "mangle", "raw", "security"} for line in lines):
        return 90
    head = next((line for line in lines if line and not line.startswith("#")), "")
    kinds = ("hash:", "bitmap:", "list:")
    return 80 if head.startswith("create ") and any(f" {kind}" in head for kind in kinds) else 0


IPTABLES: Final = Kind("iptables", "iptables (iptables-save, ip6tables-save, ipset save)", recognise, read)
