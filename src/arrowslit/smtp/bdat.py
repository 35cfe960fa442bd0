"""Reading a message that comes by BDAT (RFC 3030): raw octets in, the transparent form of DATA out.

The line rules are DATA's. A last line without CR LF gets one, since DATA, by which the message goes on, can't say it
otherwise. Never sees the BDAT commands themselves.
"""

from __future__ import annotations

from arrowslit.smtp.message import Reader


class BdatReader(Reader):
    """The octets of all chunks of one message."""

    __slots__ = ()

    def feed(self, data: bytes) -> bytes:
        """Take octets of a chunk in; returns what can be passed on, nothing once the message broke a rule."""
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        if not data:
            return data
        if self._check(data) and self._normalise:
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return self._pass_on(data)

    def finish(self) -> bytes:
        """The last chunk is in; returns the CR LF that was missing, or nothing."""
        if self._held:
            self._held = b""
            self._bare = True
        if self._line_start:
            return b""
        self._line_start = True
        self._count(2)
        return b"" if self.fault() else b"\r\n"

    def _pass_on(self, data: bytes) -> bytes:
        self._count(len(data))
        first = self._line_start and data.startswith(b".")
        self._line_start = data.endswith(b"\r\n")
        if self.fault():
            return b""
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        return b"." + stuffed if first else stuffed
