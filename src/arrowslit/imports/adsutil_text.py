"""What `adsutil.vbs enum smtpsvc/1` prints: `name : (TYPE) value`, a list as lines set in below its name.

Octets are written `0x18 0x00 ...`. The text names what is set, and what it does not name is not known from it. The
virtual server is told by a line of the command or of a path (`smtpsvc/2`), else it is the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from arrowslit.imports.imported import Origin, Source
from arrowslit.imports.smtp_values import Property, Service, Value, fit_lines

_LINE: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{0,80}) {0,80}: {0,8}\(([A-Za-z]{1,20})\) ?")
_SERVER: Final = re.compile(r"smtpsvc/([0-9]{1,5})(?![0-9])", re.IGNORECASE)


def is_adsutil(text: str) -> int:
    """How sure it is."""
    beginning = text[:200_000]
    typed = any(_LINE.match(line) for line in beginning.splitlines()[:200])
    smtp = any(name in beginning for name in ("RelayIpList", "RelayForAuth", "IIsSmtpServer"))
    return 85 if typed and smtp else 0


@dataclass(slots=True)
class _Raw:
    """One property as it stands: its name as written, its type, its line, and what belongs to it."""

    name: str
    type_: str
    line: int
    texts: list[str]


def read_adsutil(source: Source) -> list[Service]:
    """The virtual servers. Raises ImportFailedError where the text is too long or cut."""
    services: dict[str, Service] = {}
    for number, raws in _by_server(fit_lines(source.text, source.name)).items():
        origin = Origin(source.name, next(iter(raws.values())).line)
        service = services.setdefault(number, Service("default" if number == "1" else f"smtp-{number}", origin))
        for name, raw in raws.items():
            service.properties[name] = Property(_value(raw), Origin(source.name, raw.line, raw.name))
    return list(services.values())


def _by_server(lines: Iterable[str]) -> dict[str, dict[str, _Raw]]:
    """The properties by the number of their virtual server; of one that comes twice the last counts."""
    found: dict[str, dict[str, _Raw]] = {}
    server, raw = "1", None
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if match is not None:
            raw = _Raw(match[1], match[2].upper(), number, [line[match.end() :].strip()])
            found.setdefault(server, {})[match[1].lower()] = raw
        elif line[:1] in {" ", "\t"}:
            if raw is not None and line.strip():
                raw.texts.append(line.strip())
        else:
            path = _SERVER.search(line[:300])
            server, raw = (server, raw) if path is None else (path[1], None)
    return found


def _value(raw: _Raw) -> Value:
    if raw.type_ == "LIST":
        return tuple(text.strip('"') for text in raw.texts[1:])
    if raw.type_ == "BINARY":
        text = " ".join(raw.texts)
        return bytes(int(part[2:], 16) for part in text.split()) if _all_octets(text) else text
    text = raw.texts[0]
    if raw.type_ == "STRING" and not (len(text) > 1 and text[0] == text[-1] == '"'):
        return None
    return text.strip('"')


def _all_octets(text: str) -> bool:
    return all(len(part) <= 4 and part[:2].lower() == "0x" and _is_hex(part[2:]) for part in text.split())


def _is_hex(digits: str) -> bool:
    return 0 < len(digits) <= 2 and all(sign in "0123456789abcdefABCDEF" for sign in digits)
