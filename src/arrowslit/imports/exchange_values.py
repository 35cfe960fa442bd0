"""How Exchange writes addresses, bindings, sizes and times, and the numbers of its enumerations.

A range is an address, `a/len`, `a(mask)` or `lo-hi`; in JSON also an object with its bounds,
and a binding one with its address and port. Sources: New- and
Set-ReceiveConnector in Microsoft's documentation; the numbers are those of real exports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arrowslit.imports.things import Nested, Value, as_text
from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_range import AddressRange, parse_range

ANONYMOUS: Final = 1
USERS: Final = 2
SERVERS: Final = 4
LEGACY_SERVERS: Final = 8
PARTNERS: Final = 16
CUSTOM: Final = 32
PERMISSION_GROUPS: Final = {
    "none": 0,
    "anonymoususers": ANONYMOUS,
    "exchangeusers": USERS,
    "exchangeservers": SERVERS,
    "exchangelegacyservers": LEGACY_SERVERS,
    "partners": PARTNERS,
    "custom": CUSTOM,
}

INTEGRATED: Final = 2
BASIC: Final = 4
BASIC_IN_TLS: Final = 8
EXTERNAL: Final = 32
AUTH_MECHANISMS: Final = {
    "none": 0,
    "tls": 1,
    "integrated": INTEGRATED,
    "basicauth": BASIC,
    "basicauthrequiretls": BASIC_IN_TLS,
    "exchangeserver": 16,
    "externalauthoritative": EXTERNAL,
}

FRONTEND: Final = 16384
TRANSPORT_ROLES: Final = {"none": 0, "hubtransport": 32, "edge": 64, "frontendtransport": FRONTEND}

_BETWEEN: Final = re.compile(r"[\s;,]+")
_TIME: Final = re.compile(r"(?:(\d{1,4})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d{1,7})?")
_XML_TIME: Final = re.compile(r"PT(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,6})(?:\.\d{1,9})?S)?")


@dataclass(frozen=True, slots=True)
class Binding:
    """A local address and port; `address` is None for all of `version`."""

    address: IPAddress | None
    version: int
    port: int


def texts_of(value: Value) -> Iterator[str]:
    """The texts of a list of ranges, bindings or names, however it is written; nothing for null and empty."""
    for item in value if isinstance(value, tuple) else (value,):
        text = _bounds(item) if isinstance(item, Nested) and not item.text else as_text(item)
        yield from (part for part in _BETWEEN.split(text) if part)


def _bounds(item: Nested) -> str:
    low, high = as_text(item.get("LowerBound")), as_text(item.get("UpperBound"))
    if low and high:
        return f"{low}-{high}"
    address, port = as_text(item.get("Address")), as_text(item.get("Port"))
    return f"[{address}]:{port}" if address and port else "?"


def parse_remote_range(text: str) -> AddressRange:
    """One remote range. Raises ValueError with words."""
    return parse_range(text.replace("(", "/").removesuffix(")"))


def parse_binding(text: str) -> Binding:
    """`0.0.0.0:25`, `[::]:25`, `192.0.2.25:25`. Raises ValueError with words."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ValueError(f"{text!r} is no address with a port")
    address = parse_address(host.removeprefix("[").removesuffix("]"))
    return Binding(None if address.is_unspecified else address, address.version, int(port))


def octets(value: Value) -> int | None:
    """`36 MB (37,748,736 bytes)` or a bare number; None for Unlimited and for what is not told."""
    text = as_text(value)
    inner = text.partition("(")[2].partition(" ")[0] if "(" in text else text.strip()
    digits = "".join(sign for sign in inner if sign not in ",.'\u00a0\u202f")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def seconds(value: Value) -> int | None:
    """`00:00:05` or `PT5S`; None where it is neither."""
    text = as_text(value).strip()
    clock = _TIME.fullmatch(text)
    if clock is not None:
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    spoken = _XML_TIME.fullmatch(text)
    if spoken is None or len(text) < 4:
        return None
    hours, minutes, rest = (int(part or 0) for part in spoken.groups())
    return (hours * 60 + minutes) * 60 + rest
