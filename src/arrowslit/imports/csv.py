"""Lists of addresses out of tables: CSV with a header, or plainly one range a line.

Who is listed may connect, and nobody else. Columns are found by their names in the first line, in any order: an
address, a range or network, first and last address, an address and its mask; a note, an owner, the last day. Cells are
parted by `;`, tab or comma. Without a header each line is one range, and what stands behind it is its note. Where a
line can be read in several ways, or its date can't be read, it is left and named: nothing is guessed, and an entry
that ends one day is never taken without its end. Host bits behind a prefix are cleared, with a doubt.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import AccessList, Entry, Imported, Kind, Origin, Source, VirtualServer
from arrowslit.imports.lines import lines_of
from arrowslit.imports.ranges import entry_of
from arrowslit.mail.address_range import AddressRange, parse_range

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "range": (
        *("address", "addresses", "ip", "ips", "ip address", "ipv4", "ipv6", "computer", "host", "range", "ip range"),
        *("address range", "network", "net", "cidr", "subnet", "prefix", "group", "block", "netblock", "source"),
    ),
    "first": ("from", "first", "start", "begin", "low", "lower", "lowerbound", "first address", "start address"),
    "last": ("to", "last", "end", "high", "upper", "upperbound", "last address", "end address"),
    "mask": ("mask", "netmask", "subnet mask", "network mask"),
    "note": ("note", "notes", "comment", "comments", "description", "remark", "name", "label"),
    "owner": ("owner", "contact", "responsible"),
    "expires": ("expires", "expiry", "expires on", "expiry date", "until", "valid until", "valid to"),
}
_MEANING: Final = {name: what for what, names in COLUMNS.items() for name in names}
_DELIMITERS: Final = (";", "\t", ",")
_LISTED_ONE_BY_ONE: Final = 200
_LOOKED_AT: Final = 50
_NETWORK: Final = "listed"
_DAY: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)|(\d\d?)\.(\d\d?)\.(\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, its text and its cells by what they mean."""

    line: int
    text: str
    cells: dict[str, list[str]] = field(default_factory=dict)

    def get(self, what: str) -> str:
        """All that stands in the columns of that meaning."""
        return ", ".join(self.cells.get(what, ()))


class NotReadError(ValueError):
    """Why a line is not read, to an administrator."""


def read(sources: Sequence[Source]) -> Imported:
    """The lists of all files as one list of who may connect."""
    found = Imported()
    listed: list[Entry] = []
    for source in sources:
        for row in _rows(source, found):
            origin = Origin(source.name, row.line)
            try:
                listed.append(_entry(row, origin, found))
            except NotReadError as error:
                found.leave(origin, row.text, str(error), "write one address, prefix or first-last in this line")
    server = VirtualServer("default", Origin(sources[0].name if sources else ""))
    server.connection_control = AccessList("only_listed", _shortened(listed, found), [], server.origin)
    found.servers.append(server)
    return found


def _shortened(listed: list[Entry], found: Imported) -> list[Entry]:
    """Where there are many, those that a network can hold go into one."""
    plain = [one for one in listed if one.expires is None]
    if len(plain) <= _LISTED_ONE_BY_ONE:
        return listed
    found.networks[_NETWORK] = plain
    of_network = Entry("network", _NETWORK, Origin(plain[0].origin.file))
    return [of_network, *(one for one in listed if one.expires is not None)]


# Lines into cells.


def _rows(source: Source, found: Imported) -> Iterator[Row]:
    lines = lines_of(source.text)
    head = next((number for number, line in enumerate(lines) if _told(line)), len(lines))
    columns, delimiter = _header(lines[head]) if head < len(lines) else ([], "")
    if columns:
        yield from _table(source, lines, head, columns, delimiter, found)
        return
    for number, line in enumerate(lines, 1):
        if text := _told(line):
            yield Row(number, text, _plain(text))


def _told(line: str) -> str:
    """The line without what is said behind `#`."""
    return line.partition("#")[0].strip()


