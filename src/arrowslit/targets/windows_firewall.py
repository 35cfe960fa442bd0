"""Windows Firewall on the mail server itself (Windows Server 2012 and later), as a PowerShell script.

Grants: connecting. Rules have no order and blocking beats allowing, so a rule that blocks everybody would stop the
filter too. What is blocked is therefore the complement: every address that is not listed. That holds against each rule
that allows, by port, by program or from a group policy, and none of these has to be found, changed or put back; only
rules that override blocking (authenticated bypass) go past it, and they are named. Who is listed gets rules that allow.

A new set of rules is made and read back before the former one goes: in between both block, so that nobody comes in who
may not, and nobody who stays listed is refused. Left alone: this machine's own addresses (they are not filtered),
127.0.0.0/8, ::1, and what can be no client (0.0.0.0/8, multicast and above).

Sources: New-NetFirewallRule, Get-NetFirewallProfile and Get-NetFirewallSecurityFilter in Microsoft's NetSecurity
documentation; MS-FASP on the order of rules. About 1000 addresses a rule are known to work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.gaps import Term
from arrowslit.targets.powershell import POWERSHELL, SPANS, Line, array, ranges_as_written, under_comments
from arrowslit.targets.rules import Access, Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target

AT_MOST: Final = 1000
"""Addresses a rule."""

_LOOPBACK: Final = address_set([parse_range("127.0.0.0/8")])
CLIENTS: Final = AddressSet.from_ranges(
    [
        (ip_address("1.0.0.0"), ip_address("223.255.255.255")),
        (ip_address("::2"), ip_address("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
    ]
).subtract(_LOOPBACK)
"""Whoever can be a client over a network."""

_PARAMETERS: Final = """\
param(
    [switch]$Apply,
    [switch]$Undo
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0
"""

_ACT: Final = r"""
$old = @(Get-NetFirewallRule -Name 'Arrowslit-*' -ErrorAction SilentlyContinue)
if ($Undo) {
    foreach ($one in $old) {
        Remove-NetFirewallRule -Name $one.Name
        Write-Output "$($one.Name) is removed"
    }
    return
}
$blocked = @($old | Where-Object { "$($_.Name)" -like '*-block-*' }).Count
if ($blocked -gt 0 -and @($Rules | Where-Object { $_.Action -eq 'Block' }).Count -eq 0) {
    throw 'the policy refuses nobody now: run this with -Undo first, and by hand, since that opens the port'
}
$dry = -not $Apply
$holds = $true
foreach ($one in @(Get-NetFirewallProfile -PolicyStore ActiveStore)) {
    if ("$($one.Enabled)" -ne 'True') {
        Write-Warning "the firewall is off for the profile $($one.Name): nothing is refused there"
        $holds = $false
    }
    if ("$($one.AllowLocalFirewallRules)" -eq 'False') {
        Write-Warning "a group policy ignores rules of this machine in the profile $($one.Name): put the rules there"
        $holds = $false
    }
}
foreach ($filter in @(Get-NetFirewallSecurityFilter -All -PolicyStore ActiveStore)) {
    if ("$($filter.OverrideBlockRules)" -ne 'True') { continue }
    $rule = $filter | Get-NetFirewallRule
    if ("$($rule.Direction)" -eq 'Inbound' -and "$($rule.Enabled)" -eq 'True') {
        Write-Warning "the rule $($rule.DisplayName) goes past rules that block"
        $holds = $false
    }
}

# A name for this set that no former one has.
$set = ''
foreach ($letter in 'A', 'B', 'C') {
    $taken = @($old | Where-Object { "$($_.Name)" -like "Arrowslit-$letter-*" })
    if ($set -eq '' -and $taken.Count -eq 0) { $set = $letter }
}
if ($set -eq '') { throw 'three sets of rules are there: run this with -Undo, then again' }

foreach ($one in $Rules) {
    $name = "Arrowslit-$set-$($one.Name)"
    $settings = @{
        Name = $name
        DisplayName = "Arrowslit $($one.Name)"
        Direction = 'Inbound'
        Action = $one.Action
        Enabled = 'True'
        Profile = 'Any'
        Protocol = 'TCP'
        LocalPort = $Ports
        RemoteAddress = $one.Addresses
    }
    New-NetFirewallRule @settings -WhatIf:$dry | Out-Null
    if ($Apply) {
        $found = Get-NetFirewallRule -Name $name | Get-NetFirewallAddressFilter
        if (-not (Test-Same @($found.RemoteAddress) $one.Addresses)) {
            throw "$name is not as it was asked for: the former rules stay"
        }
    }
}
foreach ($one in $old) { Remove-NetFirewallRule -Name $one.Name -WhatIf:$dry }

if ($dry) { Write-Warning 'this only showed what would be done: run it with -Apply' } else { Write-Output 'applied' }
if (-not $holds) { Write-Warning 'THE PORT IS NOT CLOSED: see above' }
"""


def _write(rules: Rules, place: Place) -> Body:
    ports = ", ".join(f"'{port}'" for port in place.ports)
    text = f"""{_PARAMETERS}
$Ports = @({ports})
$Rules = @(
{"".join(_rules(rules))})
{SPANS}{_ACT}"""
    return Body(
        text,
        apply=("as administrator: ./FILE shows what it would do, then: ./FILE -Apply",),
        check=("./FILE without -Apply; Get-NetFirewallRule -Name Arrowslit-* | Get-NetFirewallAddressFilter",),
        undo=("./FILE -Undo removes the rules again; no other rule was changed",),
        notes=(
            "rules of others that allow the port stay, and are overruled: blocking here beats allowing elsewhere",
            "other Exchange servers, a load balancer and machines for monitoring must be listed",
            "written from the documentation, and not tried on Windows: first keep a copy with netsh advfirewall export",
        ),
    )


def _rules(rules: Rules) -> Iterator[str]:
    connect = rules.connect
    if rules.observes:
        return
    if connect.only_listed:
        yield from _chunks("allow", "Allow", under_comments(connect.sources))
    yield from _chunks("block", "Block", _strangers(connect) if connect.only_listed else _listed(connect))


def _strangers(connect: Access) -> Iterator[Line]:
    for text in ranges_as_written(CLIENTS.subtract(connect.permitted)):
        yield text, f"{connect.rule}: everybody who is not on that list"


def _listed(connect: Access) -> Iterator[Line]:
    return under_comments(connect.sources, _LOOPBACK)


def _chunks(name: str, action: str, lines: Iterable[Line]) -> Iterator[str]:
    rest = list(lines)
    for number, start in enumerate(range(0, len(rest), AT_MOST), 1):
        yield (
            f"    @{{ Name = '{name}-{number}'; Action = '{action}'; Addresses = "
            f"{array(rest[start : start + AT_MOST], '    ')} }}\n"
        )


WINDOWS_FIREWALL: Final = Target(
    "windows-firewall",
    "Windows Firewall on the mail server",
    CONNECT,
    frozenset({Term.IPV6}),
    POWERSHELL,
    "ps1",
    _write,
)
