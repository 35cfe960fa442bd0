"""Host lists, domain lists and local part lists: items from the left, the first that matches decides.

`!` turns an item round, and where the last item is turned round, what matches nothing is on the list. `<;` at the
beginning makes another sign stand between items. What is looked up somewhere, or named by a plain host name, is
unknown. Source: the Exim specification, chapter 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.asking import NO_NAME
from arrowslit.imports.exim.text import Conf, Setting
from arrowslit.imports.imported import Origin, Source
from arrowslit.imports.names import file_of
from arrowslit.imports.patterns import shapes
from arrowslit.imports.plain import Plain
from arrowslit.imports.spaces import EMPTY, EVERYBODY, Part, first_matches
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet

_DEEPEST: Final = 8
_SHORT: Final = 50
_ROUTES: Final = frozenset("%!@")


@dataclass(frozen=True, slots=True)
class Item:
    """One item, named lists and files put in their place."""

    text: str
    origin: Origin
    negated: bool = False


@dataclass(slots=True)
class Lists:
    """All lists of a configuration."""

    conf: Conf
    sources: list[Source]
    used: set[str]
    known: dict[tuple[str, str], list[Item] | None] = field(default_factory=dict)
    indexes: dict[int, tuple[list[Item], Plain]] = field(default_factory=dict)

    def has_domain(self, items: list[Item], name: str) -> bool | None:
        """Whether a domain list holds a name; of a long one only those items are looked at that can match."""
        if len(items) < _SHORT:
            return matches(items, name, domain)
        if id(items) not in self.indexes:
            self.indexes[id(items)] = (items, Plain.of(item.text for item in items))
        index = self.indexes[id(items)][1]
        first = index.first(name)
        places = sorted([*index.hard, *([] if first is None else [first])])
        last = Item("", items[-1].origin, items[-1].negated)  # what no item matches goes by the last one
        return matches([*(items[place] for place in places), last], name, domain)

    def items(self, kind: str, setting: Setting, depth: int = 0) -> list[Item] | None:
        """The items of a list; None where one of them can't be had."""
        key = (kind, setting.value)
        if key not in self.known:
            made: list[Item] = []
            known = depth < _DEEPEST
            for text in split(_exists(setting.value, self.sources)):
                negated, name = text.startswith("!"), text.lstrip("! ")
                inner = self._inner(kind, name, setting.origin, depth)
                known = known and inner is not None
                made += [Item(one.text, one.origin, one.negated is not negated) for one in inner or ()]
            self.known[key] = made if known else None
        return self.known[key]

    def _inner(self, kind: str, name: str, origin: Origin, depth: int) -> list[Item] | None:
        if name.startswith("+"):
            named = self.conf.lists.get((kind, name[1:]))
            found = None if named is None else self.items(kind, named, depth + 1)
            # What a list that ends in "!" does not name is on it: said aloud, since other items may follow here.
            return [*found, Item("*", origin)] if found and found[-1].negated else found
        if "${" in name:
            return None
        lookup, mark, path = name.partition(";")
        if mark and lookup in {"lsearch", "partial-lsearch", "net-lsearch", "nwildlsearch", "wildlsearch"}:
            return self._file(path.strip(), keys=True)
        if mark and not parse_ok(name):
            return None
        return self._file(name, keys=False) if name.startswith("/") else [Item(name.lower(), origin)]

    def _file(self, path: str, *, keys: bool) -> list[Item] | None:
        source = file_of(path, self.sources)
        if source is None:
            return None
        self.used.add(source.name)
        made: list[Item] = []
        for number, line in enumerate(source.text.splitlines(), 1):
            text = line.partition("#")[0].strip()
            text = text.partition(":")[0] if keys and not parse_ok(text) else text
            if text:
                made.append(Item(text.lstrip("!").lower().strip(), Origin(source.name, number), text.startswith("!")))
        return made


def parse_ok(text: str) -> bool:
    """Whether it is an address or a range."""
    try:
        parse_range(text)
    except ValueError:
        return False
    return "-" not in text


def split(text: str) -> list[str]:
    """The items of a list as written; an empty list has none."""
    text = text.strip()
    between = ":"
    if text.startswith("<") and len(text) > 1 and not text[1].isalnum():
        between, text = text[1], text[2:]
    if not text.strip():
        return []
    parts = text.replace(between * 2, "\0").split(between)
    made = [part.replace("\0", between).strip() for part in parts]
    return made[:-1] if made[-1] == "" else made


def _exists(text: str, sources: list[Source]) -> str:
    """`${if exists{FILE}{FILE}{}}` is the file, where it was given; it can't be told else."""
    inner = text.strip().removeprefix("${if exists{")
    path = inner.partition("}")[0]
    if inner == text.strip() or file_of(path, sources) is None:
        return text
    return path


def hosts(items: list[Item], name: str) -> AddressSet | None:
    """The clients of a host list that have that name; None where an item before can't be told."""
    rows: list[tuple[str, AddressSet]] = []
    for item in items:
        addresses = _host(item.text, name)
        if addresses is None:
            return None
        rows.append(("" if item.negated else "listed", addresses))
    if items and items[-1].negated:
        rows.append(("listed", EVERYBODY))
    return first_matches(rows).get("listed", EMPTY)


def _host(text: str, name: str) -> AddressSet | None:
    if text in {"", "@", "@[]"}:  # the machine itself
        return EMPTY
    if text == "*":
        return EVERYBODY
    try:
        found = parse_range(text)
    except ValueError:
        if text.startswith("*."):
            return EVERYBODY if name != NO_NAME and name.endswith(text[1:]) else EMPTY
        return None
    return AddressSet.from_ranges([(found.first, found.last)])


def host_parts(items: list[Item]) -> Iterator[Part]:
    """The ranges that a host list names."""
    for item in items:
        if parse_ok(item.text):
            found = parse_range(item.text)
            yield Part(found.first, found.last, item.origin)


def matches(items: list[Item], text: str, match: Callable[[str, str], bool | None]) -> bool | None:
    """Whether a list of texts holds `text`; None where an item before can't be told."""
    for item in items:
        hit = match(item.text, text)
        if hit is None:
            return None
        if hit:
            return not item.negated
    return bool(items) and items[-1].negated


def domain(pattern: str, text: str) -> bool | None:
    """An item of a domain list."""
    if pattern == "*":
        return True
    if pattern.startswith("^"):
        found = shapes(pattern)
        return None if found is None else any(one.matches(text) for one in found)
    if pattern.startswith("*"):
        return text.endswith(pattern[1:]) if pattern.startswith("*.") else None
    return None if pattern.startswith("@") or ";" in pattern else text == pattern


def address(pattern: str, text: str) -> bool | None:
    """An item of an address list: an address, `*@domain` or a domain."""
    local, mark, name = pattern.rpartition("@")
    if set(pattern) & set("^;$") or (mark and "*" in local and local != "*"):
        return None
    if mark and local != "*":
        return text == pattern
    return domain(name, text.rpartition("@")[2])


def local_part(pattern: str, text: str) -> bool | None:
    """An item of a local part list; of regular expressions only those about single signs are read."""
    if pattern == "*":
        return True
    if not pattern.startswith("^"):
        return None if ";" in pattern else text == pattern
    opened, _, rest = pattern.removeprefix("^").removeprefix(".*").partition("[")
    signs = rest.partition("]")[0]
    if not opened and signs and rest.endswith("]"):
        return any(sign in text for sign in signs) if pattern.startswith("^.*[") else text[:1] in signs
    return False if "\\" in pattern or "/" in pattern else None
