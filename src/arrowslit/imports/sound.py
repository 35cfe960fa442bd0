"""What was found, brought into what the policy format can hold and a policy may say.

An importer says what the source means; here each value goes through the reader of the policy format, so that the text
made of it loads. What does not fit is left, by name and with its place, never dropped in silence: an entry that is no
address or name, a setting that the format has not, a right to relay that would be an open relay (the format refuses
those, and so does an import: the narrower side). Never repairs a value by guessing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from arrowslit.imports.imported import AcceptedDomain, AccessList, Entry, Expectation, Imported, Origin, VirtualServer
from arrowslit.imports.writing import name_from
from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.lint_lists import NOT_PUBLIC
from arrowslit.policy.schema import POLICY, Key, Kind, Section
from arrowslit.policy.tree import Span, Value
from arrowslit.policy.values import READ, WrongValueError, parse_next_hop_address, pattern

_ADDRESSES: Final = frozenset({"computer", "group", "range"})
_NOWHERE: Final = Span(1, 1, 1, 1)
_WIDEST: Final = {4: 1 << 16, 6: 1 << 96}
_OPEN: Final = "whoever is not listed may relay: that is an open relay, which no policy may be"
_WIDE: Final = "a public range wider than /16 (IPv6: /32) on the relay list is as good as an open relay"


def sound(found: Imported) -> Imported:
    """The same, fit to be written; what had to go stands in `left`. `found` is not changed."""
    return _Sieve(found).made()


def _section(name: str) -> Section:
    key = POLICY.key(name)
    if key is None or key.section is None:
        raise KeyError(name)
    return key.section


_SERVER: Final = _section("virtual_servers")
_EXPECTATION: Final = _section("expectations")
_ENTRY_KEYS: Final = {
    "computer": Key("computer", Kind.ADDRESS, ""),
    "group": Key("group", Kind.GROUP, ""),
    "range": Key("range", Kind.RANGE, ""),
    "domain": Key("domain", Kind.PATTERN, ""),
    "certificate": Key("certificate", Kind.CERTIFICATE, ""),
    "network": Key("network", Kind.TEXT, ""),
}


class _Sieve:
    """Goes through all parts once."""

    def __init__(self, found: Imported) -> None:
        self.found = found
        self.made_ = Imported(left=list(found.left), doubts=list(found.doubts), remarks=list(found.remarks))
        self.names: dict[str, str] = {}

    def made(self) -> Imported:
        made, found = self.made_, self.found
        for name, entries in found.networks.items():
            self.names[name] = name_from(name, made.networks)
            made.networks[self.names[name]] = list(self._entries(entries, widens=False, kinds=_ADDRESSES))
        made.next_hop = self._next_hop(found.next_hop)
        made.relay_next_hop = self._next_hop(found.relay_next_hop)
        self._domains()
        servers: dict[str, str] = {}
        taken: set[str] = set()
        for server in found.servers:
            name = name_from(server.name, taken, "default")
            taken.add(name)
            servers.setdefault(server.name, name)
            made.servers.append(self._server(server, name))
        made.expectations = [one for each in found.expectations for one in self._expectation(each, servers)]
        return made

    def _next_hop(self, text: str) -> str:
        if not text:
            return ""
        try:
            return parse_next_hop_address(text).text
        except ValueError as error:
            self.made_.leave(Origin("next hop"), text, str(error), "write where the mail goes yourself")
            return ""

    def _domains(self) -> None:
        seen: dict[str, AcceptedDomain] = {}
        for one in self.found.accepted_domains:
            try:
                name = pattern(one.name, Value(one.name, _NOWHERE))
            except WrongValueError as error:
                self.made_.leave(one.origin, one.name, str(error), "accept it under its own name")
                continue
            if name in seen:
                if one.delivery is not None and one.delivery != seen[name].delivery:
                    says = f"{name} is accepted twice, and the first counts"
                    self.made_.leave(one.origin, one.name, says, "see who may deliver to it")
                continue
            delivery = None if one.delivery is None else self._list(one.delivery)
            seen[name] = replace_domain(one, name, delivery)
        self.made_.accepted_domains = list(seen.values())

    def _server(self, one: VirtualServer, name: str) -> VirtualServer:
        relay = one.relay_restrictions
        return replace(
            one,
            name=name,
            connection_control=self._list(one.connection_control),
            relay_restrictions=None if relay is None else self._closed(self._list(relay)),
            delivery=None if one.delivery is None else self._list(one.delivery),
            skip_checks=None if one.skip_checks is None else self._list(one.skip_checks),
            settings=dict(self._settings(one)),
        )

    def _settings(self, one: VirtualServer) -> Iterator[tuple[str, str | int | bool | tuple[str, ...]]]:
        for name, value in one.settings.items():
            says = self._refused(_SERVER.key(name), value)
            if says is None:
                yield name, value
            else:
                self.made_.leave(one.origin, f"{name} = {value}", says, "set it by hand", widens=True)

    def _refused(self, key: Key | None, value: Any) -> str | None:
        """What the policy format says against a value; None where it takes it."""
        if key is None or key.kind not in READ:
            return "the policy has no such setting"
        data = tuple(Value(item, _NOWHERE) for item in value) if isinstance(value, tuple) else value
        names = {kind: _Anything() for kind in (Kind.NETWORK, Kind.NEXT_HOP, Kind.VIRTUAL_SERVER)}
        try:
            READ[key.kind](Value(data, _NOWHERE), key, names)  # type: ignore[arg-type]
        except WrongValueError as error:
            return str(error)
        return None

    def _list(self, one: AccessList) -> AccessList:
        """Both lists; what goes from the list that takes away lets more in, if that list counts."""
        except_counts = one.mode == "all_except_listed"
        excepted: list[Entry] = []
        for entry in self._entries(one.all_except_listed, widens=except_counts):
            if entry.require_tls or entry.kind == "certificate":
                says = "whoever leaves TLS out would get in: no policy can refuse by it"
                self.made_.leave(entry.origin, entry.value, says, "refuse by address", widens=except_counts)
            else:
                excepted.append(entry)
        return AccessList(one.mode, list(self._entries(one.only_listed, widens=False)), excepted, one.origin)

    def _entries(
        self, entries: Iterable[Entry], *, widens: bool, kinds: Container[str] = _ENTRY_KEYS
    ) -> Iterator[Entry]:
        seen: set[tuple[str, str, bool]] = set()
        for entry in entries:
            value, says = self._value(entry, kinds)
            if says:
                self.made_.leave(entry.origin, f"{entry.kind} {entry.value}", says, "list it by hand", widens=widens)
            elif (entry.kind, value, entry.require_tls) not in seen:
                seen.add((entry.kind, value, entry.require_tls))
                yield replace(entry, value=value)

    def _value(self, entry: Entry, kinds: Container[str]) -> tuple[str, str]:
        """The normal form, or what stands against it."""
        if entry.kind not in kinds:
            return "", f"{entry.kind} can't be listed here"
        if entry.kind == "network":
            known = self.names.get(entry.value)
            return known or "", "" if known else "there is no network of this name"
        try:
            key = _ENTRY_KEYS[entry.kind]
            return READ[key.kind](Value(entry.value, _NOWHERE), key, {})[0], ""
        except WrongValueError as error:
            return "", str(error)

    def _closed(self, relay: AccessList) -> AccessList:
        """Without what would be an open relay; the origin of what goes is told."""
        if relay.mode != "only_listed":
            origin = relay.origin or Origin("relay restrictions")
            self.made_.leave(origin, relay.mode, _OPEN, "list the few that have to relay")
            return AccessList("only_listed", [], [], relay.origin)
        kept: list[Entry] = []
        for entry in relay.only_listed:
            if self._wide(entry):
                self.made_.leave(entry.origin, entry.value, _WIDE, "list the few that have to relay")
            else:
                kept.append(entry)
        return AccessList("only_listed", kept, relay.all_except_listed, relay.origin)

    def _wide(self, entry: Entry) -> bool:
        if entry.kind == "network":
            addresses = address_set(parse_range(one.value) for one in self.made_.networks[entry.value])
        elif entry.kind in _ADDRESSES:
            addresses = address_set([parse_range(entry.value)])
        else:
            return False
        return wide(addresses)

    def _expectation(self, one: Expectation, servers: dict[str, str]) -> Iterator[Expectation]:
        says = [self._refused(_EXPECTATION.key(name), value) for name, value in one.facts]
        if one.virtual_server in servers and not any(says) and "from" in dict(one.facts):
            yield replace(one, virtual_server=servers[one.virtual_server])
        else:
            why = next((text for text in says if text), "it does not say of which client or virtual server")
            self.made_.leave(one.origin, one.that, why, "write the expectation by hand")


class _Anything:
    """Holds every name: what may be referred to is seen when the document is read."""

    def __contains__(self, name: object) -> bool:
        return True


def too_wide(entry: Entry) -> bool:
    """Whether an entry of addresses lets more relay than a relay list may hold."""
    try:
        return wide(address_set([parse_range(entry.value)]))
    except ValueError:
        return False


def wide(addresses: AddressSet) -> bool:
    """True where a public range in it is wider than a relay list may hold."""
    ranges = addresses.subtract(NOT_PUBLIC).ranges()
    return any(int(last) - int(first) >= _WIDEST[first.version] for first, last in ranges)


def replace_domain(one: AcceptedDomain, name: str, delivery: AccessList | None) -> AcceptedDomain:
    """The same accepted domain under its normal name."""
    return AcceptedDomain(name, one.kind, one.origin, delivery)
