"""Reading a message: the octets after 354 or of BDAT chunks in, the message in transparent form out.

Terms: *transparent form* is the message as DATA carries it (RFC 5321 4.5.2): every line ended by CR LF, a line that
starts with a dot has one dot more. A *reader* takes one message; what it finds wrong is remembered, not raised, and
`fault()` tells it once the message has ended. Only CR LF ends a line and only CR LF . CR LF ends a message. Octets are
searched, never looped over.
"""

from __future__ import annotations

from arrowslit.smtp import replies
from arrowslit.smtp.events import Fault

END = b"\r\n.\r\n"
_DOT_LINE = b"\r\n."
_SPLIT_OCTETS = 65_536


class Reader:
    """What DATA and BDAT have in common: counting, and the rules for lines.

    `limit` and `line_limit` in octets; 0 for `limit` is none. A line may have `line_limit` octets and CR LF.
    """

    __slots__ = (
        "_bare", "_big", "_held", "_lf_before", "_limit", "_line", "_line_limit", "_line_start", "_long",
        "_normalise", "eight_bit", "octets",
    )  # fmt: skip

    def __init__(self, limit: int, line_limit: int, normalise: bool) -> None:
        self.octets = 0
        self.eight_bit = False
        self._limit = limit
        self._line_limit = line_limit
        self._normalise = normalise
        self._held = b""
        self._line_start = True
        self._lf_before = False
        self._line = 0
        self._bare = False
        self._long = False
        self._big = False

    def fault(self) -> Fault | None:
        """The rule that was broken so far; the first of this order where there are several."""
        if self._bare:
            return replies.BARE_LINE_END
        if self._long:
            return replies.TEXT_LINE
        return replies.TOO_BIG if self._big else None

    def _check(self, data: bytes) -> bool:
        """Judge octets that don't end between CR and LF; True where a lone LF is among them."""
        if not data.isascii():
            self.eight_bit = True
        feeds = data.count(b"\n")
        returns = data.count(b"\r")
        pairs = _count_pairs(data, feeds + returns)
        if returns != pairs or b"\0" in data or (feeds != pairs and not self._normalise):
            self._bare = True
        if self._line + len(data) > self._line_limit + 1:
            self._measure_lines(data)
        self._line = len(data) - data.rfind(b"\n") - 1 + (0 if feeds else self._line)
        return feeds != pairs

    def _measure_lines(self, data: bytes) -> None:
        """Look for a line over the limit, a limit's length at a step.

        One octet over it may yet turn out to be the limit and a lone LF, so that only two decide.
        """
        start = -self._line
        while len(data) - start > self._line_limit + 1:
            end = data.rfind(b"\n", max(start, 0), max(start + self._line_limit + 2, 0))
            if end < 0:
                self._long = True
                return
            start = end + 1

    def _count(self, octets: int) -> None:
        self.octets += octets
        if 0 < self._limit < self.octets:
            self._big = True


def _count_pairs(data: bytes, ends: int) -> int:
    """How often CR LF is in `data`, where CR and LF together are there `ends` times.

    `splitlines` is faster than searching for two octets; its list is kept small.
    """
    if len(data) > _SPLIT_OCTETS:
        return data.count(b"\r\n")
    return ends - len(data.splitlines()) + (not data.endswith((b"\n", b"\r")))


class DataReader(Reader):
    """The message after 354, up to the final dot."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Take octets in: (what can be passed on, octets behind the end of the message).

        The second is -1 while the end has not come. Nothing is passed on once the message broke a rule.
        """
        held = len(self._held)
        if held:
            data = self._held + data
            self._held = b""
        if self._line_start and data.startswith(b".\r\n"):
            return b"", len(data) - 3
        dots = data.count(_DOT_LINE)
        end = self._find_end(data, dots) if dots else -1
        if end < 0:
            kept = self._hold_back(data)
            return self._pass_on(kept, dots - (dots > 0 and self._held.startswith(b"."))), -1
        message = data[: end + 2]
        return self._pass_on(message, message.count(_DOT_LINE) if dots > 1 else 0), len(data) - end - 5

    def _find_end(self, data: bytes, dots: int) -> int:
        """Where CR LF . CR LF starts. Most often it is the only dot line and the last octets."""
        return len(data) - 5 if dots == 1 and data.endswith(END) else data.find(END)

    def _hold_back(self, data: bytes) -> bytes:
        """Cut off what may belong to the end: CR, or a dot at the start of a line, with or without CR."""
        keep = 0
        if data.endswith((b"\r\n.", b"\r\n.\r")) or (self._line_start and data in (b".", b".\r")):
            keep = 2 if data.endswith(b"\r") else 1
        elif data.endswith(b"\r"):
            keep = 1
        if not keep:
            return data
        self._held = data[-keep:]
        return data[:-keep]

    def _pass_on(self, data: bytes, stuffed: int) -> bytes:
        """`data`, which doesn't end between CR and LF, judged, counted, and with its line ends in order.

        `stuffed` is how often CR LF and a dot are in it.
        """
        if not data:
            return data
        if self._line_start and data.startswith(b"."):
            stuffed += 1
        line_start = self._line_start
        after_lf = self._lf_before and data.startswith(b".")
        lone = self._check(data)
        self._line_start = data.endswith(b"\r\n")
        if self._normalise:
            self._lf_before = not self._line_start and data.endswith(b"\n")
            if lone or after_lf:
                data = _normalised(data, line_start, after_lf)
                stuffed = data.count(_DOT_LINE) + ((line_start or after_lf) and data.startswith(b"."))
        self._count(len(data) - stuffed)
        return b"" if self._bare or self._long or self._big else data


def _normalised(data: bytes, line_start: bool, after_lf: bool) -> bytes:
    """Lone LFs made CR LF; a dot more for a line that starts behind one, or that would become a dot alone.

    `line_start`: `data` starts a line. `after_lf`: it starts with a dot behind a lone LF.
    """
    if after_lf or (line_start and data.startswith(b".\n")):
        data = b"." + data
    lines = data.replace(b"\r\n.\n", b"\r\n..\n").split(b"\r\n")
    return b"\r\n".join([line.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n") for line in lines])
