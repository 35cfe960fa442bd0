"""The files of Postfix as values: settings with their places, services with their options.

Shapes: main.cf and the output of `postconf -n` (one setting a line, a prompt line may lead); master.cf and the output
of `postconf -M`; the output of `postconf -P` (`smtp/inet/name = value`). A line that starts with a blank goes on with
the line before; `#` starts a comment line, in the middle of a setting too. The last of two settings of one name
counts. Sources: postconf(1), postconf(5), master(5). Never raises: what is no setting is told as left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Imported, Origin, Source

_TYPES: Final = frozenset({"inet", "unix", "fifo", "pass", "unix-dgram"})
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_KNOWN: Final = (
    "smtpd_", "mynetworks", "mydestination", "myhostname", "relay_domains", "inet_interfaces", "virtual_",
    "postscreen_", "compatibility_level", "queue_directory", "alias_maps", "relayhost",
)  # fmt: skip
_LONGEST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """`value` as written, with its line ends turned into blanks."""

    value: str
    origin: Origin


@dataclass(slots=True)
class Service:
    """One line of master.cf with its `-o` options."""

    name: str
    type: str
    command: str
    origin: Origin
    options: dict[str, Setting] = field(default_factory=dict)


@dataclass(slots=True)
class Files:
    """All that was given, by shape. `tables` are files that are none of the others."""

    settings: dict[str, Setting] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    tables: list[Source] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Names of settings that somebody asked for."""
    has_main: bool = False
    has_master: bool = False


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what continues them, each with the number of its first line."""
    start, parts = 0, list[str]()
    for number, line in enumerate(text[:_LONGEST].replace("\r\n", "\n").split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if line[0] in " \t" and parts:
            parts.append(stripped)
            continue
        if parts:
            yield start, " ".join(parts)
        start, parts = number, [stripped]
    if parts:
        yield start, " ".join(parts)


def shape(text: str) -> str:
    """ "main", "master", "options" (postconf -P), or "" for a table or anything else."""
    main = master = options = others = 0
    for number, (_, line) in enumerate(logical_lines(text)):
        if number == 400:
            break
        name = line.partition("=")[0].rstrip() if "=" in line else ""
        if _service_fields(line) is not None:
            master += 1
        elif name.count("/") == 2 and _is_name(name.rpartition("/")[2]):
            options += 1
        elif _is_name(name):
            main += 10 if name.startswith(_KNOWN) else 1
        else:
            others += 1
    best = max(main, 10 * master, 10 * options)
    if best < 10 or best < others:
        return ""
    return "master" if best == 10 * master else "options" if best == 10 * options else "main"


def read_files(sources: Sequence[Source], found: Imported) -> Files:
    """Every file by its shape; what is no setting in them is left."""
    files = Files()
    later: list[tuple[str, Setting]] = []
    for source in sources:
        kind = shape(source.text)
        if kind == "main":
            _read_main(source, files, found)
        elif kind == "master":
            _read_master(source, files, found)
        elif kind == "options":
            later += [(name, setting) for name, setting in _settings(source, found)]
        else:
            files.tables.append(source)
    for name, setting in later:
        _option(name, setting, files, found)
    return files


def _read_main(source: Source, files: Files, found: Imported) -> None:
    read = dict(_settings(source, found))
    files.settings = {**read, **files.settings} if files.has_main else read
    files.has_main = True


def _settings(source: Source, found: Imported) -> Iterator[tuple[str, Setting]]:
    for number, line in logical_lines(source.text):
        name, mark, value = line.partition("=")
        name = name.rstrip()
        if mark and (_is_name(name) or _is_name(name.rpartition("/")[2])):
            yield name, Setting(value.strip(), Origin(source.name, number, name))
        elif "postconf" not in line:
            found.leave(Origin(source.name, number), line, "this is no setting of Postfix", "see what it was meant for")


def _is_name(text: str) -> bool:
    return bool(text) and _NAME.issuperset(text) and not text[0].isdigit()


def _service_fields(line: str) -> list[str] | None:
    fields = line.split(None, 7)
    if len(fields) < 8 or fields[1] not in _TYPES:
        return None
    return fields if all(set(one) <= set("yn-") for one in fields[2:5]) else None


def _read_master(source: Source, files: Files, found: Imported) -> None:
    files.has_master = True
    for number, line in logical_lines(source.text):
        fields = _service_fields(line)
        if fields is None:
            if "postconf" not in line:
                found.leave(Origin(source.name, number), line, "this is no service of Postfix", "see what it is for")
            continue
        origin = Origin(source.name, number, fields[0])
        words = split_braces(fields[7])
        service = Service(fields[0], fields[1], words[0] if words else "", origin)
        service.options = dict(_options(words[1:], origin))
        files.services.append(service)


def _options(words: list[str], origin: Origin) -> Iterator[tuple[str, Setting]]:
    for at, word in enumerate(words):
        if word == "-o" and at + 1 < len(words):
            text = words[at + 1]
        elif word.startswith("-o") and "=" in word:
            text = word[2:]
        else:
            continue
        name, mark, value = unbraced(text).partition("=")
        if mark:
            place = Origin(origin.file, origin.line, f"{origin.what} {name.strip()}")
            yield name.strip(), Setting(value.strip(), place)


def _option(name: str, setting: Setting, files: Files, found: Imported) -> None:
    """One line of `postconf -P`."""
    service_name, _, rest = name.partition("/")
    service_type, _, parameter = rest.partition("/")
    for service in files.services:
        if (service.name, service.type) == (service_name, service_type):
            service.options[parameter] = setting
            return
    found.leave(setting.origin, setting.value, "master.cf has no such service", "give master.cf (postconf -M) too")


def split_braces(text: str, blanks: str = " \t\n\r") -> list[str]:
    """Words between `blanks`; what stands in braces is one word, its braces kept."""
    words: list[str] = []
    depth, start = 0, -1
    for at, sign in enumerate(text):
        if depth == 0 and sign in blanks:
            if start >= 0:
                words.append(text[start:at])
            start = -1
            continue
        start = at if start < 0 else start
        depth = depth + 1 if sign == "{" else max(0, depth - 1) if sign == "}" else depth
    return words + ([text[start:]] if start >= 0 else [])


def unbraced(text: str) -> str:
    """Without the braces around it."""
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text
