"""The fixed part of the script for receive connectors: it looks, saves, makes its own connectors, then narrows.

Order is all: what is there is saved before anything is changed; listed clients get their connectors before the one that
takes everybody is narrowed, and nothing is narrowed unless the new connectors read back as they were asked for. Undoing
goes the other way. Sources: New-, Set- and Get-ReceiveConnector, Add-ADPermission, Get-ExchangeServer and "Receive
connectors" in Microsoft's Exchange documentation.
"""

from __future__ import annotations

from typing import Final

PARAMETERS: Final = """\
param(
    [switch]$Apply,
    [switch]$Undo,
    [string]$Server = $env:COMPUTERNAME,
    [string[]]$AlsoKeep = @(),
    [string]$State = "arrowslit-exchange-$Server.xml"
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0
"""

LOOK: Final = r"""
function Get-Texts($Values) { foreach ($value in $Values) { "$value" } }

# A saved connector must still be as it was found or as this script left it.
function Assert-Known($Saved) {
    $now = Get-ReceiveConnector $Saved.Identity
    $ranges = @(Get-Texts $now.RemoteIPRanges)
    $as = @($Saved.Before, $Saved.Was, $Saved.After)
    if (@($as | Where-Object { Test-Same $ranges @($_) }).Count -eq 0) {
        throw "$($Saved.Identity) was changed by somebody else since ${State} was written: nothing is changed here"
    }
}

function Test-Port($Connector) {
    foreach ($binding in $Connector.Bindings) {
        if ($Ports -contains @("$binding".Split(':'))[-1]) { return $true }
    }
    return $false
}

function Test-Wide($Connector) {
    $spans = Get-Spans @(Get-Texts $Connector.RemoteIPRanges)
    return $spans.ContainsKey('00000000-ffffffff') -or $spans.ContainsKey(('0' * 32) + '-' + ('f' * 32))
}

$all = @(Get-ReceiveConnector -Server $Server)
$here = @($all | Where-Object { Test-Port $_ })
$own = @($here | Where-Object { "$($_.Name)" -like 'Arrowslit *' })
$others = @($here | Where-Object { "$($_.Name)" -notlike 'Arrowslit *' })
$saved = @()
if (Test-Path $State) { $saved = @((Import-Clixml $State).Connectors) }
foreach ($one in $saved) { Assert-Known $one }

if ($Undo) {
    if (-not (Test-Path $State)) { throw "${State} is not here: what was there before is not known" }
    foreach ($one in $saved) {
        Set-ReceiveConnector $one.Identity -RemoteIPRanges @($one.Before) -ProtocolLoggingLevel $one.Logging
        Write-Output "$($one.Identity) is as it was"
    }
    foreach ($one in $own) {
        Remove-ReceiveConnector $one.Identity -Confirm:$false
        Write-Output "$($one.Identity) is removed"
    }
    Move-Item $State "$State.undone" -Force
    return
}
"""

