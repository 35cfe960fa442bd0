"""Exchange Server behind the gateway: a PowerShell script that makes a receive connector for the gateway alone.

- Relaying: the connector has the anonymous users' usual rights; the script stops if they could send to any recipient.
- Limits: connections per source, message rate, protocol errors, tarpit and delayed acknowledgement are off for it.
- Bare line feeds are refused on it (`BareLinefeedRejectionEnabled`).
- The gateway is an internal SMTP server, so that Sender ID (SPF) and connection filtering look at who came before it.

Exchange takes neither XFORWARD nor PROXY (policy: `identify_client = "none"`); it sees the client in the Received line.
Of several connectors Exchange takes the one with the narrowest range that fits, so this one counts for the gateway.
Sources: New-ReceiveConnector, Set-TransportConfig, Get-ADPermission; "Receive connectors" in Exchange Server. Written
from the documentation; it has met a fake of one, and no real Exchange.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.inner import SCOPE, TERMS, gateway, identities
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Body, Place, Target
from arrowslit.targets.text import HASH, powershell

_PARAMETERS: Final = r"""param(
    [switch]$Apply,
    [switch]$Undo,
    [string]$Server = $env:COMPUTERNAME,
    [string]$State = "arrowslit-inner-exchange-$Server.xml"
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0
"""
_SCRIPT: Final = r"""
$Name = 'Arrowslit gateway'
$Identity = "$Server\$Name"
$ours = @(Get-ReceiveConnector -Server $Server | Where-Object { $_.Name -eq $Name })
$internal = @((Get-TransportConfig).InternalSMTPServers | ForEach-Object { "$_" })

if ($Undo) {
    if ($ours.Count -gt 0) { Remove-ReceiveConnector $Identity -Confirm:$false }
    if (Test-Path $State) {
        $added = @((Import-Clixml $State).Added)
        foreach ($address in $added) { Set-TransportConfig -InternalSMTPServers @{ Remove = $address } }
        Remove-Item $State
    }
    Write-Output 'undone: the gateway is a client as any other again'
    return
}

# Who is named for relaying by the very same address would count instead.
foreach ($other in @(Get-ReceiveConnector -Server $Server | Where-Object { $_.Name -ne $Name })) {
    foreach ($range in $other.RemoteIPRanges) {
        if ($Gateway -contains "$range") {
            throw "$($other.Identity) names $range too: take it out there first; nothing is changed here"
        }
    }
}

$settings = @{
    RemoteIPRanges = $Gateway
    PermissionGroups = 'AnonymousUsers'
    AuthMechanism = 'Tls'
    MaxInboundConnectionPerSource = 'Unlimited'
    MaxInboundConnectionPercentagePerSource = 100
    MessageRateLimit = 'Unlimited'
    MaxProtocolErrors = 'Unlimited'
    TarpitInterval = '00:00:00'
    MaxAcknowledgementDelay = '00:00:00'
    BareLinefeedRejectionEnabled = $true
    ProtocolLoggingLevel = 'Verbose'
}
$missing = @($Gateway | Where-Object { $internal -notcontains $_ })

if (-not $Apply) {
    Write-Output "would make or set the receive connector ${Identity}:"
    foreach ($setting in $settings.Keys) { Write-Output "  $setting = $($settings[$setting])" }
    Write-Output "would add to InternalSMTPServers: $missing"
    return
}

if ($ours.Count -eq 0) {
    $transport = @{}
    if ((Get-Command New-ReceiveConnector).Parameters.ContainsKey('TransportRole')) {
        $transport['TransportRole'] = 'FrontendTransport'
    }
    New-ReceiveConnector $Name -Server $Server -Custom -PermissionGroups AnonymousUsers `
        -AuthMechanism Tls -Bindings $Bindings -RemoteIPRanges $Gateway @transport | Out-Null
}
Set-ReceiveConnector $Identity @settings

$rights = @(Get-ADPermission (Get-ReceiveConnector $Identity).DistinguishedName |
    Where-Object { "$($_.User)" -like '*ANONYMOUS*' -and -not $_.Deny } |
    Where-Object { "$($_.ExtendedRights)" -like '*Accept-Any-Recipient*' })
if ($rights.Count -gt 0) {
    Remove-ReceiveConnector $Identity -Confirm:$false
    throw 'anonymous users may send to any recipient by this connector: it was removed again'
}

$known = @()
if (Test-Path $State) { $known = @((Import-Clixml $State).Added) }
New-Object PSObject -Property @{ Added = @($known + $missing) } | Export-Clixml $State
foreach ($address in $missing) { Set-TransportConfig -InternalSMTPServers @{ Add = $address } }
Write-Output "applied: $Identity"
"""
_ANY: Final = ("0.0.0.0", "[::]")  # noqa: S104  written into a text
_NOTES: Final = (
    "recipient filtering stays as it is: recipient_check of the next hop must say when it refuses (at_data, never)",
    "Exchange ends a session after ten minutes, and the connector takes at most MaxInboundConnection in all",
    "written from the documentation, and not tried on an Exchange server: begin on one that you can do without",
    "the audit of Arrowslit tries to relay from the gateway's address: run it afterwards",
)


def _body(rules: Rules, place: Place) -> Body:
    text = _PARAMETERS + "".join(_names(place)) + _SCRIPT
    apply = (
        "in the Exchange Management Shell, on each server: ./FILE shows what it would do, then: ./FILE -Apply",
        "keep the file that it writes, for -Undo",
    )
    check = (
        "Get-ReceiveConnector 'SERVER\\Arrowslit gateway' | Format-List",
        "from the gateway, by hand: RCPT to a foreign domain gets 550 5.7.54, to one of yours 250",
    )
    told = identities(rules)
    wrong = (f"Exchange takes none of {', '.join(sorted(told))}: identify_client must be none here",) if told else ()
    return Body(text, apply, check, ("./FILE -Undo",), (*_NOTES, *wrong))


def _names(place: Place) -> Iterator[str]:
    yield f"\n$Gateway = @({', '.join(powershell(str(one)) for one in gateway(place))})\n"
    bindings = [powershell(f"{any_}:{port}") for port in place.ports for any_ in _ANY]
    yield f"$Bindings = @({', '.join(bindings)})\n"


INNER_EXCHANGE: Final = Target("inner-exchange", "Exchange Server behind the gateway", SCOPE, TERMS, HASH, "ps1", _body)
