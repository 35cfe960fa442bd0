"""The lines of an Exim configuration: comments out, continued lines joined, macros put in, conditions decided.

Then what stands there: options of the main section, named lists, the ACLs with their statements. Macros are put in as
text, in the order in which they were defined; a limit keeps those that grow by each other small. Source: the Exim
specification, chapters 6 and 43. Never raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Imported, Origin, Source
from arrowslit.imports.names import file_of

VERBS: Final = frozenset({"accept", "deny", "defer", "discard", "drop", "require", "warn"})
_LISTS: Final = frozenset({"hostlist", "domainlist", "localpartlist", "addresslist"})
_DEEPEST: Final = 8
_LONGEST: Final = 20_000
_MOST: Final = 2_000_000
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value as written, macros put in."""

    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition or modifier of an ACL statement; `name` "endpass" has no value."""

    name: str
    value: str
    origin: Origin
    negated: bool = False


@dataclass(slots=True)
class Statement:
    """`verb` with its conditions in their order."""

    verb: str
    origin: Origin
    conditions: list[Condition] = field(default_factory=list)


@dataclass(slots=True)
class Conf:
    """What a configuration says. `lists` is by kind and name."""

    options: dict[str, Setting] = field(default_factory=dict)
    lists: dict[tuple[str, str], Setting] = field(default_factory=dict)
    acls: dict[str, list[Statement]] = field(default_factory=dict)
    authenticates: bool = False


Line = tuple[str, Origin]


class Lines:
    """Reads a file with what it includes."""

    def __init__(self, others: Sequence[Source], found: Imported, used: set[str]) -> None:
        self.others, self.found, self.used = others, found, used
        self.macros: dict[str, str] = {}
        self.left = _MOST

    def read(self, source: Source, depth: int = 0) -> Iterator[Line]:
        """Its lines, without those that a condition leaves out."""
        open_: list[tuple[bool, bool]] = []  # whether this part is read; whether some part before was
        for number, line in _joined(source.text):
            word, _, rest = line.partition(" ")
            origin = Origin(source.name, number)
            if word in _CONDITIONS:
                self._condition(word, rest, open_)
            elif all(now for now, _ in open_):
                yield from self._line(line, origin, depth)

    def _condition(self, word: str, rest: str, open_: list[tuple[bool, bool]]) -> None:
        if word in {".ifdef", ".ifndef"}:
            holds = self._defined(rest) is (word == ".ifdef")
            open_.append((holds, holds))
        elif open_:
            _, before = open_.pop()
            if word == ".else":
                open_.append((not before, True))
            elif word != ".endif":
                holds = not before and self._defined(rest) is (word == ".elifdef")
                open_.append((holds, before or holds))

    def _defined(self, text: str) -> bool:
        return any(name in text for name in self.macros) or text.strip().startswith("_HAVE_")

    def _line(self, line: str, origin: Origin, depth: int) -> Iterator[Line]:
        put = self._put_in(line)
        word, _, rest = put.partition(" ")
        name, mark, value = put.partition("=")
        if word in {".include", ".include_if_exists"}:
            source = file_of(rest.strip().strip('"'), self.others) if depth < _DEEPEST else None
            if source is not None:
                self.used.add(source.name)
                yield from self.read(source, depth + 1)
            elif word == ".include":
                self.found.leave(origin, put, "the included file was not given", "give the file too", widens=True)
        elif mark and _is_macro(name.strip()) and not line.startswith((" ", "\t")):
            self.macros[name.strip()] = value.removeprefix("=").strip()
        else:
            yield put, origin

    def _put_in(self, line: str) -> str:
        """With macros, but not in the name of one that is being set."""
        name, mark, value = line.partition("=")
        head, text = (name + mark, value) if mark and _is_macro(name.strip()) else ("", line)
        for macro, put in self.macros.items():
            if macro in text and self.left > 0:
                text = text.replace(macro, put)[:_LONGEST]
                self.left -= len(text)
        return head + text


_CONDITIONS: Final = frozenset({".ifdef", ".ifndef", ".elifdef", ".elifndef", ".else", ".endif"})


def _is_macro(name: str) -> bool:
    return name[:1].isascii() and name[:1].isupper() and _NAME.issuperset(name)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined with the next."""
    start, parts = 0, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not parts):
            continue
        start = start or number
        if stripped.endswith("\\"):
            parts.append(stripped[:-1])
            continue
        yield start, "".join([*parts, stripped])
        start, parts = 0, []
    if parts:
        yield start, "".join(parts)


def conf_of(lines: Iterator[Line], found: Imported) -> Conf:
    """Options, named lists and ACLs; routers, transports and the rest are passed over."""
    conf = Conf()
    section, acl = "main", list[Statement]()
    for text, origin in lines:
        if text.startswith("begin "):
            section = text[6:].strip()
        elif section == "main":
            _main(text, origin, conf, found)
        elif section == "acl":
            name = text.rstrip(":")
            if text.endswith(":") and _NAME.issuperset(name):
                acl = conf.acls.setdefault(name, [])
            else:
                statement_line(text, origin, acl, found)
        elif section == "authenticators" and text.startswith("server_"):
            conf.authenticates = True
    return conf


def _main(text: str, origin: Origin, conf: Conf, found: Imported) -> None:
    text = text.removeprefix("hide ")
    word, _, rest = text.partition(" ")
    if word in _LISTS:
        name, mark, value = rest.removeprefix("_cache").partition("=")
        if mark:
            place = Origin(origin.file, origin.line, name.strip())
            conf.lists[word, name.strip()] = Setting(_unquoted(value.strip()), place)
        return
    name, mark, value = text.partition("=")
    name = name.strip()
    if mark and name and _NAME.issuperset(name):
        conf.options[name] = Setting(_unquoted(value.strip()), Origin(origin.file, origin.line, name))
    elif not mark and name and _NAME.issuperset(name):
        negated = name.startswith(("no_", "not_"))
        conf.options[name.removeprefix("no_").removeprefix("not_")] = Setting("no" if negated else "yes", origin)
    elif text:
        found.leave(origin, text, "this is no setting of Exim", "see what it was meant for")


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def statement_line(text: str, origin: Origin, acl: list[Statement], found: Imported) -> None:
    """A line of an ACL: a verb, perhaps with a condition, or a condition."""
    word, _, rest = text.partition(" ")
    if word in VERBS:
        acl.append(Statement(word, origin))
        text = rest.strip()
        if not text:
            return
    if not acl:
        found.leave(origin, text, "this is no statement of an ACL", widens=True)
        return
    negated = text.startswith("!")
    name, mark, value = text.lstrip("! ").partition("=")
    words = name.split()
    if not words:
        return
    if words[0] == "set":
        name = f"set {words[-1]}"
    acl[-1].conditions.append(Condition(name.strip() if mark else words[0], value.strip(), origin, negated))
