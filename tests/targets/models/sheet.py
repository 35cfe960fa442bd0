"""The sheet as a careful reader takes it: tables by their captions, and the sentences where there is no table.

There is no program to hold it against: the reader is all. He wants every notation of a row to say the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Rows = dict[str, list[list[str]]]
"""Caption -> rows of cells."""


class Reader(HTMLParser):
    """Tables with their captions, and all other text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: Rows = {}
        self.text: list[str] = []
        self.stack: list[str] = []
        self._caption = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            return
        self.stack.append(tag)
        if tag == "table":
            self._caption = ""
        elif tag == "tr" and "tbody" in self.stack:
            self.tables[self._caption].append([])
        elif tag == "td":
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if self.stack.pop() != tag:
            raise ValueError(f"</{tag}> closes something else")
        if tag == "caption":
            self.tables[self._caption] = []

    def handle_data(self, data: str) -> None:
        if "caption" in self.stack:
            self._caption += data
        elif "td" in self.stack:
            self.tables[self._caption][-1][-1] += data
        elif "style" not in self.stack:
            self.text.append(data)


def by_html(text: str) -> Admits:
    reader = Reader()
    reader.feed(text)
    reader.close()
    if reader.stack:
        raise ValueError(f"left open: {reader.stack}")
    return _admits({caption: [row for row in rows if row] for caption, rows in reader.tables.items()}, reader.text)


def by_markdown(text: str) -> Admits:
    tables: Rows = {}
    caption = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"\*\*(IPv[46] addresses .*)\*\*", line):
            caption = found[1]
            tables[caption] = []
        elif line.startswith("| `"):
            cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
            tables[caption].append(cells[:-1])  # the last says who
    return _admits(tables, [re.sub(r"^> \*\*Note:\*\* |[`*]", "", line) for line in text.splitlines()])


def _admits(tables: Rows, text: list[str]) -> Admits:
    if any("Set nothing yet" in line for line in text):
        return lambda _: True
    families: dict[int, Admits] = {version: _family(version, tables, text) for version in (4, 6)}
    return lambda address: families[address.version](address)


def _family(version: int, tables: Rows, text: list[str]) -> Admits:
    said: list[Admits] = []
    for may in (True, False):
        caption = f"IPv{version} addresses that {'may' if may else 'may not'} connect"
        rows = [row for name in (caption, f"{caption} from inside") for row in tables.get(name, [])]
        if rows:
            said.append(_listed(list(map(_range, rows)), may))
    if any(line.startswith(f"Over IPv{version} nobody may connect") for line in text):
        said.append(lambda _: False)
    if any(line.startswith(f"Over IPv{version} everybody may connect") for line in text):
        said.append(lambda _: True)
    if len(said) != 1:
        raise ValueError(f"IPv{version}: the page says {len(said)} things")
    return said[0]


def _listed(ranges: list[tuple[IPAddress, IPAddress]], may: bool) -> Admits:
    return lambda address: any(first <= address <= last for first, last in ranges) is may


def _range(row: list[str]) -> tuple[IPAddress, IPAddress]:
    network = ip_network(row[0])
    if "/" not in row[0] or ip_address(row[-1]) != network[-1]:
        raise ValueError(f"the notations differ: {row}")
    if network.version == 4 and ip_network(f"{row[0].split('/')[0]}/{row[1]}") != network:
        raise ValueError(f"the notations differ: {row}")
    return network[0], network[-1]


MODELS: dict[str, Callable[[str], Admits]] = {"sheet": by_html, "sheet-markdown": by_markdown}
