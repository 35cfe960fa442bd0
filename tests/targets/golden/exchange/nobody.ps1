# Arrowslit: policy.toml, virtual server default, for Exchange Server 2007 to Subscription Edition
# apply: in the Exchange Management Shell, on each server: ./FILE shows what it would do, then: ./FILE -Apply
#        -Server NAME for another server than this one; keep the file that it writes, for -Undo
# check: ./FILE without -Apply; Get-ReceiveConnector | Format-List Identity,Bindings,RemoteIPRanges
# undo:  ./FILE -Undo, with the file that -Apply wrote
# note:  nobody may connect: this takes mail from nobody but this server, the other Exchange servers and those of -AlsoKeep
# note:  hybrid, Edge and load balancer addresses are not known here: give them as -AlsoKeep '203.0.113.0/24','...'
# note:  other connectors on the port are named at the end and left alone: each lets its own ranges in
# note:  a new connector has the usual limits (36 MB): set MaxMessageSize if yours takes more
# note:  written from the documentation, and not tried on an Exchange server: begin on one that you can do without

param(
    [switch]$Apply,
    [switch]$Undo,
    [string]$Server = $env:COMPUTERNAME,
    [string[]]$AlsoKeep = @(),
    [string]$State = "arrowslit-exchange-$Server.xml"
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

$Ports = @('25')
$LockDown = $true
$Watch = $false
$PermissionGroups = 'AnonymousUsers'
$AuthMechanism = 'Tls'
$Wanted = @(
)

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
