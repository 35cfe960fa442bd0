"""One line of Haraka's log, in any of its shapes, as a record: plain, logfmt or JSON.

    [NOTICE] [UUID.1] [core] recipient <b@example.org> code=OK msg="" sender=a@example.net
    level=NOTICE uuid=UUID.1 origin=core message="recipient <b@example.org>" code=OK msg="" sender=a@example.net
    {"level":"NOTICE","uuid":"UUID.1","origin":"core","message":"recipient <b@example.org>","code":"OK", ...}

Each may have a stamp in UTC in front, and colour codes around it. Strangers write addresses, HELO names and their PTR
names. Haraka 3.1 escapes quotes in values and older ones do not; so pairs are read from the left only as long as one
follows the other, and an address that itself looks like what follows it is not told.

Source: real lines of Haraka 3.3; `stringify` in its logger.js.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_STAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})) "
)
_PLAIN: Final = re.compile(
    r"\[(?:DATA|PROTOCOL|DEBUG|INFO|NOTICE|WARN|ERROR|CRIT|ALERT|EMERG)\] "
    r"\[([^\]\s]{1,100})\] \[([^\]\s]{1,100})\] ?(.*)",
    re.DOTALL,
)
_PAIR: Final = re.compile(r'([A-Za-z_]{1,40})=("(?:[^"\\]|\\.)*"(?= |$)|\S*)(?: |$)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ADDRESSED: Final = re.compile(r"((?:sender|recipient) <.*>) (code=.*)", re.DOTALL)
_PAIRED: Final = ("connect ip=", "disconnect ip=", "message mid=")
_PAIRS: Final = 60
_ONCE: Final = ("rcpts", "relay", "tls", "helo", "rdns", "retval")
"""Where a line has them twice, a stranger has written one of them."""


def without_stamp(line: str) -> str:
    """`line` without colour codes and stamp."""
    text = _COLOUR.sub("", line) if "\x1b" in line else line
    stamp = _STAMP.match(text)
    return text if stamp is None else text[stamp.end() :]


class Record(NamedTuple):
    """One line. `stamp` is "" where it bears none; `fields` has what follows the message, the first of a name."""

    stamp: str
    uuid: str
    origin: str
    message: str
    fields: dict[str, str]


def record_of(line: str) -> Record | None:
    """The record in `line`; None where it has none of the shapes."""
    text = _COLOUR.sub("", line) if "\x1b" in line else line
    stamp = _STAMP.match(text)
    body = text if stamp is None else text[stamp.end() :]
    found = _json(body) if body.startswith("{") else _logfmt(body) if body.startswith("level=") else _plain(body)
    return found if found is None or stamp is None else found._replace(stamp=stamp[1])


def _plain(body: str) -> Record | None:
    found = _PLAIN.fullmatch(body)
    if found is None:
        return None
    message, fields = found[3], ""
    addressed = _ADDRESSED.fullmatch(message)
    if addressed is not None:
        message, fields = (addressed[1], addressed[2]) if message.count("> code=") == 1 else (message, "")
    elif message.startswith(_PAIRED):
        message, _, fields = message.partition(" ")
    elif message.lstrip(" ").startswith("hook="):
        message, fields = "", message.lstrip(" ") if message.count(" retval=") == 1 else ""
    return Record("", found[1], found[2], message, _pairs(fields))


def _logfmt(body: str) -> Record | None:
    fields = _pairs(body)
    if "uuid" not in fields or "message" not in fields:
        return None
    return _record(fields)


def _json(body: str) -> Record | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("uuid"), str) or "message" not in found:
        return None
    return _record({name: _text(value) for name, value in found.items()})


def _record(fields: dict[str, str]) -> Record:
    origin = fields.get("origin", fields.get("source", ""))
    return Record("", fields["uuid"], origin, fields["message"], fields)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        # An address, of which `original` is what the client wrote.
        value = value.get("original")
    if isinstance(value, str):
        return value
    return str(value) if type(value) in {int, float} else ""


def _pairs(text: str) -> dict[str, str]:
    """`name=value` and `name="value"`, one after the other from the beginning."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(text) and len(fields) < _PAIRS:
        found = _PAIR.match(text, at)
        if found is None:
            break
        fields.setdefault(found[1], _value(found[2]))
        at = found.end()
    for name in _ONCE:
        if text.count(f" {name}=") > 1:
            fields.pop(name, None)
    return fields


def _value(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(lambda escaped: {"n": "\n", "r": "\r"}.get(escaped[1], escaped[1]), text[1:-1])
    return text
