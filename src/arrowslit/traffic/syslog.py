"""The frame that syslog puts around a program's message, in the shapes that files have it (RFC 3164, RFC 3339, JSON).

Terms: an *entry* is the message with its program, process id, server name and time. Strangers write parts of a
message, never its frame: so the frame is read from the left, and the first thing that has its shape is it. Never
reads a message: that is for the reader of the program.

Shapes: rsyslog and syslog-ng with old and new stamps, busybox (`mail.info` behind the server name), FreeBSD
(`<mail.info>` before it), RFC 5424, journalctl as text and as JSON, `docker logs` with and without `-t`,
`docker compose logs`, and the JSON files of docker.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from arrowslit.traffic.reader import decoded
from arrowslit.traffic.stamps import Clock

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CONTAINER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\s+\| ")
_PRIORITY: Final = re.compile(r"<(?:[0-9]{1,3}|[a-z0-9]+\.[a-z]+)>\s?")
_OLD: Final = r"[^\W\d_]{3} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}"
_ISO: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|\s?[+-][0-9]{2}:?[0-9]{2})?"
)
_LEVEL: Final = r"(?:<[a-z0-9]+\.[a-z]+>|[a-z0-9]{2,8}\.(?:emerg|alert|crit|err|warn|warning|notice|info|debug)) "
_FRAME: Final = re.compile(
    rf"(?:(?P<old>{_OLD})(?:\.[0-9]{{1,9}})?|(?P<iso>{_ISO})) (?:{_LEVEL})?"
    rf"(?:(?P<host>[^\s\[\]:]+|[0-9A-Fa-f:.]{{1,44}}[0-9A-Fa-f]) (?:{_LEVEL})?(?=[^\s:\[]+(?:\[[0-9]+\])?:))?"
    r"(?P<program>[^\s:\[]+)(?:\[(?P<pid>[0-9]+)\])?:(?: |$)(?P<message>.*)",
    re.DOTALL,
)
_STAMPED_TWICE: Final = re.compile(rf"(?P<iso>{_ISO}) (?={_OLD} |{_ISO} )")
_STRUCTURED: Final = re.compile(
    rf"<[0-9]{{1,3}}>1 (?P<iso>{_ISO}) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) \S+ "
    r'(?:-|(?:\[[^\s\]"=]+(?: [^\s\]"=]+="(?:[^"\\]|\\.)*")*\])+)(?: \ufeff?(?P<message>.*))?',
    re.DOTALL,
)
_BARE: Final = re.compile(r"(?P<program>[A-Za-z][A-Za-z0-9_./-]*)\[(?P<pid>[0-9]+)\]: (?P<message>.*)", re.DOTALL)
_LATEST: Final = 253_000_000_000.0


_COMMON: Final = re.compile(
    r"(?:([A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:)([0-5][0-9])"
    r"|([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:)([0-5][0-9](?:\.[0-9]{1,9})?)(Z|[+-][0-9]{2}:[0-9]{2}))"
    rf" (?!{_LEVEL})([^\s\[\]:]+) ([^\s:\[]+)\[([0-9]+)\]: (.*)",
    re.DOTALL,
)
"""The two shapes that nearly all lines have, for speed: what it reads, the careful way reads the same."""


class Entry(NamedTuple):
    """One message. `time` is None where the line bears none; `pid` is "" where it bears none."""

    time: float | None
    host: str
    program: str
    pid: str
    message: str


def parse(line: str, clock: Clock) -> Entry | None:
    """The entry in `line`; None where the line has no such frame. A time that is none counts as no frame."""
    # Nearly all lines are of a minute, a server and a process that were met before: no expression is needed for them.
    minute = clock.met.get(line[:13])
    if minute is not None:
        second, rest = _SECONDS.get(line[13:16]), line[16:]
    else:
        stamp, _, rest = line.partition(" ")
        minute, second = clock.met.get(stamp[:17] + stamp[26:]), _fraction(stamp[17:26])
    if minute is not None and second is not None:
        host, _, rest = rest.partition(" ")
        name, _, message = rest.partition(" ")
        program = _PROGRAMS.get(name)
        if program is not None and host in _HOSTS:
            return Entry(minute + second, host, program[0], program[1], message)
    common = _COMMON.match(line)
    return parse_carefully(line, clock) if common is None else _common(common, clock)


def _fraction(text: str) -> float | None:
    """`15.123456` as rsyslog writes it; None for anything else."""
    whole, fraction = text[:2], text[3:]
    plain = len(text) == 9 and text[2] == "." and text.isascii() and whole.isdigit() and fraction.isdigit()
    return int(whole) + int(fraction) / 1e6 if plain and whole < "60" else None


_SECONDS: Final = {f"{second:02} ": float(second) for second in range(60)}
_PROGRAMS: Final[dict[str, tuple[str, str]]] = {}
"""`postfix/smtpd[91]:` as it stands in a line -> program and process id; only what `_COMMON` has read gets in."""
_HOSTS: Final[dict[str, None]] = {}
_REMEMBERED: Final = 50_000
_SHORT: Final = 400


def _common(found: re.Match[str], clock: Clock) -> Entry | None:
    old, second, new, fraction, zone, host, program, pid, message = found.groups()
    try:
        time = clock.within(old, second) if old else clock.within(new, fraction, zone)
    except (ValueError, OverflowError):
        return None
    for known in (_PROGRAMS, _HOSTS):
        if len(known) >= _REMEMBERED:
            known.clear()
    if len(program) + len(pid) + len(host) <= _SHORT:
        _PROGRAMS[f"{program}[{pid}]:"] = (program, pid)
        _HOSTS[host] = None
    return Entry(time, host, program, pid, message)


def parse_carefully(line: str, clock: Clock) -> Entry | None:
    """The entry in a line of any shape."""
    if line.startswith("{"):
        return _json(line, clock)
    text = unwrapped(line)
    if text.startswith("<"):
        found = _STRUCTURED.fullmatch(text)
        if found is not None:
            return _structured(found, clock)
        priority = _PRIORITY.match(text)
        text = text if priority is None else text[priority.end() :]
    return _framed(text, clock) or _stamped_twice(text, clock)


def unwrapped(line: str) -> str:
    """Without colour codes and the prefix of a container."""
    text = _COLOUR.sub("", line) if "\x1b" in line else line
    container = _CONTAINER.match(text)
    return text if container is None else text[container.end() :]


def _framed(text: str, clock: Clock) -> Entry | None:
    found = _FRAME.fullmatch(text)
    if found is None:
        bare = _BARE.fullmatch(text)
        return None if bare is None else Entry(None, "", bare["program"], bare["pid"], bare["message"])
    try:
        time = clock.syslog(found["old"]) if found["old"] else clock.iso(found["iso"])
    except (ValueError, OverflowError):
        return None
    return Entry(time, found["host"] or "", found["program"], found["pid"] or "", found["message"])


def _stamped_twice(text: str, clock: Clock) -> Entry | None:
    """A stamp of the container's own before the frame (`docker logs -t`): it has a year and a zone, so it counts."""
    found = _STAMPED_TWICE.match(text)
    entry = None if found is None else _framed(text[found.end() :], clock)
    if found is None or entry is None:
        return None
    try:
        return entry._replace(time=clock.iso(found["iso"]))
    except (ValueError, OverflowError):
        return entry


