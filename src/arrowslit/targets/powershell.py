"""What the PowerShell targets share: comments, lists of addresses, and how their scripts compare and keep things.

The scripts keep to PowerShell 2.0, which is the oldest that the servers in question run, and to ASCII, since Windows
PowerShell reads a script without a mark in the code page of its machine. A list stands over many lines, each address
under the rule that it comes from. `SPANS` are functions that every script begins with: addresses are compared as first
and last, so that a range is the same however a server writes it.

Sources: about_Comments, about_Arrays, about_Script_Blocks, about_Parsing and Export-Clixml in Microsoft's PowerShell
documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import summarize_address_range
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.rules import Access, Source
from arrowslit.targets.text import Comment, about, powershell, short

POWERSHELL: Final = Comment("#", only_ascii=True)

Line = tuple[str, str]
"""A value of a list, and the comment that it stands under."""


def ranges_as_written(addresses: AddressSet) -> Iterator[str]:
    """One text a range: the address, the prefix, or first-last where it is no prefix. Few texts, both families."""
    for first, last in addresses.ranges():
        yield range_as_written(first, last)


def range_as_written(first: IPAddress, last: IPAddress) -> str:
    """A range in the shortest way that Exchange and Windows Firewall both read."""
    prefix, *more = summarize_address_range(first, last)
    return f"{first}-{last}" if more else short(prefix)


def under_comments(sources: Iterable[Source], without: AddressSet | None = None) -> Iterator[Line]:
    """The addresses of the sources, each with what is to be said of it."""
    for source in sources:
        addresses = source.addresses if without is None else source.addresses.subtract(without)
        yield from ((text, about(source)) for text in ranges_as_written(addresses))


def all_but(access: Access, without: AddressSet | None = None) -> Iterator[Line]:
    """Everybody who is not listed, for places that can only permit.

    A whole family is written as its halves: Exchange takes no range twice, and its own connector has that one.
    """
    addresses = access.permitted if without is None else access.permitted.subtract(without)
    comment = f"{access.rule}: everybody who is not on that list"
    for first, last in addresses.ranges():
        half = 2 ** (first.max_prefixlen - 1)
        if int(last) - int(first) == 2 * half - 1:
            yield range_as_written(first, first + (half - 1)), comment
            yield range_as_written(first + half, last), comment
        else:
            yield range_as_written(first, last), comment


def array(lines: Iterable[Line], indent: str = "") -> str:
    """The expression for a list of literal texts, from `@(` to `)`."""
    written, before = [], ""
    for text, comment in lines:
        if comment != before:
            written.append(f"{indent}    {POWERSHELL.line(comment)}")
        written.append(f"{indent}    {powershell(text)}\n")
        before = comment
    return f"@(\n{''.join(written)}{indent})" if written else "@()"


def true_or_false(value: object) -> str:
    """A Boolean as PowerShell writes it."""
    return "$true" if value else "$false"


SPANS: Final = r"""
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
"""
