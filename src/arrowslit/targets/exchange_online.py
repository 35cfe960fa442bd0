"""Exchange Online: inbound connectors that restrict who may send to the tenant, as a PowerShell script.

Grants: connecting. Two ways: by address (one connector; IPv4 alone, prefixes from /24 to /32, larger ones are split)
and by certificate (a connector for each exact name; better, since it needs none of the filter's addresses). Connectors
are of the type Partner for all sender domains, as only those refuse whom they do not name. `all_except_listed` goes to
the lists that block: IPv4 to the connection filter, IPv6 to the Tenant Allow/Block List. Nobody at all is said with a
certificate that nobody can have, since an empty list may not be given. For `observe` nothing is restricted.

Never done: RejectDirectSend, which is no lock-down; connectors of others are not changed, only named.
Sources: as in `exchange_online_script`; "Set up connectors for secure mail flow with a partner organization";
"Configure connection filtering" (1273 entries); "Allow or block IPv6 addresses using the Tenant Allow/Block List" (500
blocks). No page gives a number for SenderIPAddresses; as an attribute of the same directory it is held to 1273 too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import islice
from typing import Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.exchange_online_script import ACT, LOOK, PARAMETERS
from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.powershell import POWERSHELL, SPANS, Line, array, true_or_false
from arrowslit.targets.rules import Rules, Source
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import about, powershell, prefixes, short

AT_MOST: Final = 1273
"""IPv4 entries of a list."""

AT_MOST_IPV6: Final = 500
"""IPv6 entries of the Tenant Allow/Block List, in the smallest plan."""

NOBODY: Final = "nobody.invalid"
"""No authority gives a certificate for a name under .invalid (RFC 2606)."""

_LONGEST: Final = 24


def _write(rules: Rules, _place: Place) -> Body:
    if not rules.connect.only_listed:
        return _blocks(rules)
    lines, left = _fitting(rules.connect.sources, _slash24, AT_MOST)
    gaps = []
    if left:
        gaps.append(Gap(Term.SIZE.value, f"{GAPS[Term.SIZE.value]} It takes {AT_MOST} of at most /24.", left))
    six = tuple(one.rule for one in rules.connect.sources if one.addresses.pairs()[1])
    if six:
        gaps.append(Gap(Term.IPV6.value, GAPS[Term.IPV6.value], six))
    tls = [one.entry.require_tls for one in rules.connect.sources]
    everywhere = rules.server.require_tls or (bool(tls) and all(tls))
    if any(tls) and not everywhere:
        loose = tuple(one.rule for one in rules.connect.sources if one.entry.require_tls)
        gaps.append(Gap(Term.REQUIRE_TLS.value, GAPS[Term.REQUIRE_TLS.value], loose, widens=True))
    return _body(rules, [_by_address(lines, tls=everywhere) if lines else _nobody()], gaps=gaps)


def _write_certificates(rules: Rules, _place: Place) -> Body:
    if not rules.connect.only_listed:
        return _blocks(rules)
    listed = [one for one in rules.connect.others if one.entry.kind == "certificate"]
    exact = [one for one in listed if not one.entry.value.startswith(("*", "sha256:"))]
    gaps = []
    odd = tuple(one.rule for one in listed if one not in exact)
    if odd:
        text = "A connector takes an exact name: not a digest, nor a wildcard without the domain itself. Kept out."
        gaps.append(Gap(Term.CERTIFICATE.value, text, odd))
    addresses = tuple(one.rule for one in rules.connect.sources)
    if addresses:
        gaps.append(Gap(Term.ADDRESS.value, GAPS[Term.ADDRESS.value], addresses))
    connectors = [_by_certificate(one.entry.value, number, one.rule) for number, one in enumerate(exact, 1)]
    return _body(rules, connectors or [_nobody()], gaps=gaps)


def _blocks(rules: Rules) -> Body:
    four, left = _fitting(rules.connect.sources, _slash24, AT_MOST)
    six, left6 = _fitting(rules.connect.sources, lambda one: prefixes(one, 6), AT_MOST_IPV6)
    left = tuple(dict.fromkeys((*left, *left6)))
    text = f"{GAPS[Term.SIZE.value]} It blocks {AT_MOST} of IPv4 (of at most /24) and {AT_MOST_IPV6} of IPv6."
    gaps = [Gap(Term.SIZE.value, text, left, widens=True)] if left else []
    return _body(rules, [], four, six, gaps)


def _body(
    rules: Rules,
    connectors: list[str],
    four: Iterable[Line] = (),
    six: Iterable[Line] = (),
    gaps: Iterable[Gap] = (),
) -> Body:
    if rules.server.mode == OBSERVE:
        connectors, four, six = [], (), ()
    text = f"""{PARAMETERS}
