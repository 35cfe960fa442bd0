"""Receive connectors of Exchange Server 2007 to Subscription Edition, as a PowerShell script for one server.

Grants: connecting and relaying. Exchange picks the connector with the most specific remote range, so a list becomes the
ranges of connectors of its own, and the connector that takes everybody is narrowed to the server itself and the other
Exchange servers. Relaying is the right ms-Exch-SMTP-Accept-Any-Recipient for the anonymous logon, on connectors that
hold nobody but who may connect and relay; never ExternalAuthoritative, which skips the checks. `require_tls` is
RequireTLS on connectors apart. `observe` makes the connectors and logs what the others take, and narrows nothing.

Never done: a connector of somebody else is changed only if it takes all addresses; nothing is widened but by -Undo.
Sources: as in `exchange_script`; "Understanding Receive Connectors" (Exchange 2010) on ranges that overlap; "Allow
anonymous relay on Exchange servers". The attribute that holds the ranges takes somewhat over 1200 values ("Maximum
Limits" of Active Directory), hence at most 1000 a connector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.exchange_script import ACT, LOOK, PARAMETERS
from arrowslit.targets.gaps import Gap, Term
from arrowslit.targets.powershell import POWERSHELL, SPANS, Line, all_but, array, true_or_false, under_comments
from arrowslit.targets.rules import EVERYBODY, Access, Rules
from arrowslit.targets.target import ALL, Body, Place, Target

AT_MOST: Final = 1000
"""Ranges a connector."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of connector and its ranges."""

    name: str
    lines: Iterable[Line]
    tls: bool = False
    relay: bool = False


def _write(rules: Rules, place: Place) -> Body:
    watch = rules.server.mode == OBSERVE
    ports = ", ".join(f"'{port}'" for port in place.ports)
    signs_in = rules.server.authentication
    groups = ["AnonymousUsers"] if signs_in is None or not signs_in.required else []
    groups += ["ExchangeUsers"] if signs_in is not None else []
    text = f"""{PARAMETERS}
$Ports = @({ports})
$LockDown = {true_or_false(not watch and not rules.connect.everybody)}
$Watch = {true_or_false(watch)}
$PermissionGroups = '{", ".join(groups)}'
$AuthMechanism = '{"Tls" if signs_in is None else "Tls, BasicAuth, BasicAuthRequireTLS"}'
$Wanted = @(
{"".join(_connectors(rules))})
{SPANS}{LOOK}{ACT}"""
    return Body(
        text,
        apply=(
            "in the Exchange Management Shell, on each server: ./FILE shows what it would do, then: ./FILE -Apply",
            "-Server NAME for another server than this one; keep the file that it writes, for -Undo",
        ),
        check=("./FILE without -Apply; Get-ReceiveConnector | Format-List Identity,Bindings,RemoteIPRanges",),
        undo=("./FILE -Undo, with the file that -Apply wrote",),
        notes=_notes(),
        gaps=tuple(_gaps(rules)),
    )


def _notes() -> tuple[str, ...]:
    return (
        "hybrid, Edge and load balancer addresses are not known here: give them as -AlsoKeep '203.0.113.0/24','...'",
        "other connectors on the port are named at the end and left alone: each lets its own ranges in",
        "a new connector has the usual limits (36 MB): set MaxMessageSize if yours takes more",
        "written from the documentation, and not tried on an Exchange server: begin on one that you can do without",
    )


def _connectors(rules: Rules) -> Iterator[str]:
    for kind in _kinds(rules):
        lines = list(kind.lines)
        for number, start in enumerate(range(0, len(lines), AT_MOST), 1):
            yield (
                f"    @{{ Name = 'Arrowslit {kind.name} {number}'; RequireTLS = {true_or_false(kind.tls)};"
                f" Relay = {true_or_false(kind.relay)}; Ranges = "
                f"{array(lines[start : start + AT_MOST], '    ')} }}\n"
            )


def _kinds(rules: Rules) -> Iterator[_Kind]:
    """Disjoint in their ranges, since Exchange allows no range twice and overlaps only where they are nested."""
    connect, relay = rules.connect, rules.relay.listed if rules.relay.only_listed else EMPTY
    may = EVERYBODY if rules.server.mode == OBSERVE else connect.permitted
    kept_out = EVERYBODY.subtract(may)
    tls = EVERYBODY if rules.server.require_tls else _with_tls(connect)
    if connect.everybody:
        yield from ()  # the server's own connector takes them
    elif connect.only_listed:
        plain = [one for one in connect.sources if not _tls(rules, one.entry.require_tls)]
        strict = [one for one in connect.sources if _tls(rules, one.entry.require_tls)]
        yield _Kind("connect", under_comments(plain, relay))
        yield _Kind("connect with TLS", under_comments(strict, relay), tls=True)
    else:
        yield _Kind("connect", all_but(connect, relay), tls=rules.server.require_tls)
    strict_relay = tls.union(_with_tls(rules.relay))
    relays = rules.relay.sources if rules.relay.only_listed else ()
    yield _Kind("relay", under_comments(relays, kept_out.union(strict_relay)), relay=True)
    loose = kept_out.union(EVERYBODY.subtract(strict_relay))
    yield _Kind("relay with TLS", under_comments(relays, loose), tls=True, relay=True)


def _tls(rules: Rules, wanted: bool) -> bool:
    return wanted or rules.server.require_tls


def _with_tls(access: Access) -> AddressSet:
    return EMPTY.union(*(one.addresses for one in access.sources if one.entry.require_tls))


def _gaps(rules: Rules) -> Iterator[Gap]:
    """Relaying in TLS only, where connecting needs none: the whole connector then demands it."""
    loose = rules.connect.permitted.subtract(_with_tls(rules.connect))
    found = [one for one in rules.relay.sources if one.entry.require_tls and one.addresses.overlaps(loose)]
    if found and not rules.server.require_tls:
        text = "Who relays in TLS only can't deliver without it either: a connector demands it of a client or not."
        yield Gap(Term.REQUIRE_TLS.value, text, tuple(one.rule for one in found))


EXCHANGE: Final = Target(
    "exchange",
    "Exchange Server 2007 to Subscription Edition",
    ALL,
    frozenset({Term.IPV6, Term.OBSERVE, Term.REQUIRE_TLS, Term.SIGN_IN}),
    POWERSHELL,
    "ps1",
    _write,
    frozenset({Term.REQUIRE_TLS.value}),
)
