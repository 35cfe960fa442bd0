"""Long lists of addresses, moved into networks of their own, so that a grant stays short enough to be read.

What comes from one place of the source and is more than a few addresses becomes one network; the same addresses in two
grants are one network. Names and certificates stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from arrowslit.imports.imported import AccessList, Entry, Imported, Origin, VirtualServer
from arrowslit.imports.sound import too_wide
from arrowslit.imports.writing import name_from

MOST: Final = 24
_ADDRESSES: Final = frozenset({"computer", "group", "range"})


def gathered(found: Imported) -> Imported:
    """The same with long lists in networks. `found` is not changed."""
    return _Gatherer(found).made()


class _Gatherer:
    def __init__(self, found: Imported) -> None:
        self.found = found
        self.networks = dict(found.networks)
        self.known: dict[tuple[tuple[str, str], ...], str] = {}

    def made(self) -> Imported:
        domains = [replace(one, delivery=self._list(one.delivery)) for one in self.found.accepted_domains]
        servers = [self._server(one) for one in self.found.servers]
        return replace(self.found, servers=servers, accepted_domains=domains, networks=self.networks)

    def _server(self, one: VirtualServer) -> VirtualServer:
        return replace(
            one,
            connection_control=self._list(one.connection_control) or AccessList(),
            delivery=self._list(one.delivery),
            skip_checks=self._list(one.skip_checks),
            relay_restrictions=self._list(one.relay_restrictions, relays=True),
        )

    def _list(self, one: AccessList | None, *, relays: bool = False) -> AccessList | None:
        if one is None:
            return None
        listed = self._entries(one.only_listed, relays=relays)
        return AccessList(one.mode, listed, self._entries(one.all_except_listed), one.origin)

    def _entries(self, entries: list[Entry], *, relays: bool = False) -> list[Entry]:
        """With `relays` a range that no relay list may hold stays alone, so that it alone is left."""
        if len(entries) <= MOST:
            return entries
        places: dict[tuple[str, str, bool], list[Entry]] = {}
        for entry in entries:
            if entry.kind in _ADDRESSES and not (relays and too_wide(entry)):
                places.setdefault((entry.origin.file, entry.origin.what, entry.require_tls), []).append(entry)
        long = {place: found for place, found in places.items() if len(found) > MOST}
        moved = {id(entry) for found in long.values() for entry in found}
        made = [self._network(place, found) for place, found in long.items()]
        return made + [entry for entry in entries if id(entry) not in moved]

    def _network(self, place: tuple[str, str, bool], entries: list[Entry]) -> Entry:
        key = tuple((entry.kind, entry.value) for entry in entries)
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = name_from(_words(place), self.networks)
            self.networks[name] = [replace(entry, require_tls=False) for entry in entries]
        return Entry("network", name, Origin(place[0], 0, place[1]), "", place[2])


def _words(place: Iterable[object]) -> str:
    """A name for what stands in one place: of its setting, else of its file."""
    file, what, _ = place
    last = str(file).replace("\\", "/").rpartition("/")[2]
    return str(what).rpartition(" ")[2] or last.partition(".")[0] or last
