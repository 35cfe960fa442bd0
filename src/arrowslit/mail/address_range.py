"""Ranges of addresses as people write them: one address, address with prefix or mask, "ip, mask", first-last.

IPv4-mapped IPv6 is IPv4 (gateway-behaviour 7); host bits behind the prefix are cleared and reported, never silently.
`read_ranges` takes a file of a million lines; a line is one range, `#` starts a comment. Never resolves a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_set import AddressSet, Pairs

_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class AddressRange:
    """First and last address, both included. `host_bits` is true where bits behind the prefix were cleared."""

    first: IPAddress
    last: IPAddress
    host_bits: bool = False

    @property
    def single(self) -> bool:
        """True for one address."""
        return self.first == self.last

    @property
    def prefix(self) -> int | None:
        """The prefix length, or None where the range is no prefix."""
        size = int(self.last) - int(self.first) + 1
        if size & (size - 1) or int(self.first) & (size - 1):
            return None
        return self.first.max_prefixlen - size.bit_length() + 1

    @property
    def text(self) -> str:
        """The normal form: an address, a prefix, or `first-last`."""
        if self.single:
            return str(self.first)
        return f"{self.first}-{self.last}" if self.prefix is None else f"{self.first}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that is no range (`fatal`), or one whose host bits were cleared."""

    line: int
    text: str
    says: str
    fatal: bool


def parse_range(text: str) -> AddressRange:
    """`a`, `a/nn`, `a/mask`, `"a, mask"` or `a-b`, of either family.

    Raises ValueError, with words for whoever wrote it, when it is none of them.
    """
    text = text.strip()
    if "-" in text:
        first, _, last = text.partition("-")
        return _range(_address(first), _address(last), text)
    base, mark, size = text.partition("," if "," in text else "/")
    if not mark:
        address = _address(base)
        return _folded(int(address), int(address), address.version, host_bits=False)
    address = _address(base)
    prefix = _prefix(size.strip(), address, text)
    host = (1 << (address.max_prefixlen - prefix)) - 1
    value = int(address)
    return _folded(value & ~host, value | host, address.version, host_bits=bool(value & host))


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text.strip())
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not an address") from None


def _prefix(size: str, address: IPAddress, whole: str) -> int:
    width = address.max_prefixlen
    if size.isascii() and size.isdigit():
        if int(size) > width:
            raise ValueError(f"{whole!r}: the prefix is longer than {width}")
        return int(size)
    mask = _address(size)
    if mask.version != address.version:
        raise ValueError(f"{whole!r}: address and mask are of different families")
    inverse = int(mask) ^ ((1 << width) - 1)
    if inverse & (inverse + 1):
        raise ValueError(f"{whole!r}: the mask has a hole in it")
    return width - inverse.bit_length()


def _range(first: IPAddress, last: IPAddress, whole: str) -> AddressRange:
    if first.version != last.version:
        raise ValueError(f"{whole!r}: first and last are of different families")
    if int(first) > int(last):
        raise ValueError(f"{whole!r}: the first address lies behind the last")
    return _folded(int(first), int(last), first.version, host_bits=False)


def _folded(first: int, last: int, version: int, *, host_bits: bool) -> AddressRange:
    if version == 4:
        return AddressRange(IPv4Address(first), IPv4Address(last), host_bits)
    if first >> 32 == last >> 32 == 0xFFFF:
        mask = 0xFFFFFFFF
        return AddressRange(IPv4Address(first & mask), IPv4Address(last & mask), host_bits)
    return AddressRange(IPv6Address(first), IPv6Address(last), host_bits)


def address_set(ranges: Iterable[AddressRange]) -> AddressSet:
    """The union of `ranges`."""
    return AddressSet.from_ranges((one.first, one.last) for one in ranges)


def read_ranges(lines: Iterable[str]) -> tuple[AddressSet, tuple[LineProblem, ...]]:
    """The union of the ranges in `lines`, and the first hundred problems; lines count from 1.

    A line that is no range is left out of the set, and is a problem with `fatal`.
    """
    ipv4: Pairs = []
    ipv6: Pairs = []
    problems: list[LineProblem] = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text and not _plain_ipv4(text, ipv4):
            problem = _careful(number, text, ipv4, ipv6)
            if problem is not None and len(problems) < _PROBLEMS:
                problems.append(problem)
    return AddressSet.from_pairs(ipv4, ipv6), tuple(problems)


def _plain_ipv4(text: str, pairs: Pairs) -> bool:
    """The common forms `a.b.c.d`, `a.b.c.d/nn` without host bits and `a.b.c.d-e.f.g.h`, by arithmetic.

    False where it is another.
    """
    if not text.isascii():
        return False
    base, slash, size = text.partition("/")
    first, dash, last = text.partition("-")
    low = _dotted(first if dash else base)
    high = _dotted(last) if dash else low if not slash or low is None else _last_of(low, size)
    if low is None or high is None or high < low:
        return False
    pairs.append((low, high))
    return True


def _last_of(value: int, size: str) -> int | None:
    """The last address of a prefix; None where it has host bits or is none."""
    if not size.isdigit() or len(size) > 2 or int(size) > 32:
        return None
    host = (1 << (32 - int(size))) - 1
    return None if value & host else value | host


def _dotted(text: str) -> int | None:
    """An address of four plain numbers; None where it is another form."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    value = 0
    for part in parts:
        # "01" has two readings (octal, decimal), so it goes to the careful parser, which refuses it.
        if not part.isdigit() or len(part) > 3 or (part[0] == "0" and len(part) > 1) or int(part) > 255:
            return None
        value = value << 8 | int(part)
    return value


def _careful(number: int, text: str, ipv4: Pairs, ipv6: Pairs) -> LineProblem | None:
    try:
        found = parse_range(text)
    except ValueError as error:
        return LineProblem(number, text, str(error), fatal=True)
    (ipv4 if found.first.version == 4 else ipv6).append((int(found.first), int(found.last)))
    if found.host_bits:
        says = f"{text} has bits set after the prefix; it was read as {found.text}"
        return LineProblem(number, text, says, fatal=False)
    return None
