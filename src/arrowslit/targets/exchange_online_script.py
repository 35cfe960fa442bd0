"""The fixed part of the script for Exchange Online: it looks, saves, makes connectors, and restricts at the very end.

A connector that restricts closes the tenant to everybody whom no connector names, so all of them are there, and read
back, before the first one restricts; undoing begins with lifting the restriction. Sources: New-, Set-, Get- and
Remove-InboundConnector, Set-HostedConnectionFilterPolicy, New-TenantAllowBlockListItems in Microsoft's documentation.
"""

from __future__ import annotations

from typing import Final

PARAMETERS: Final = """\
param(
    [switch]$Apply,
    [switch]$Undo,
    [string]$State = 'arrowslit-exchange-online.xml'
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0
"""

LOOK: Final = r"""
function Get-Texts($Values) { foreach ($value in $Values) { "$value" } }

# What a connector admits by, in one text.
function Get-Look($Connector) {
    $spans = @((Get-Spans @(Get-Texts $Connector.SenderIPAddresses)).Keys | Sort-Object)
    return "$($Connector.TlsSenderCertificateName) $spans"
}

# Those of the first list that are not in the second.
function Get-Missing($Some, $Others) {
    $there = Get-Spans $Others
    foreach ($one in $Some) { if (-not $there.ContainsKey((ConvertTo-Span $one))) { $one } }
}

$all = @(Get-InboundConnector)
$own = @($all | Where-Object { "$($_.Name)" -like 'Arrowslit *' })
$others = @($all | Where-Object { "$($_.Name)" -notlike 'Arrowslit *' })
$saved = New-Object PSObject -Property @{ Looks = @(); Blocked = @(); Blocked6 = @() }
if (Test-Path $State) { $saved = Import-Clixml $State }
foreach ($one in $own) {
    $look = Get-Look $one
    if (@($saved.Looks | Where-Object { $_ -eq "$($one.Name): $look" }).Count -eq 0) {
        throw "$($one.Name) is not as ${State} says that it was left, or that file is not here: nothing is changed"
    }
}
$has = @(Get-Texts (Get-HostedConnectionFilterPolicy Default).IPBlockList)
$has6 = @(Get-TenantAllowBlockListItems -ListType IP -Block | ForEach-Object { "$($_.Value)" })

if ($Undo) {
    if (-not (Test-Path $State)) { throw "${State} is not here: what was there before is not known" }
    foreach ($one in $own) {
        Set-InboundConnector $one.Identity -RestrictDomainsToIPAddresses $false -RestrictDomainsToCertificate $false
    }
    foreach ($one in $own) {
        Remove-InboundConnector $one.Identity -Confirm:$false
        Write-Output "$($one.Name) is removed"
    }
    $ours = @($saved.Blocked)
    if ($ours.Count -gt 0) { Set-HostedConnectionFilterPolicy Default -IPBlockList @{ Remove = $ours } }
    $ours = @($saved.Blocked6)
    if ($ours.Count -gt 0) { Remove-TenantAllowBlockListItems -ListType IP -Entries $ours }
    Move-Item $State "$State.undone" -Force
    return
}
"""

ACT: Final = r"""
if ($own.Count -gt 0 -and -not $Restrict) {
    throw 'the policy does not name who may come in any more: run this with -Undo first, since that opens the tenant'
}
$dry = -not $Apply
$new = @(Get-Missing $Blocked $has)
$new6 = @(Get-Missing $Blocked6 $has6)
$old = @(Get-Missing @($saved.Blocked) $Blocked)
$old6 = @(Get-Missing @($saved.Blocked6) $Blocked6)
if ($Apply) {
    # Before anything is changed: how the connectors are now and how they will be, and what is added to the lists.
    $looks = @($own | ForEach-Object { "$($_.Name): $(Get-Look $_)" })
    foreach ($one in $Wanted) { $looks += "$($one.Name): $(Get-Look $one)" }
    New-Object PSObject -Property @{
        Looks = $looks
        Blocked = @($saved.Blocked) + $new
        Blocked6 = @($saved.Blocked6) + $new6
    } | Export-Clixml $State -Depth 4
    if (-not (Test-Path "$State.all")) { $all | Export-Clixml "$State.all" }
}

foreach ($one in $Wanted) {
    $settings = @{ RequireTls = $one.RequireTls }
    if ("$($one.TlsSenderCertificateName)" -ne '') {
        $settings['TlsSenderCertificateName'] = $one.TlsSenderCertificateName
    } else {
        $settings['SenderIPAddresses'] = $one.SenderIPAddresses
    }
    if (@($own | Where-Object { "$($_.Name)" -eq $one.Name }).Count -gt 0) {
        Set-InboundConnector $one.Name @settings -WhatIf:$dry
    } else {
        New-InboundConnector $one.Name -ConnectorType Partner -SenderDomains '*' @settings -WhatIf:$dry
    }
}
if ($Apply) {
    foreach ($one in $Wanted) {
        if ((Get-Look (Get-InboundConnector $one.Name)) -ne (Get-Look $one)) {
            throw "$($one.Name) is not as it was asked for: nothing was restricted"
        }
    }
    foreach ($one in $Wanted) {
        if ("$($one.TlsSenderCertificateName)" -ne '') {
            Set-InboundConnector $one.Name -RestrictDomainsToCertificate $true
        } else {
            Set-InboundConnector $one.Name -RestrictDomainsToIPAddresses $true
        }
    }
}
foreach ($one in $own) {
    if (@($Wanted | Where-Object { $_.Name -eq "$($one.Name)" }).Count -eq 0) {
        Remove-InboundConnector $one.Identity -Confirm:$false -WhatIf:$dry
    }
}

if ($Apply) {
    if ($new.Count -gt 0) { Set-HostedConnectionFilterPolicy Default -IPBlockList @{ Add = $new } }
    if ($old.Count -gt 0) { Set-HostedConnectionFilterPolicy Default -IPBlockList @{ Remove = $old } }
    if ($new6.Count -gt 0) { New-TenantAllowBlockListItems -ListType IP -Block -Entries $new6 -NoExpiration | Out-Null }
    if ($old6.Count -gt 0) { Remove-TenantAllowBlockListItems -ListType IP -Entries $old6 }
    New-Object PSObject -Property @{
        Looks = @($Wanted | ForEach-Object { "$($_.Name): $(Get-Look $_)" })
        Blocked = @($saved.Blocked | Where-Object { $old -notcontains $_ }) + $new
        Blocked6 = @($saved.Blocked6 | Where-Object { $old6 -notcontains $_ }) + $new6
    } | Export-Clixml $State -Depth 4
    $has = @(Get-Texts (Get-HostedConnectionFilterPolicy Default).IPBlockList)
    $has6 = @(Get-TenantAllowBlockListItems -ListType IP -Block | ForEach-Object { "$($_.Value)" })
    if (@(Get-Missing $Blocked $has).Count + @(Get-Missing $Blocked6 $has6).Count -gt 0) {
        throw 'not all of the listed addresses are blocked'
    }
}
foreach ($one in $others) {
    if ($one.Enabled) { Write-Warning "the connector $($one.Name) ($($one.ConnectorType)) lets its own sources in" }
}
if ($dry) {
    Write-Warning "this would block $($new.Count + $new6.Count) entries and unblock $($old.Count + $old6.Count)"
    Write-Warning 'this only showed what would be done: run it with -Apply'
} else { Write-Output 'applied' }
"""