ACT: Final = r"""
foreach ($one in $saved) {
    if (-not $LockDown -and -not (Test-Same @($one.Before) @($one.After))) {
        throw "the policy refuses nobody now: run this with -Undo first, and by hand, since that opens the server"
    }
}
if ($others.Count -eq 0) { throw "$Server has no other connector on port $Ports whose bindings could be taken" }
$dry = -not $Apply

# Whom the server's own connector must go on taking: itself and the other Exchange servers.
$keep = @('127.0.0.1', '::1') + $AlsoKeep
foreach ($one in @(Get-ExchangeServer)) {
    foreach ($address in [System.Net.Dns]::GetHostAddresses("$($one.Fqdn)")) { $keep += @("$address".Split('%'))[0] }
}
$keep = @($keep | Sort-Object -Unique)
$kept = Get-Spans $keep

# No range may stand on two connectors of one port: what the server's own connector keeps is left out of ours.
foreach ($one in $Wanted) {
    $one.Ranges = @($one.Ranges | Where-Object { -not $kept.ContainsKey((ConvertTo-Span $_)) })
}
$Wanted = @($Wanted | Where-Object { $_.Ranges.Count -gt 0 })

$plan = @()
$known = @{}
foreach ($one in $saved) {
    $one.Was = $one.After
    $one.After = $keep
    $known[$one.Identity] = $true
    $plan += $one
}
foreach ($one in $others) {
    if (($LockDown -or $Watch) -and (Test-Wide $one) -and -not $known.ContainsKey("$($one.Identity)")) {
        $known["$($one.Identity)"] = $true
        $plan += New-Object PSObject -Property @{
            Identity = "$($one.Identity)"
            Before = @(Get-Texts $one.RemoteIPRanges)
            Was = @(Get-Texts $one.RemoteIPRanges)
            After = $keep
            Logging = "$($one.ProtocolLoggingLevel)"
        }
    }
}
if ($Watch) { foreach ($one in $plan) { $one.After = $one.Before } }
if ($Apply -and $plan.Count -gt 0) {
    if (-not (Test-Path $State)) { $all | Export-Clixml "$State.all" }
    New-Object PSObject -Property @{ Connectors = $plan } | Export-Clixml $State -Depth 6
}

# Ours first give up what has moved or gone; for a moment a client that moves is told to come again.
foreach ($one in $own) {
    $want = @{}
    foreach ($other in $Wanted) { if ($other.Name -eq "$($one.Name)") { $want = Get-Spans $other.Ranges } }
    $has = @(Get-Texts $one.RemoteIPRanges)
    $stays = @($has | Where-Object { $want.ContainsKey((ConvertTo-Span $_)) })
    if ($stays.Count -eq 0) {
        Remove-ReceiveConnector $one.Identity -Confirm:$false -WhatIf:$dry
    } elseif ($stays.Count -lt $has.Count) {
        Set-ReceiveConnector $one.Identity -RemoteIPRanges $stays -WhatIf:$dry
    }
}

$model = $others[0]
foreach ($one in $others) { if ($known.ContainsKey("$($one.Identity)")) { $model = $one } }
$bindings = @(Get-Texts $model.Bindings)
$place = @{}
if ((Get-Command New-ReceiveConnector).Parameters.ContainsKey('TransportRole')) {
    if (-not (Get-ExchangeServer $Server).IsEdgeServer) { $place['TransportRole'] = "$($model.TransportRole)" }
}
$sid = New-Object System.Security.Principal.SecurityIdentifier 'S-1-5-7'
$anonymous = $sid.Translate([System.Security.Principal.NTAccount]).Value

foreach ($one in $Wanted) {
    $settings = @{
        RemoteIPRanges = $one.Ranges
        PermissionGroups = $PermissionGroups
        AuthMechanism = $AuthMechanism
        RequireTLS = $one.RequireTLS
        MaxInboundConnectionPerSource = 'Unlimited'
        MaxInboundConnectionPercentagePerSource = 100
        ProtocolLoggingLevel = 'Verbose'
    }
    $identity = "$Server\$($one.Name)"
    $there = @(Get-ReceiveConnector -Server $Server | Where-Object { "$($_.Name)" -eq $one.Name })
    if ($there.Count -gt 0) {
        Set-ReceiveConnector $identity @settings -WhatIf:$dry
    } else {
        New-ReceiveConnector $one.Name -Server $Server -Custom -Bindings $bindings @place @settings -WhatIf:$dry
    }
    if ($one.Relay -and $Apply) {
        Get-ReceiveConnector $identity |
            Add-ADPermission -User $anonymous -ExtendedRights 'ms-Exch-SMTP-Accept-Any-Recipient' | Out-Null
    }
}

if ($Apply) {
    foreach ($one in $Wanted) {
        $now = Get-ReceiveConnector "$Server\$($one.Name)"
        if (-not (Test-Same @(Get-Texts $now.RemoteIPRanges) $one.Ranges)) {
            throw "$Server\$($one.Name) is not as it was asked for: nothing was narrowed"
        }
    }
}

foreach ($one in $plan) {
    if ($LockDown) { Set-ReceiveConnector $one.Identity -RemoteIPRanges $keep -WhatIf:$dry }
    if ($Watch) { Set-ReceiveConnector $one.Identity -ProtocolLoggingLevel Verbose -WhatIf:$dry }
    if ($Apply) { Assert-Known $one }
}
foreach ($one in $others) {
    if (-not $known.ContainsKey("$($one.Identity)")) {
        Write-Warning "$($one.Identity) also takes clients, by rules of its own: $(Get-Texts $one.RemoteIPRanges)"
    }
}
if ($LockDown -and $plan.Count -eq 0) {
    Write-Warning "no connector takes everybody, so none was narrowed: see the ones named above"
}
if ($dry) { Write-Warning 'this only showed what would be done: run it with -Apply' } else { Write-Output 'applied' }
"""
