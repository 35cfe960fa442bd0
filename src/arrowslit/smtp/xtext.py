"""xtext, the form in which DSN, XCLIENT and XFORWARD carry octets that a command line can't hold (RFC 3461 4).

Terms: an octet from "!" to "~" other than "+" and "=" stands for itself, any other is "+" and two hexadecimal digits.
Text beyond ASCII is carried as its UTF-8 octets. Never judges what the octets mean: decoded text may hold line ends.
"""

from __future__ import annotations

_PLAIN = frozenset(range(0x21, 0x7F)) - frozenset(b"+=")
_ENCODED = tuple(chr(octet) if octet in _PLAIN else f"+{octet:02X}" for octet in range(256))
_HEX = frozenset("0123456789ABCDEFabcdef")


def encode_xtext(text: str) -> str:
    """`text` as xtext: ASCII without blanks, "+" or "="; an unpaired surrogate becomes "?"."""
    return "".join([_ENCODED[octet] for octet in text.encode("utf-8", "replace")])


def decode_xtext(text: str) -> str:
    """What the xtext `text` stands for. Small hexadecimal digits are taken as well, as Postfix does.

    Raises ValueError for a character that xtext does not have, a "+" without two digits, or octets that are not UTF-8.
    """
    if not text.isascii():
        raise ValueError("xtext is ASCII")
    plain, *escaped = text.split("+")
    octets = bytearray(_checked(plain))
    for piece in escaped:
        if not _HEX.issuperset(piece[:2]) or len(piece) < 2:
            raise ValueError("in xtext two hexadecimal digits follow a plus sign")
        octets.append(int(piece[:2], 16))
        octets += _checked(piece[2:])
    return octets.decode("utf-8")


def _checked(piece: str) -> bytes:
    octets = piece.encode("ascii")
    if not _PLAIN.issuperset(octets):
        raise ValueError("a character that xtext does not have")
    return octets
