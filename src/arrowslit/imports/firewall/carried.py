"""What a rule set lets in, as parts of a policy: a list of addresses for each mail port, with the rule of each range.

Ports 465 and 587 become virtual servers of their own where others than on port 25 are let in there. A list is written
by those who may, or by those who may not where that is shorter. Terms are those of `access` and `places`.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import zip_longest
from typing import Final

from arrowslit.imports.firewall.access import LOOPBACKS, Access, chosen, is_wide
from arrowslit.imports.firewall.conditions import addresses_of
from arrowslit.imports.firewall.journey import Journey
from arrowslit.imports.firewall.naming import Naming
from arrowslit.imports.firewall.packet import SOURCE
from arrowslit.imports.firewall.places import Places
from arrowslit.imports.firewall.rules import Rule, RuleSet
from arrowslit.imports.firewall.spans import ALL, NONE, Spans, both, firsts, holds, without
from arrowslit.imports.firewall.walk import Part
from arrowslit.imports.imported import AccessList, Entry, Expectation, Imported, Origin, VirtualServer
from arrowslit.imports.ranges import entry_of

PORTS: Final = {25: "default", 465: "smtps", 587: "submission"}
_MOST_SERVERS: Final = 6
_IN_A_GRANT: Final = 20
_STRANGERS: Final = ("203.0.113.9", "198.51.100.9", "192.0.2.9", "8.8.8.8")
_UNCLEAR: Final = "whoever it lets in is left out, and whoever it may turn away too"
_BY_HAND: Final = "list by hand whom it should let in"
_RATE: Final = "connections_a_source, or the limits of the node, say how often"


def carry(rules: RuleSet, name: str, found: Imported) -> None:
    """Adds to `found` what the rules let in; `name` is what the administrator calls the files."""
    _Carrier(rules, name, found).carry()


class _Carrier:
    def __init__(self, rules: RuleSet, name: str, found: Imported) -> None:
        self.rules, self.found, self.origin = rules, found, Origin(name)
        journey = Journey(rules)
        self.places = {version: Places(Naming(rules, version), journey) for version in (4, 6)}
        self.known: dict[tuple[int, tuple[bool, ...]], list[Access]] = {}
        self.told: set[tuple[int, str]] = set()

    def carry(self) -> None:
        default: dict[int, Spans] = {}
        for port, name in PORTS.items():
            by_version = {version: self._chosen(version, port) for version in (4, 6)}
            for number, taken in enumerate(zip_longest(by_version[4], by_version[6])):
                pair = dict(zip((4, 6), taken, strict=True))
                spans = {version: one.spans if one else NONE for version, one in pair.items()}
                if port != 25 and (spans == default or not self._says_something(port, spans)):
                    continue
                if number >= _MOST_SERVERS:
                    self.found.leave(self.origin, f"port {port}", "more servers are told apart than are imported")
                    break
                self._server(name if not number else f"{name}-{number + 1}", pair, spans, port)
                default = default or spans
            if port == 25 and not default:
                self._server(name, {4: None, 6: None}, {4: NONE, 6: NONE}, port)
                default = {4: NONE, 6: NONE}
        for what in sorted({what for one in self.places.values() for what in one.naming.cut}):
            says = f"the rules name more {what} than are followed one by one"
            self.found.leave(self.origin, what, says, "see that none of the others matters for mail", widens=True)

    def _says_something(self, port: int, spans: dict[int, Spans]) -> bool:
        """False where nobody is let in, and where everybody is since no rule speaks of that port."""
        if all(spans[version] == ALL[version] for version in self.rules.versions):
            return any(rule.names(port) for version in (4, 6) for rule in self.rules.rules(version))
        return any(without(spans[version], LOOPBACKS[version]) for version in (4, 6))

    def _chosen(self, version: int, port: int) -> list[Access]:
        if version not in self.rules.versions:
            return []
        places = self.places[version]
        alike = version, places.naming.distinguishes(port)
        if alike in self.known:
            return self.known[alike]
        taken, aside, every = chosen(places.followed(port), places.is_inner)
        self.known[alike] = taken
        if not any(one.parts for one in every) and port == 25:
            for remark in dict.fromkeys(remark for one in every for remark in one.remarks):
                self.found.doubt(self.origin, f"IPv{version}, port {port}", remark)
        for one in every:
            self._tell(one)
        if aside:
            more = f" and {len(aside) - 1} more" if len(aside) > 1 else ""
            says = "others are let in there than to the server that was taken; it has no virtual server here"
            text = f"IPv{version}: {aside[0].place.text}{more}"
            self.found.doubt(self.origin, text, says, "see whether mail comes there")
        return taken

    def _tell(self, one: Access) -> None:
        for rule, why in one.unclear.items():
            if self._first(rule, "unclear"):
                self.found.leave(rule.origin, rule.text, "; ".join(dict.fromkeys([*why, _UNCLEAR])), _BY_HAND)
        for rule, loss in one.losses.items():
            if self._first(rule, "loss"):
                self.found.leave(rule.origin, rule.text, "; ".join(dict.fromkeys(loss)), _RATE, widens=True)

    def _first(self, rule: Rule, what: str) -> bool:
        """True the first time."""
        key = id(rule), what
        new = key not in self.told
        self.told.add(key)
        return new

    def _server(self, name: str, accesses: dict[int, Access | None], spans: dict[int, Spans], port: int) -> None:
        outside = {version: without(ALL[version], some) for version, some in spans.items()}
        longer = sum(map(len, spans.values())) - sum(map(len, outside.values()))
        excepting = longer > 0 or (longer == 0 and is_wide(spans[4], 4))
        control = AccessList("all_except_listed" if excepting else "only_listed", origin=self.origin)
        listed = control.all_except_listed if excepting else control.only_listed
        for version, one in accesses.items():
            parts = [] if one is None else one.refused if excepting else one.parts
            wanted = outside[version] if excepting else spans[version]
            listed += self._entries(parts, wanted, version)
            for remark in one.remarks if one else ():
                self.found.doubt(self.origin, f"IPv{version}, port {port}", remark)
        self._shorten(name, listed)
        server = VirtualServer(name, self.origin)
        server.connection_control = control
        self.found.servers.append(server)
        self._say_what_is_open(name, port, spans)
        self._expect(name, spans)

    def _entries(self, parts: list[Part], wanted: Spans, version: int) -> Iterator[Entry]:
        make = IPv4Address if version == 4 else IPv6Address
        decided = firsts([*(part.spans for part in parts), wanted])
        for part, spans in zip([*parts, None], decided, strict=True):
            rule = None if part is None else part.rule or part.last
            for first, last, note in _noted(both(spans, wanted), rule):
                yield entry_of(make(first), make(last), rule.origin if rule else self.origin, note)

    def _shorten(self, name: str, listed: list[Entry]) -> None:
        """What one rule lists at length becomes a network."""
        by_rule: dict[Origin, list[Entry]] = {}
        for entry in listed:
            by_rule.setdefault(entry.origin, []).append(entry)
        if len(by_rule) > _IN_A_GRANT:
            by_rule = {self.origin: list(listed)}
        made: list[Entry] = []
        for origin, entries in by_rule.items():
            if len(entries) <= _IN_A_GRANT:
                made += entries
                continue
            network = f"{name}-{len(self.found.networks) + 1}"
            self.found.networks[network] = entries
            made.append(Entry("network", network, origin))
        listed[:] = made

    def _say_what_is_open(self, name: str, port: int, spans: dict[int, Spans]) -> None:
        for version in (4, 6):
            if version not in self.rules.versions:
                if name == "default":
                    says = f"the files tell nothing of IPv{version}: nobody is let in there"
                    self.found.doubt(self.origin, f"IPv{version}", says, f"import the rules for IPv{version} as well")
            elif spans[version] == ALL[version]:
                says = f"these rules turn nobody away on port {port}: they restrict nothing"
                self.found.remark(
                    self.origin, f"IPv{version}, {name}", says, "list who may connect before it is locked"
                )

    def _expect(self, name: str, spans: dict[int, Spans]) -> None:
        """One who is let in and one who is not."""
        for version, make in ((4, IPv4Address), (6, IPv6Address)):
            some = [] if is_wide(spans[version], version) else [make(first) for first, _ in spans[version]]
            if client := next((one for one in some if not one.is_loopback), None):
                first = str(client)
                self._expectation(f"{first} may connect", "permit", first, name)
        stranger = next((one for one in _STRANGERS if not holds(spans[4], int(IPv4Address(one)))), "")
        if stranger:
            self._expectation(f"{stranger} may not connect", "reject", stranger, name)

    def _expectation(self, that: str, outcome: str, client: str, name: str) -> None:
        self.found.expectations.append(Expectation(that, outcome, self.origin, (("from", client),), name))


def _noted(spans: Spans, rule: Rule | None) -> Iterator[tuple[int, int, str]]:
    """The spans, with what the rule or its list says of them; what is noted apart stands apart."""
    if rule is None:
        yield from ((first, last, "") for first, last in spans)
        return
    notes = sorted(note for one in addresses_of(rule.conditions, SOURCE) for note in one.notes)
    at = 0
    for first, last in spans:
        start = first
        while at < len(notes) and notes[at][1] < start:
            at += 1
        look = at
        while look < len(notes) and notes[look][0] <= last:
            low, high, text = max(notes[look][0], start), min(notes[look][1], last), notes[look][2]
            if low > start:
                yield start, low - 1, rule.note
            if high >= low:
                yield low, high, text
                start = high + 1
            look += 1
        if start <= last:
            yield start, last, rule.note
