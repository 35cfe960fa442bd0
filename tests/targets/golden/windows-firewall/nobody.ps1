# Arrowslit: policy.toml, virtual server default, for Windows Firewall on the mail server
# apply: as administrator: ./FILE shows what it would do, then: ./FILE -Apply
# check: ./FILE without -Apply; Get-NetFirewallRule -Name Arrowslit-* | Get-NetFirewallAddressFilter
# undo:  ./FILE -Undo removes the rules again; no other rule was changed
# note:  nobody may connect: this closes the port to everybody but this machine itself
# note:  rules of others that allow the port stay, and are overruled: blocking here beats allowing elsewhere
# note:  other Exchange servers, a load balancer and machines for monitoring must be listed
# note:  written from the documentation, and not tried on Windows: first keep a copy with netsh advfirewall export

param(
    [switch]$Apply,
    [switch]$Undo
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

$Ports = @('25')
$Rules = @(
    @{ Name = 'block-1'; Action = 'Block'; Addresses = @(
        # default/connection_control/only_listed: everybody who is not on that list
        '1.0.0.0-126.255.255.255'
        '128.0.0.0-223.255.255.255'
        '::2-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
    ) }
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
