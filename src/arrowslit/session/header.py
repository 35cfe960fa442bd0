"""The message's header section as it streams by: loops are counted, forged marks of ours are taken out.

Terms: octets are in transparent (dot-stuffed) form; the header section ends at the first empty line. *Marks* are
`Authentication-Results` that bear our own name and `X-MS-Exchange-Organization-*`, `X-MS-Exchange-Forest-*`: a
stranger must not be able to bring them (gateway-behaviour 1, Trace). Loops: RFC 5321 6.3. Everything else passes octet
for octet; a message without marks is never copied.
"""

from __future__ import annotations

HEADER_OCTETS = 262_144
"""A header section beyond this is refused: marks further down could not be found without holding it all."""

_OWN_RECEIVED = 3
_RECEIVED = 100
_EXCHANGE = (b"x-ms-exchange-organization-", b"x-ms-exchange-forest-")
_RESULTS = b"authentication-results:"
_AN_EXCHANGE = b"\nx-ms-exchange-"
_A_RESULT = b"\n" + _RESULTS[:-1]


class HeaderFilter:
    """One message. `feed` chunks as they come, `finish` at its end; both return what is to be kept."""

    __slots__ = ("_held", "_name", "_strip", "done", "own_received", "received", "too_big")

    def __init__(self, own_name: str, strip_marks: bool) -> None:
        self._name = own_name.lower().encode("ascii", "replace")
        self._strip = strip_marks
        self._held = b""
        self.done = False
        self.too_big = False
        self.received = 0
        self.own_received = 0

    @property
    def loop(self) -> bool:
        """True where the message has gone round: three own Received lines, or more than 100 (5.4.6)."""
        return self.own_received >= _OWN_RECEIVED or self.received > _RECEIVED

    def feed(self, chunk: bytes) -> bytes:
        """The octets to keep; empty while the header section is not complete."""
        if self.done:
            return chunk
        data = self._held + chunk if self._held else chunk
        end = 0 if data.startswith(b"\r\n") else data.find(b"\r\n\r\n") + 2
        if end == 1:
            return self._hold(data)
        self.done = True
        self._held = b""
        header = self._filtered(data[:end])
        return data if header is None else header + data[end:]

    def finish(self) -> bytes:
        """What was held back where the message ended inside its header section."""
        if self.done:
            return b""
        data, self._held, self.done = self._held, b"", True
        header = self._filtered(data)
        return data if header is None else header

    def _hold(self, data: bytes) -> bytes:
        if len(data) > HEADER_OCTETS:
            self.too_big = self.done = True
            data = b""
        self._held = data
        return b""

    def _filtered(self, header: bytes) -> bytes | None:
        """None where nothing has to be taken out."""
        lower = b"\n" + header.lower()
        if b"\nreceived:" in lower:
            self._count(lower)
        if not self._strip or not self._has_marks(lower):
            return None
        return b"".join(field for field in _fields(header) if not self._is_mark(field.lower()))

    def _count(self, lower: bytes) -> None:
        self.received = lower.count(b"\nreceived:")
        if self._name in lower:
            by = b"by " + self._name
            for field in _fields(lower[1:]):
                if field.startswith(b"received:") and by in b" ".join(field.split()) + b" ":
                    self.own_received += 1

    def _has_marks(self, lower: bytes) -> bool:
        return _AN_EXCHANGE in lower or _A_RESULT in lower

    def _is_mark(self, field: bytes) -> bool:
        if field.startswith(_EXCHANGE):
            return True
        name, colon, value = field.partition(b":")
        if not colon or name.rstrip() != _RESULTS[:-1]:
            return False
        words = value.replace(b";", b" ").split()
        return bool(words) and words[0] == self._name


def _fields(header: bytes) -> list[bytes]:
    """The header fields with their folded lines, line ends kept."""
    fields: list[bytes] = []
    for line in header.splitlines(keepends=True):
        if fields and line[:1] in (b" ", b"\t"):
            fields[-1] += line
        else:
            fields.append(line)
    return fields
