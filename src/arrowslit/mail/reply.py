"""One SMTP reply as a value (RFC 5321 4.2, RFC 2034, RFC 3463).

Terms: `code` is the three digits, `enhanced` the enhanced status code without spaces ("5.7.1", or "" where RFC 2034
wants none: greeting, EHLO, 354), `lines` the text, one item a line. Text is printable ASCII: whatever a stranger sent
has been escaped before it gets here, and `encode` replaces what is left over. Never holds private detail.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_LINE_OCTETS = 512  # 4.5.3.1.5, CR LF included


@dataclass(frozen=True, slots=True)
class Reply:
    """Code, enhanced status code and text; `encode()` gives the octets for the wire."""

    code: int
    enhanced: str
    lines: tuple[str, ...]
    _wire: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)
    """The octets once they were asked for: most replies of next hops never are."""

    @property
    def positive(self) -> bool:
        """True for 2yz."""
        return 200 <= self.code < 300

    @property
    def transient(self) -> bool:
        """True for 4yz."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """True for 5yz."""
        return 500 <= self.code < 600

    @property
    def text(self) -> str:
        """The text in one line, without codes."""
        return " ".join(self.lines)

    def encode(self) -> bytes:
        """The octets for the wire, every line ended by CR LF and none over 512 octets."""
        wire = self._wire
        if not wire:
            wire.append(_encode(self.code, self.enhanced, self.lines))
        return wire[0]


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """Shorthand: `reply(250, "2.0.0", "OK")`."""
    return Reply(code, enhanced, lines or ("",))


def _encode(code: int, enhanced: str, lines: tuple[str, ...]) -> bytes:
    prefix = f"{enhanced} " if enhanced else ""
    if len(lines) == 1:
        return _line(f"{code} {prefix}{lines[0]}")
    last = len(lines) - 1
    return b"".join(_line(f"{code}{' ' if number == last else '-'}{prefix}{text}") for number, text in enumerate(lines))


def _line(text: str) -> bytes:
    clean = text
    if not (text.isascii() and text.isprintable()):
        clean = "".join([c if " " <= c <= "~" else "?" for c in text])
    return clean.rstrip().encode("ascii")[: _LINE_OCTETS - 2] + b"\r\n"