$Restrict = {true_or_false(connectors)}
$Wanted = @(
{"".join(connectors)})
$Blocked = {array(four)}
$Blocked6 = {array(six)}
{SPANS}{LOOK}{ACT}"""
    return Body(
        text,
        apply=("Connect-ExchangeOnline; ./FILE shows what it would do, then: ./FILE -Apply; keep the file it writes",),
        check=("./FILE without -Apply; Get-InboundConnector | Format-List; a stranger gets 550 5.7.51",),
        undo=("./FILE -Undo, with the file that -Apply wrote; when you leave the filter, before the MX moves",),
        notes=(
            "it may take an hour until all of the service knows; printers that send to the MX must be listed",
            "who signs in (port 587) and mail within the service are not touched; other connectors are named",
            "either by addresses or by certificates: each of the two texts removes the other's connectors",
            "Set-InboundConnector -EFSkipLastIP $true lets spam checks see the sender behind the filter",
            "written from the documentation, and not tried on a tenant",
        ),
        gaps=tuple(gaps),
    )


def _by_address(lines: Iterable[Line], *, tls: bool) -> str:
    return (
        f"    @{{ Name = 'Arrowslit addresses'; RequireTls = {true_or_false(tls)}; TlsSenderCertificateName = '';"
        f" SenderIPAddresses = {array(lines, '    ')} }}\n"
    )


def _by_certificate(name: str, number: int, rule: str) -> str:
    return (
        f"    {POWERSHELL.line(rule)}"
        f"    @{{ Name = 'Arrowslit certificate {number}'; RequireTls = $true; SenderIPAddresses = @();"
        f" TlsSenderCertificateName = {powershell(name)} }}\n"
    )


def _nobody() -> str:
    return _by_certificate(NOBODY, 1, "nobody is listed: a certificate that nobody can have")


def _slash24(addresses: AddressSet) -> Iterator[str]:
    for network in addresses.cidrs():
        if isinstance(network, IPv4Network):
            yield from map(short, network.subnets(new_prefix=max(_LONGEST, network.prefixlen)))


def _fitting(
    sources: Iterable[Source], texts: Callable[[AddressSet], Iterator[str]], at_most: int
) -> tuple[list[Line], tuple[str, ...]]:
    """Whole entries as long as there is room, and the rules of those that are left out."""
    lines: list[Line] = []
    left = []
    for source in sources:
        own = list(islice(texts(source.addresses), at_most + 1))
        if len(lines) + len(own) > at_most:
            left.append(source.rule)
        else:
            lines += [(text, about(source)) for text in own]
    return lines, tuple(left)


EXCHANGE_ONLINE: Final = Target(
    "exchange-online",
    "Exchange Online, by the addresses of senders",
    CONNECT,
    frozenset({Term.IPV6}),
    POWERSHELL,
    "ps1",
    _write,
    frozenset({Term.SIZE.value, Term.IPV6.value, Term.REQUIRE_TLS.value}),
)

EXCHANGE_ONLINE_CERTIFICATE: Final = replace(
    EXCHANGE_ONLINE,
    name="exchange-online-certificate",
    title="Exchange Online, by the certificates of senders",
    terms=frozenset({Term.IPV6, Term.CERTIFICATE}),
    write=_write_certificates,
    more_gaps=frozenset({Term.SIZE.value, Term.CERTIFICATE.value, Term.ADDRESS.value}),
)
