"""The virtual server that a listener of Exchange comes to: its lists, its demands, its limits, and what is lost.

The lists say what the connectors give, each entry with the connector that it comes from. Where connectors differ in
what a policy has only once for a virtual server (signing in, limits), the narrower is taken and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from arrowslit.imports.as_entries import EVERYBODY, both, entries_of, entries_within
from arrowslit.imports.connector_rights import delivers, signs_in
from arrowslit.imports.imported import AccessList, Entry, Imported, Origin, VirtualServer
from arrowslit.imports.listeners import Listener
from arrowslit.imports.receive_connector import Connector
from arrowslit.mail.address_set import EMPTY, AddressSet

_HALF: Final = 1 << 31

_LIMITS: Final[tuple[tuple[str, Callable[[Connector], int | None], str], ...]] = (
    ("message_bytes", lambda one: one.message_bytes, "MaxMessageSize"),
    ("recipients_a_message", lambda one: one.recipients, "MaxRecipientsPerMessage"),
    ("connections_a_source", lambda one: one.connections_a_source, "MaxInboundConnectionPerSource"),
)


def virtual_server(listener: Listener, name: str, found: Imported) -> VirtualServer:
    """The virtual server; what is lost is put to `found`."""
    grants = listener.grants
    origin = _origin(listener)
    offered = _offered(listener)
    connect = grants.deliver.union(grants.sign_in) if offered else grants.deliver
    tls = both(grants.tls, connect)
    all_tls = bool(len(connect)) and tls.covers(connect)
    made = VirtualServer(name, origin, require_tls=all_tls)
    made.connection_control = _list(listener, connect, EMPTY if all_tls else tls)
    made.relay_restrictions = _list(listener, grants.relay, EMPTY if all_tls else tls)
    if not grants.deliver.covers(connect) and len(grants.deliver):
        made.delivery = _list(listener, grants.deliver, EMPTY)
    if len(grants.unchecked):
        made.skip_checks = _list(listener, grants.unchecked, EMPTY)
    if offered:
        made.authentication, made.allow_authenticated = True, True
        made.authentication_required = not len(grants.deliver)
    elif len(grants.sign_in):
        _lose_sign_in(listener, found)
    _limits(listener, made, found)
    return made


def _origin(listener: Listener) -> Origin:
    """The connector that takes most, which is the one that people look at."""
    return max(listener.connectors, key=lambda one: max(int(r.last) - int(r.first) for r in one.ranges)).origin()


def _offered(listener: Listener) -> bool:
    """Signing in is one answer for a whole virtual server: it is given where nobody gains by it.

    Whoever is offered it must be all who may connect, save those who already may all that it gives.
    """
    grants = listener.grants
    trusted = both(grants.relay, grants.deliver)
    return bool(len(grants.sign_in)) and grants.sign_in.union(trusted).covers(grants.deliver)


def _lose_sign_in(listener: Listener, found: Imported) -> None:
    for one in filter(signs_in, listener.connectors):
        found.leave(
            one.origin("PermissionGroups"),
            "ExchangeUsers",
            "it lets people sign in, and other connectors of the same port do not: a virtual server has one answer",
            "a virtual server of its own for users (submission), on another address or port",
        )


def _list(listener: Listener, may: AddressSet, tls: AddressSet) -> AccessList:
    """Who is in `may`, by the shorter of the two lists; those in `tls` only in TLS."""
    strict = both(may, tls)
    if _most(may) and not len(strict):
        origin = _origin(listener)
        excepted = EVERYBODY.subtract(may)
        owned = EMPTY.union(*(listener.owned.owned(number) for number, _ in enumerate(listener.connectors)))
        entries = [*_entries(listener, both(excepted, owned)), *entries_of(excepted.subtract(owned), origin)]
        return AccessList("all_except_listed", all_except_listed=entries, origin=origin)
    entries = [*_entries(listener, may.subtract(tls)), *_entries(listener, strict, require_tls=True)]
    return AccessList(only_listed=entries, origin=_origin(listener))


def _most(addresses: AddressSet) -> bool:
    """True for half of the IPv4 addresses or more."""
    return sum(last - first + 1 for first, last in addresses.pairs()[0]) >= _HALF


def _entries(listener: Listener, may: AddressSet, *, require_tls: bool = False) -> Iterator[Entry]:
    for number, one in enumerate(listener.connectors):
        counts = both(listener.owned.owned(number), may)
        if len(counts):
            yield from entries_within(one.ranges, counts, one.origin(), one.name, require_tls=require_tls)


def _limits(listener: Listener, made: VirtualServer, found: Imported) -> None:
    used = [one for one in listener.connectors if delivers(one) or signs_in(one)]
    for key, get, what in _LIMITS:
        told = sorted({value for one in used if (value := get(one)) is not None and value > 0})
        if told:
            made.settings[key] = told[0]
        if len(told) > 1:
            text = ", ".join(map(str, told))
            found.doubt(made.origin, f"{what} {text}", "a policy has one for the virtual server: the smallest is taken")
    tarpits = [one.tarpit for one in used if one.tarpit is not None]
    if tarpits:
        made.settings["tarpit"] = f"{max(tarpits)}s"