def _structured(found: re.Match[str], clock: Clock) -> Entry | None:
    """RFC 5424, in which `-` stands for what is not told."""
    try:
        time = clock.iso(found["iso"])
    except (ValueError, OverflowError):
        return None
    host, program, pid = ("" if found[name] == "-" else found[name] for name in ("host", "program", "pid"))
    return Entry(time, host, program, pid, found["message"] or "")


def _json(line: str, clock: Clock) -> Entry | None:
    """A line of `journalctl -o json`, or of a JSON file of docker, which wraps a line of another shape."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    inner, stamp = found.get("log"), found.get("time")
    if not isinstance(inner, str) or not isinstance(stamp, str):
        return _journal(found)
    inner = inner.rstrip("\r\n")
    entry = None if inner.startswith("{") else parse(inner, clock)
    try:
        return None if entry is None else entry._replace(time=clock.iso(stamp))
    except (ValueError, OverflowError):
        return entry


def _journal(found: dict[str, Any]) -> Entry | None:
    """An entry of the journal: the time in microseconds, a message that is not UTF-8 as its octets."""
    try:
        time = int(found["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    if not 0 <= time <= _LATEST:
        return None
    program = _text(found.get("SYSLOG_IDENTIFIER")) or _text(found.get("_COMM"))
    pid = _text(found.get("SYSLOG_PID")) or _text(found.get("_PID"))
    return Entry(time, _text(found.get("_HOSTNAME")), program, pid, _text(found.get("MESSAGE")))


def _text(value: Any) -> str:
    """A field of the journal; the first of several of the same name. "" where there is none, or it was too long."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], str | list):
        return _text(value[0]) if isinstance(value[0], str) else _octets(value[0])
    return _octets(value) if isinstance(value, list) else ""


def _octets(value: list[Any]) -> str:
    if all(type(one) is int and 0 <= one < 256 for one in value):
        return decoded(bytes(value))
    return ""
