"""From the points of a syntax tree (rows and octets from 0) to places that people count (from 1, characters)."""

from __future__ import annotations

from array import array
from itertools import accumulate

from tree_sitter import Node, Point

from arrowslit.policy.tree import Span


class Places:
    """The places in one text, given as its UTF-8 octets."""

    def __init__(self, octets: bytes) -> None:
        self._lines = [] if octets.isascii() else octets.split(b"\n")
        self._rows: dict[int, array[int]] = {}

    def span(self, node: Node) -> Span:
        """Where a node stands."""
        return self.between(node, node)

    def between(self, first: Node, last: Node) -> Span:
        """From the start of `first` to the end of `last`."""
        start, end = first.start_point, last.end_point
        return Span(start.row + 1, self._column(start), end.row + 1, self._column(end))

    def _column(self, point: Point) -> int:
        row, octet = point
        if row >= len(self._lines) or self._lines[row].isascii():
            return octet + 1
        # Counted once a line and kept: a line may be the whole file.
        if row not in self._rows:
            starts = [octet & 0xC0 != 0x80 for octet in self._lines[row]]
            self._rows[row] = array("L", accumulate(starts, initial=0))
        return self._rows[row][octet] + 1
