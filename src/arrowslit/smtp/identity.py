"""Says to a next hop whom the gateway speaks for: XCLIENT and XFORWARD (Postfix XCLIENT_README, XFORWARD_README).

Terms: an attribute is a name that the next hop offered in EHLO and a value in xtext; [UNAVAILABLE] stands for a value
that is not known. Never says an attribute that was not offered, and never makes a line over 512 octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.smtp.xtext import encode_xtext

UNAVAILABLE: Final = "[UNAVAILABLE]"
_LINE_OCTETS: Final = 510  # without CR LF


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """Whom the gateway speaks for, said by XFORWARD or XCLIENT (attribute names as in Postfix, values undecoded).

    A value of None is said as [UNAVAILABLE]. Only attributes that the next hop offers are said.
    """

    verb: str
    attributes: tuple[tuple[str, str | None], ...]


def identity_commands(identity: ClientIdentity, offered: frozenset[str]) -> tuple[bytes, ...]:
    """The command lines, each with its CR LF, in as few lines as 512 octets allow; none where nothing is offered.

    A value that no line can hold is said as [UNAVAILABLE].
    """
    words = [_word(identity.verb, name, value) for name, value in identity.attributes if name.upper() in offered]
    return tuple(_lines(identity.verb, words))


def _word(verb: str, name: str, value: str | None) -> str:
    word = f"{name}={encode_xtext(value) or UNAVAILABLE}" if value is not None else f"{name}={UNAVAILABLE}"
    return word if len(verb) + 1 + len(word) <= _LINE_OCTETS else f"{name}={UNAVAILABLE}"


def _lines(verb: str, words: Sequence[str]) -> list[bytes]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= _LINE_OCTETS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{verb} {word}")
    return [f"{line}\r\n".encode("ascii") for line in lines]
