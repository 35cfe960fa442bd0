"""The text of a policy.toml from what an import found: every part with a comment that names where it came from.

At the top stands what could not be carried over, first what lets more in than the source did, then what was read in
the narrower of several ways. The text always loads: what the format can't hold is left (`imports.sound`). Where it is
not known where mail goes, the next hops stand there as comments to fill in; without them a policy can be compiled,
tried and explained, and a gateway answers "for now". Every text of the source is escaped, in strings and in comments.
Never writes a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from arrowslit.imports.gathering import gathered
from arrowslit.imports.imported import AccessList, Entry, Imported, Left, Origin, VirtualServer
from arrowslit.imports.sound import sound
from arrowslit.imports.writing import comment, quoted, shown

_RULE: Final = 80
_LEFT_SHOWN: Final = 1_000
_GRANTS: Final = ("connection_control", "delivery", "skip_checks", "relay_restrictions")
_INNER, _OUTBOUND = "inner", "outbound"


def document(found: Imported, title: str) -> str:
    """The policy as TOML. `title` says in a few words what it was made from ("Postfix: main.cf, master.cf")."""
    fit = sound(gathered(found))
    lines = [comment(f"Made from the settings of another server: {title}.")]
    lines += ["# Look through it, then try it: arrowslit policy lint", "", *_told(fit), "version = 1", ""]
    lines += _networks(fit)
    goes = _Goes(fit)
    lines += [*goes.next_hops(), *_accepted(fit, goes)]
    for server in fit.servers:
        lines += _server(server, goes)
    lines += _expectations(fit)
    return "\n".join(lines).rstrip("\n") + "\n"


# What could not be carried over.


def _told(fit: Imported) -> Iterator[str]:
    wider = [one for one in fit.left if one.widens]
    yield from _block("NOT carried over, and this policy lets more in than the source did:", wider)
    yield from _block("Not carried over:", [one for one in fit.left if not one.widens])
    yield from _block("Read in the narrower of several ways:", fit.doubts)
    yield from _block("Good to know:", fit.remarks)


def _block(head: str, told: list[Left]) -> Iterator[str]:
    if not told:
        return
    yield comment(head)
    for one in told[:_LEFT_SHOWN]:
        yield comment(f"- {one.origin.text}: {shown(one.text)}")
        yield comment(f"    {one.because}" + (f" -> {one.instead}" if one.instead else ""))
    if len(told) > _LEFT_SHOWN:
        yield comment(f"- and {len(told) - _LEFT_SHOWN} more")
    yield ""


# Networks and accepted domains.


def _networks(fit: Imported) -> Iterator[str]:
    if fit.networks:
        yield _head("named sets of addresses")
    for name, entries in fit.networks.items():
        yield f"[networks.{name}]"
        yield "addresses = ["
        yield from (_beside(f"  {quoted(one.value)},", one.origin, one.note) for one in entries)
        yield "]"
        yield ""


class _Goes:
    """Where mail goes, as far as it is known. One next hop without the other would not load where somebody may relay:
    then both are comments.
    """

    def __init__(self, fit: Imported) -> None:
        self.inner, self.outbound = fit.next_hop, fit.relay_next_hop
        self.relays = any(_somebody_may_relay(server) for server in fit.servers)
        known = bool(self.inner or self.outbound)
        self.written = known and bool(self.outbound or not self.relays)

    def next_hops(self) -> Iterator[str]:
        yield _head("where mail goes")
        if not self.written:
            yield "# Not known: fill in, and take the signs # away here and below, unless this is only compiled."
        yield from self._next_hop(_INNER, self.inner, wanted=True)
        yield from self._next_hop(_OUTBOUND, self.outbound, wanted=self.relays)

    def _next_hop(self, name: str, address: str, *, wanted: bool) -> Iterator[str]:
        if not address and not wanted:
            return
        sign = "" if self.written and address else "# "
        yield f"{sign}[next_hops.{name}]"
        yield f"{sign}address = {quoted(address or 'smtp://HOST:25')}"
        yield ""

    def towards(self, name: str, key: str) -> str:
        """The line that names a next hop; a comment where it is not known."""
        known = self.inner if name == _INNER else self.outbound
        return f'{"" if self.written and known else "# "}{key} = "{name}"'


def _somebody_may_relay(server: VirtualServer) -> bool:
    relay = server.relay_restrictions
    listed = relay is not None and bool(relay.only_listed)
    return listed or (server.authentication and server.allow_authenticated is not False)


def _accepted(fit: Imported, goes: _Goes) -> Iterator[str]:
    if fit.accepted_domains:
        yield _head("domains that mail is taken for")
    for one in fit.accepted_domains:
        path = f"accepted_domains.{quoted(one.name)}"
        yield _beside(f"[{path}]", one.origin)
        yield f'kind = "{one.kind}"'
        yield goes.towards(_INNER, "next_hop")
        yield ""
        if one.delivery is not None:
            yield from _list(f"{path}.delivery", one.delivery)


# Virtual servers.


def _server(server: VirtualServer, goes: _Goes) -> Iterator[str]:
    path = f"virtual_servers.{server.name}"
    yield _head(f"who may: {server.name}")
    yield _beside(f"[{path}]", server.origin)
    if _somebody_may_relay(server):
        yield goes.towards(_OUTBOUND, "relay_next_hop")
    if server.require_tls:
        yield "require_tls = true"
    yield from (f"{name} = {_value(value)}" for name, value in server.settings.items())
    yield ""
    if server.authentication:
        yield from _authentication(path, server)
    for grant in _GRANTS:
        access: AccessList | None = getattr(server, grant)
        if grant == "relay_restrictions" and server.allow_authenticated is not None:
            access = access or AccessList()
            yield from _list(f"{path}.{grant}", access, f"allow_authenticated = {_value(server.allow_authenticated)}")
        elif access is not None:
            yield from _list(f"{path}.{grant}", access)


def _authentication(path: str, server: VirtualServer) -> Iterator[str]:
    yield f"[{path}.authentication]"
    if server.authentication_required:
        yield "required = true"
    yield 'with = "users"                   # who checks passwords: a list of its own, or "ldap", or "next_hop"'
    yield ""


def _list(path: str, access: AccessList, *more: str) -> Iterator[str]:
    yield f"[{path}]"
    yield _beside(f'mode = "{access.mode}"', access.origin)
    yield from _entries("only_listed", access.only_listed, wanted=access.mode == "only_listed")
    yield from _entries("all_except_listed", access.all_except_listed, wanted=access.mode != "only_listed")
    yield from more
    yield ""


def _entries(name: str, entries: list[Entry], *, wanted: bool) -> Iterator[str]:
    if not entries:
        if wanted:
            yield f"{name} = []"
        return
    yield f"{name} = ["
    yield from (_beside(f"  {_entry(one)},", one.origin) for one in entries)
    yield "]"


def _entry(one: Entry) -> str:
    pairs = [f"{one.kind} = {quoted(one.value)}"]
    pairs += [f"note = {quoted(shown(one.note))}"] if one.note else []
    pairs += [f"owner = {quoted(shown(one.owner))}"] if one.owner else []
    pairs += [f"expires = {one.expires.isoformat()}"] if one.expires else []
    pairs += ["require_tls = true"] if one.require_tls else []
    return "{ " + ", ".join(pairs) + " }"


# Expectations.


def _expectations(fit: Imported) -> Iterator[str]:
    if fit.expectations:
        yield _head("what is so at the source, and must stay true")
    for one in fit.expectations:
        yield _beside("[[expectations]]", one.origin)
        yield f"that = {quoted(one.that)}"
        if one.virtual_server != "default":
            yield f"virtual_server = {quoted(one.virtual_server)}"
        yield from (f"{name} = {_value(value)}" for name, value in one.facts)
        yield f'outcome = "{one.outcome}"'
        yield ""


# Lines.


def _head(text: str) -> str:
    return f"# --- {text} ".ljust(_RULE, "-")


def _beside(line: str, origin: Origin | None, note: str = "") -> str:
    """The line with where it came from behind it."""
    said = " ".join(part for part in (origin.text if origin else "", note) if part)
    return f"{line}  {comment(said)}" if said else line


def _value(value: str | int | bool | Iterable[str]) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool | int):
        return str(value).lower()
    return "[" + ", ".join(quoted(one) for one in value) + "]"
