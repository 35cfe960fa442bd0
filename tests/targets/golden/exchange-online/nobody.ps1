# Arrowslit: policy.toml, virtual server default, for Exchange Online, by the addresses of senders
# apply: Connect-ExchangeOnline; ./FILE shows what it would do, then: ./FILE -Apply; keep the file it writes
# check: ./FILE without -Apply; Get-InboundConnector | Format-List; a stranger gets 550 5.7.51
# undo:  ./FILE -Undo, with the file that -Apply wrote; when you leave the filter, before the MX moves
# note:  nobody may connect: this refuses all mail from outside that no other connector lets in
# note:  it may take an hour until all of the service knows; printers that send to the MX must be listed
# note:  who signs in (port 587) and mail within the service are not touched; other connectors are named
# note:  either by addresses or by certificates: each of the two texts removes the other's connectors
# note:  Set-InboundConnector -EFSkipLastIP $true lets spam checks see the sender behind the filter
# note:  written from the documentation, and not tried on a tenant

param(
    [switch]$Apply,
    [switch]$Undo,
    [string]$State = 'arrowslit-exchange-online.xml'
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

$Restrict = $true
$Wanted = @(
    # nobody is listed: a certificate that nobody can have
    @{ Name = 'Arrowslit certificate 1'; RequireTls = $true; SenderIPAddresses = @(); TlsSenderCertificateName = 'nobody.invalid' }
)
$Blocked = @()
$Blocked6 = @()

# A range as first-last in hexadecimal: 10.0.0.0/8 and 10.0.0.0-10.255.255.255 are the same.
function ConvertTo-Span($Range) {
    $ends = @("$Range".Split('-'))
    if ($ends.Count -eq 2) {
        $from = ConvertTo-Span $ends[0]
        $to = ConvertTo-Span $ends[1]
        return $from.Split('-')[0] + '-' + $to.Split('-')[1]
    }
    $parts = @("$Range".Split('/'))
    $bytes = [System.Net.IPAddress]::Parse($parts[0]).GetAddressBytes()
    $length = 8 * $bytes.Length
    if ($parts.Count -eq 2) {
        if ($parts[1].Contains('.')) {
            $length = 0
            foreach ($byte in [System.Net.IPAddress]::Parse($parts[1]).GetAddressBytes()) {
                $length += [Convert]::ToString($byte, 2).Replace('0', '').Length
            }
        } else {
            $length = [int]$parts[1]
        }
    }
    $first = ''
    $last = ''
    foreach ($byte in $bytes) {
        $fixed = [Math]::Max(0, [Math]::Min(8, $length))
        $free = [int][Math]::Pow(2, 8 - $fixed) - 1
        $low = $byte -band (255 - $free)
        $first += ([int]$low).ToString('x2')
        $last += ([int]($low -bor $free)).ToString('x2')
        $length -= 8
    }
    return "$first-$last"
}

function Get-Spans($Ranges) {
    $spans = @{}
    foreach ($range in $Ranges) { $spans[(ConvertTo-Span $range)] = $true }
    return $spans
}

function Test-Same($Ranges, $Others) {
    $one = Get-Spans $Ranges
    $other = Get-Spans $Others
    foreach ($span in $one.Keys) { if (-not $other.ContainsKey($span)) { return $false } }
    return $one.Count -eq $other.Count
}

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
