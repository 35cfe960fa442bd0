"""The list of addresses that the SMTP service of Windows keeps as octets: RelayIpList and IPSecurity.

Little-endian numbers of 32 bits; a place in the blob is an offset with the highest bit set. A head says where four
lists begin (denied addresses, granted addresses, denied names, granted names) and how long the index is; the index
holds the groups of each list, one a mask; behind it lie the masks and addresses themselves, in network order. Decoded
from what public scripts write (see the reference); names and IPv6 were never seen and are not guessed at.

Every offset and every count is checked, and every octet must be accounted for: a blob that isn't understood as a whole
is understood in no part, since what was missed might be a denial.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from arrowslit.mail.address_range import AddressRange, parse_range

MAX_OCTETS: Final = 4 * 1024 * 1024
_HEAD: Final = Struct("<6I")
_LIST: Final = Struct("<2I")
_GROUP: Final = Struct("<5I")
_PLACE: Final = 0x8000_0000
_AF_INET: Final = 2
_ITEM: Final = 4
_NOBODY: Final = (IPv4Address("255.255.255.255"), IPv4Address(0))
"""Mask and address of the one granted client that stands for none at all."""


class BlobError(Exception):
    """The octets are no such list; says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class IpList:
    """Who is granted and who is denied, by address. `names` counts entries by name, which can't be read.

    `nobody` is true where the granted list holds only the sign for nobody.
    """

    granted: tuple[AddressRange, ...] = ()
    denied: tuple[AddressRange, ...] = ()
    granted_names: int = 0
    denied_names: int = 0
    nobody: bool = False

    @property
    def only_listed(self) -> bool:
        """True where somebody is granted, or nobody by its own sign: then all others are not."""
        return bool(self.granted or self.granted_names or self.nobody)


def decode(octets: bytes) -> IpList:
    """The list. Raises BlobError."""
    if len(octets) > MAX_OCTETS:
        raise BlobError(f"it has {len(octets)} octets, more than any list")
    if len(octets) < _HEAD.size:
        raise BlobError(f"it has {len(octets)} octets, and its head alone has {_HEAD.size}")
    denied_at, granted_at, denied_names_at, granted_names_at, one, index = _HEAD.unpack_from(octets)
    if one != 1 or index > len(octets):
        raise BlobError(f"its head says version {one} and an index of {index} octets")
    reader = _Reader(octets, index)
    denied = reader.addresses(_place(denied_at, _HEAD.size, "the denied addresses"))
    granted = reader.addresses(_place(granted_at, reader.at, "the granted addresses"))
    denied_names = reader.names(_place(denied_names_at, reader.at, "the denied names"))
    granted_names = reader.names(_place(granted_names_at, reader.at, "the granted names"))
    if denied_names or granted_names:
        return IpList(_ranges(granted), _ranges(denied), granted_names, denied_names)
    if reader.at != index:
        raise BlobError(f"its index ends at {reader.at}, and its head says {index}")
    reader.all_read()
    nobody = granted == [_NOBODY]
    return IpList(() if nobody else _ranges(granted), _ranges(denied), nobody=nobody)


def _place(offset: int, expected: int, what: str) -> int:
    """The lists lie one behind the other, so that each place is known before it is told."""
    if offset != expected | _PLACE:
        raise BlobError(f"{what} should begin at {expected}, and it says {offset & ~_PLACE}")
    return expected


def _ranges(pairs: list[tuple[IPv4Address, IPv4Address]]) -> tuple[AddressRange, ...]:
    return tuple(dict.fromkeys(_range(mask, address) for mask, address in pairs))


def _range(mask: IPv4Address, address: IPv4Address) -> AddressRange:
    try:
        return parse_range(f"{address}/{mask}")
    except ValueError as error:
        raise BlobError(str(error)) from None


class _Reader:
    def __init__(self, octets: bytes, index: int) -> None:
        self.octets = octets
        self.index = index
        self.at = _HEAD.size
        self.data_at = index

    def addresses(self, at: int) -> list[tuple[IPv4Address, IPv4Address]]:
        """Mask and address of each entry of the list at `at`."""
        groups, total = _LIST.unpack_from(self._index(at, _LIST.size), 0)
        found: list[tuple[IPv4Address, IPv4Address]] = []
        if groups > (self.index - self.at) // _GROUP.size:
            raise BlobError(f"it says {groups} masks, and there is no room for them")
        for _ in range(groups):
            found += self._group()
        if len(found) != total:
            raise BlobError(f"a list says {total} addresses and holds {len(found)}")
        return found

    def names(self, at: int) -> int:
        """How many names a list says; 0 is the only count whose form is known."""
        groups, total = _LIST.unpack_from(self._index(at, _LIST.size), 0)
        return max(int(groups), int(total))

    def _group(self) -> list[tuple[IPv4Address, IPv4Address]]:
        family, items, size, zero, place = _GROUP.unpack_from(self._index(self.at, _GROUP.size), 0)
        if (family, size, zero) != (_AF_INET, _ITEM, 0) or not place & _PLACE:
            raise BlobError(f"a group is of family {family} with items of {size} octets: only IPv4 is known")
        start = place & ~_PLACE
        if start != self.data_at or items < 1 or items > (len(self.octets) - start) // _ITEM:
            raise BlobError(f"a group of {items} items should lie at {self.data_at}, and it says {start}")
        self.data_at = start + items * _ITEM
        data = [IPv4Address(self.octets[at : at + _ITEM]) for at in range(start, self.data_at, _ITEM)]
        return [(data[0], address) for address in data[1:]]

    def _index(self, at: int, size: int) -> bytes:
        if at + size > self.index:
            raise BlobError(f"its index of {self.index} octets is cut at {at}")
        self.at = at + size
        return self.octets[at : at + size]

    def all_read(self) -> None:
        """Up to three zero octets may fill the last place; anything more is something that was not understood."""
        rest = self.octets[self.data_at :]
        if len(rest) > _ITEM - 1 or any(rest):
            raise BlobError(f"{len(rest)} octets at {self.data_at} belong to nothing")
