"""Addresses and ports as rule sets write them, into spans. Raises ValueError for what is none, and never guesses."""

from __future__ import annotations

from typing import Final

from arrowslit.imports.firewall.spans import Span
from arrowslit.mail.address_range import parse_range

PORT_NAMES: Final = {"smtp": 25, "ssmtp": 465, "smtps": 465, "submissions": 465, "urd": 465, "submission": 587}
"""As /etc/services has them; other ports are of no concern to mail."""

_OTHER_NAMES: Final = {"ssh": 22, "domain": 53, "http": 80, "pop3": 110, "imap2": 143, "imap": 143, "https": 443}
_LAST_PORT: Final = 65535


def address_span(text: str, version: int) -> Span:
    """One address, prefix, mask or first-last of that family."""
    found = parse_range(text)
    first, last = int(found.first), int(found.last)
    if found.first.version == 4 and version == 6 and ":" in text:  # IPv4-mapped stays what it is here
        return (0xFFFF << 32) + first, (0xFFFF << 32) + last
    if found.first.version != version:
        raise ValueError(f"{text!r} is no address of IPv{version}")
    return first, last


def port(text: str) -> int:
    """A port by number or name."""
    name = text.strip().lower()
    known = PORT_NAMES.get(name) or _OTHER_NAMES.get(name)
    if known is not None:
        return known
    if not (name.isascii() and name.isdigit()) or len(name) > 5 or int(name) > _LAST_PORT:
        raise ValueError(f"{text!r} is no port")
    return int(name)


def port_span(text: str, between: str = ":") -> Span:
    """One port, or first and last; either may be left out."""
    first, found, last = text.partition(between)
    if not found:
        return port(first), port(first)
    low, high = port(first) if first else 0, port(last) if last else _LAST_PORT
    if low > high:
        raise ValueError(f"{text!r}: the first port lies behind the last")
    return low, high


def is_loopback(address: int, version: int) -> bool:
    """Whether it is the machine itself, whatever the machine."""
    return address >> 24 == 127 if version == 4 else address == 1
