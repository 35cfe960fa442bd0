"""Paths of the envelope: octets between angle brackets in, a value or a `Fault` out (RFC 5321 4.1.2, RFC 6531 3.3).

Stricter than the grammar where two servers could read one address in two ways: angle brackets inside quotes, address
literals that are no address, and an `@` in an unquoted local part are refused. Looser where nothing depends on it: dots
may stand anywhere in a local part, and a reverse-path's local part may be over 64 octets (SRS and VERP make such).
Local parts that route (`u%d`, `d!u`, `"u@d"`) are values like any other: policy judges them.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, ForwardPath, Mailbox, Postmaster, ReversePath
from arrowslit.smtp import replies
from arrowslit.smtp.events import Fault

PATH_OCTETS: Final = 256
"""4.5.3.1.3, the angle brackets included."""
_LOCAL_PART_OCTETS = 64
_ATOM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~."
_WITHOUT_ATOM = {ord(c): None for c in _ATOM}


class _PathError(Exception):
    """Stays inside this module."""


@lru_cache(maxsize=4096)
def reverse_path(raw: bytes, utf8: bool) -> ReversePath | Fault:
    """The reverse-path written in `raw`, which has no angle brackets. `utf8`: SMTPUTF8 was asked for."""
    if not raw:
        return NULL_REVERSE_PATH
    if not utf8 and not raw.isascii():
        return replies.NON_ASCII_PATH
    try:
        return _mailbox(_text(raw), PATH_OCTETS)
    except (_PathError, ValueError):
        return replies.REVERSE_PATH


@lru_cache(maxsize=4096)
def forward_path(raw: bytes, utf8: bool) -> ForwardPath | Fault:
    """The forward-path written in `raw`, which has no angle brackets. `utf8`: SMTPUTF8 was asked for at MAIL."""
    if not utf8 and not raw.isascii():
        return replies.NON_ASCII_PATH
    try:
        text = _text(raw)
        if text.lower() == "postmaster":
            return Postmaster(text)
        return _mailbox(text, _LOCAL_PART_OCTETS)
    except (_PathError, ValueError):
        return replies.FORWARD_PATH


def split_path(argument: bytes) -> tuple[bytes, bytes] | None:
    """`<path> parameters` cut in two, without the brackets; None where no bracketed path leads `argument`."""
    if not argument.startswith(b"<"):
        return None
    end = argument.find(b">")
    if end < 0 or (len(argument) > end + 1 and argument[end + 1] != 0x20):
        return None
    return argument[1:end], argument[end + 2 :]


def _text(raw: bytes) -> str:
    if len(raw) > PATH_OCTETS - 2:
        raise _PathError
    text = raw.decode("utf-8")  # UnicodeDecodeError is a ValueError
    if not text.isprintable():  # also every control character
        raise _PathError
    return text


def _mailbox(text: str, local_part_octets: int) -> Mailbox:
    mailbox = _without_route(text)
    cut = mailbox.rfind("@")
    local_part = mailbox[:cut]
    if cut < 1 or len(local_part.encode()) > local_part_octets:
        raise _PathError
    if local_part.startswith('"'):
        _check_quoted(local_part)
    elif any(c <= "\x7f" for c in local_part.translate(_WITHOUT_ATOM)):
        raise _PathError
    return Mailbox(local_part, _domain(mailbox[cut + 1 :]), mailbox, mailbox is not text)


def _check_quoted(local_part: str) -> None:
    inner = local_part[1:-1].replace("\\\\", "").replace('\\"', "")
    if len(local_part) < 2 or local_part[-1] != '"' or '"' in inner or inner.endswith("\\") or "<" in inner:
        raise _PathError


def _without_route(text: str) -> str:
    """`@a,@b:u@d` without `@a,@b:` (appendix C); anything else comes back as it is."""
    if not text.startswith("@"):
        return text
    start = 0
    while True:
        if text[start : start + 1] != "@":
            raise _PathError
        end = _end_of_hop(text, start + 1)
        _domain(text[start + 1 : end])
        if text[end] == ":":
            return text[end + 1 :]
        start = end + 1


def _end_of_hop(text: str, start: int) -> int:
    """Where the comma or colon behind the domain or literal at `start` stands."""
    end = text.find("]", start) + 1 if text.startswith("[", start) else start
    ends = [found for found in (text.find(",", end), text.find(":", end)) if found >= 0]
    if not ends or (end == 0):
        raise _PathError
    return min(ends)


def _domain(text: str) -> str:
    if not text.startswith("["):
        return normalise_domain(text)
    if not text.endswith("]"):
        raise _PathError
    return literal(text[1:-1])


def literal(inner: str) -> str:
    """The address literal with brackets in one form, from the text between them (4.1.3).

    Raises ValueError where it is no address. An IPv4-mapped address becomes the IPv4 address.
    """
    if inner[:5].lower() != "ipv6:":
        return f"[{IPv4Address(inner)}]"
    if "%" in inner:
        raise ValueError("a zone in an address literal")
    address = IPv6Address(inner[5:])
    return f"[{address.ipv4_mapped}]" if address.ipv4_mapped else f"[IPv6:{address}]"