def _header(line: str) -> tuple[list[str], str]:
    """What each column means ("" where it is not known) and the sign between; none where the line is no header."""
    for delimiter in _DELIMITERS:
        names = [" ".join(re.split(r"[\s_-]+", cell.strip().lower())) for cell in _cells(line, delimiter)]
        meant = [_MEANING.get(name, "") for name in names]
        if "range" in meant or {"first", "last"} <= set(meant):
            return meant, delimiter
    return [], ""


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        return []


def _table(
    source: Source, lines: list[str], head: int, columns: list[str], delimiter: str, found: Imported
) -> Iterator[Row]:
    strange = [name for name, meant in zip(_cells(lines[head], delimiter), columns, strict=True) if not meant]
    if strange:
        says = "these columns mean nothing to an import, and were not read"
        found.leave(Origin(source.name, head + 1), ", ".join(strange), says)
    for number, line in enumerate(lines[head + 1 :], head + 2):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        cells = _cells(line, delimiter)
        row = Row(number, text)
        for meant, cell in zip(columns, cells, strict=False):
            if meant and cell.strip():
                row.cells.setdefault(meant, []).append(cell.strip())
        if len(cells) > len(columns):
            row.cells.clear()  # a sign between cells stands in a cell: which is which can't be told
        yield row


def _plain(text: str) -> dict[str, list[str]]:
    """A line without a header: a range, or a range and what is said of it."""
    if _is_range(text):
        return {"range": [text]}
    for delimiter in (*_DELIMITERS, " "):
        first, found, rest = text.partition(delimiter)
        # An address behind an address may be a mask, the end of a range or another entry.
        if found and _is_range(first) and not _is_range(rest.strip().split(delimiter)[0]):
            return {"range": [first.strip()], "note": [rest.strip(' \t;,"')]}
    return {"range": [text]}


def _is_range(text: str) -> bool:
    try:
        parse_range(text)
    except ValueError:
        return False
    return True


# Cells into an entry.


def _entry(row: Row, origin: Origin, found: Imported) -> Entry:
    read_ = {_parsed(text) for text in _ranges(row)}
    if len({(one.first, one.last) for one in read_}) != 1:
        raise NotReadError("no address stands here" if not read_ else "several addresses stand here")
    one = next(iter(read_))
    if one.host_bits:
        says = f"it has bits set behind its prefix, and was read as {one.text}"
        found.doubt(origin, row.text, says, "see that it is meant so")
    if one.prefix == 0:
        found.doubt(origin, row.text, f"this is every address of IPv{one.first.version}", "take the line out")
    return entry_of(one.first, one.last, origin, row.get("note"), owner=row.get("owner"), expires=_day(row))


def _ranges(row: Row) -> Iterator[str]:
    """All that is said of the address, each as a range."""
    first, last, mask = row.get("first"), row.get("last"), row.get("mask")
    ranges = row.cells.get("range", [])
    if first or last:
        if not first:
            raise NotReadError("the last address stands here without the first")
        yield f"{first}-{last}" if last else first
    if mask and any(set("/-,") & set(one) for one in ranges):
        raise NotReadError("a mask stands beside what is a range already")
    yield from (f"{one}/{mask}" if mask else one for one in ranges)


def _parsed(text: str) -> AddressRange:
    try:
        return parse_range(text)
    except ValueError as error:
        raise NotReadError(str(error)) from None


def _day(row: Row) -> datetime.date | None:
    """The last day. Only dates that can be read in one way."""
    text = row.get("expires")
    if not text:
        return None
    says = f"the last day {text!r} can't be told for sure: write it as 2027-03-31"
    found = _DAY.fullmatch(text)
    if found is None:
        raise NotReadError(says)
    year, month, day = found.group(1, 2, 3) if found[1] else found.group(6, 5, 4)
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        raise NotReadError(says) from None


# How sure it is.


def recognise(text: str) -> int:
    """60 for a header with a column of addresses, 40 for a list where nearly all lines are ranges."""
    told = [line for line in map(_told, lines_of(text)[:_LOOKED_AT]) if line]
    if told and _header(told[0])[0]:
        return 60
    good = sum(_is_range(_plain(line)["range"][0]) for line in told)
    return 40 if told and good * 10 >= len(told) * 8 else 0


CSV: Final = Kind("csv", "A table or list of addresses (CSV, text)", recognise, read)
