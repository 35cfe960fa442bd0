"""The SMTP service of Windows 2000 and 2003: Exchange 2000 and 2003, and IIS alone, as a VBScript.

Grants: connecting and relaying, each by its own list of addresses with masks (IPv4 only), in the same two modes that a
policy has. With Exchange, Active Directory is the master of these lists and the metabase a copy that gets overwritten,
so they are set by the component ExIPSec; without it, by ADSI in the metabase. IIS alone also has RelayForAuth, which
says whether whoever signs in may relay.

127.0.0.1 stays in a list of who may connect; where nobody may relay, 255.255.255.255 stands in the list, which no
client can have, because an empty one is not taken everywhere. Domain names are not written: the service does not
confirm them.
Sources: as in `smtp_service_script`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules, Source
from arrowslit.targets.smtp_service_script import FUNCTIONS, OF_EXCHANGE, OF_IIS
from arrowslit.targets.target import ALL, Body, Place, Target
from arrowslit.targets.text import Comment, about

VBSCRIPT: Final = Comment("'", only_ascii=True)
NO_CLIENT: Final = '"255.255.255.255", "255.255.255.255"'


def _exchange(rules: Rules, _place: Place) -> Body:
    notes = (
        "needs ExIPSec.dll (article 810913 for Exchange 2000; SMTP IP Restriction tool for Exchange 2003)",
        "by hand, in Access, Relay: whether all who sign in may relay; and look at connectors that allow relaying",
        "other Exchange servers come in by the same list: they must be on it",
        "Active Directory hands it on to the service within some minutes",
    )
    return _body(rules, OF_EXCHANGE, "", "", notes)


def _iis(rules: Rules, _place: Place) -> Body:
    may = rules.server.authentication is not None and rules.server.relay_restrictions.allow_authenticated
    notes = (
        "not with Exchange on the machine, which would overwrite it: use exchange-2003 there",
        "a copy of the whole metabase: cscript %SystemRoot%/system32/iisback.vbs /backup /b arrowslit",
        "look at relaying for single remote domains too; restart the service if it does not take notice",
    )
    return _body(rules, OF_IIS, "localhost", "-1" if may else "0", notes)


def _body(rules: Rules, service: str, local: str, for_auth: str, notes: tuple[str, ...]) -> Body:
    restrict = rules.server.mode != OBSERVE and not rules.connect.everybody
    text = f"""Option Explicit
Dim Server, Instance, Controller, StateFile, Files
Dim Restrict, Mode, Connects, Relays, ForAuth
Set Files = CreateObject("Scripting.FileSystemObject")
Server = Argument("server", "{local}")
Instance = Argument("instance", "1")
Controller = Argument("dc", "")
StateFile = Argument("state", "arrowslit-smtp-" & Server & "-" & Instance & ".txt")

Restrict = {restrict}
Mode = "{0 if rules.connect.only_listed else 1}"
ForAuth = "{for_auth}"
{"".join(_lists(rules, restrict))}
Main
{service}{FUNCTIONS}"""
    return Body(
        text,
        apply=(
            "cscript //nologo FILE /server:NAME /dc:NAME shows what it would do; then the same with /apply",
            "/instance:2 for another virtual server than the first; keep the file that it writes, for /undo",
        ),
        check=("the same without /apply; or the tab Access of the SMTP virtual server",),
        undo=("the same with /undo instead of /apply, with the file that /apply wrote",),
        notes=(
            *notes,
            "both lists are replaced as a whole, with their domain names",
            "written from the documentation, and not tried on such a server",
        ),
    )


def _lists(rules: Rules, restrict: bool) -> Iterator[str]:
    if restrict:
        if rules.connect.only_listed:
            yield f'{VBSCRIPT.line("this machine itself")}Connect "127.0.0.1", "255.255.255.255"\n'
        yield from _entries("Connect", rules.connect.sources)
    relays = list(_entries("Relay", rules.relay.sources if rules.relay.only_listed else ()))
    yield from relays or [f"{VBSCRIPT.line('nobody may relay by address: no client has this one')}Relay {NO_CLIENT}\n"]


def _entries(name: str, sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        networks = [one for one in source.addresses.cidrs() if isinstance(one, IPv4Network)]
        if networks:
            yield VBSCRIPT.line(about(source))
        for network in networks:
            yield f'{name} "{network.network_address}", "{network.netmask}"\n'


EXCHANGE_2003: Final = Target(
    "exchange-2003",
    "Exchange 2000 and 2003",
    ALL,
    frozenset(),
    VBSCRIPT,
    "vbs",
    _exchange,
)

IIS_SMTP: Final = replace(
    EXCHANGE_2003,
    name="iis-smtp",
    title="the SMTP service of IIS, without Exchange",
    terms=frozenset({Term.NO_SIGN_IN}),
    write=_iis,
)
