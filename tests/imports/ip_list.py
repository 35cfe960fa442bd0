"""Writes a list of addresses as the SMTP service keeps it, by the layout of the reference and not by our reader."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network

PLACE = 0x80000000


def blob(granted: list[str], denied: list[str] | None = None) -> bytes:
    """The octets; one group a mask."""
    denied_groups, granted_groups = _groups(denied or []), _groups(granted)
    denied_at = 24
    granted_at = denied_at + 8 + 20 * len(denied_groups)
    names_at = granted_at + 8 + 20 * len(granted_groups)
    index = names_at + 16
    data = b""
    lists = b""
    for groups in (denied_groups, granted_groups):
        lists += struct.pack("<2I", len(groups), sum(map(len, groups.values())))
        for mask, addresses in groups.items():
            lists += struct.pack("<5I", 2, len(addresses) + 1, 4, 0, (index + len(data)) | PLACE)
            data += mask + b"".join(addresses)
    places = [at | PLACE for at in (denied_at, granted_at, names_at, names_at + 8)]
    return struct.pack("<6I", *places, 1, index) + lists + bytes(16) + data


def _groups(texts: list[str]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for text in texts:
        network = IPv4Network(text.replace(", ", "/").replace(",", "/"))
        found.setdefault(network.netmask.packed, []).append(network.network_address.packed)
    return found
