"""One line of the log of Windows' SMTP service, in the three forms that it can be set to write.

Terms: a *W3C* log names its columns in `#Fields` lines, and is in UTC; *NCSA* has a zone in each stamp; the *IIS* form
has neither columns nor zone, and the date as month/day/year. In W3C and NCSA a blank is written as `+`, and so is a
plus: what stands between angle brackets has no blanks, so there a plus is a plus.

Trust: the name from HELO and what follows a verb are a stranger's words. They hold no blank (W3C, NCSA); a name with a
comma makes a line of the IIS form unreadable, rather than readable as something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from arrowslit.traffic.formats.smtp_text import path_in
from arrowslit.traffic.stamps import MONTHS, Clock

OUTGOING: Final = ("outboundconnectioncommand", "outboundconnectionresponse")
VERBS: Final = frozenset(
    ("HELO", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "AUTH", "STARTTLS", "NOOP", "VRFY", "ETRN", "HELP")
)
_STRANGE: Final = frozenset(("XXXX", "TURN", "TIMEOUT", "XEXCH50", "X-EXPS", "X-LINK2STATE", "-"))
_NCSA: Final = re.compile(
    r"(?P<client>[^\s,]+) \S+ (?P<name>\S+) \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):"
    r"(?P<time>\d\d:\d\d:\d\d) (?P<zone>[+-]\d{4})\] "
    r'"(?P<verb>\S+) -(?:\?(?P<rest>\S*))? SMTP" (?P<status>\d{1,3}|-) (?P<octets>\d+|-)'
)
_IIS: Final = re.compile(
    r"(?P<client>[^\s,]+), (?P<name>[^,]*), (?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{2,4}), "
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d), (?P<site>SMTPSVC\d+), [^,]*, [^,]*, \d+, \d+, "
    r"(?P<octets>\d+), (?P<status>\d{1,3}), \d+, (?P<verb>[^,]*), [^,]*, (?P<rest>.*?),?",
    re.DOTALL,
)


class Line(NamedTuple):
    """One command and the number of its reply. `octets` is the length of that reply; None where it isn't told."""

    time: float
    client: str
    name: str
    """From HELO; "-" where there was none yet."""
    site: str | None
    verb: str
    """In capitals, without FROM or TO."""
    rest: str
    """What follows the verb as the log has it."""
    status: int
    octets: int | None


def is_smtp(verb: str) -> bool:
    """Whether the service for SMTP logs such a method."""
    return verb.upper() in VERBS or verb.upper() in _STRANGE


def ncsa(text: str, clock: Clock) -> Line | None:
    """A line in NCSA form; None where it is none. Raises ValueError where its time is none."""
    found = _NCSA.fullmatch(text)
    if found is None:
        return None
    month = MONTHS.get(found["month"], 0)
    time = clock.iso(f"{found['year']}-{month:02}-{found['day']}T{found['time']}{found['zone']}")
    verb, octets = found["verb"].upper(), found["octets"]
    return Line(
        time, found["client"], found["name"], None, verb, found["rest"] or "", _number(found["status"]), _octets(octets)
    )


def iis(text: str, clock: Clock) -> Line | None:
    """A line in IIS form; None where it is none. Raises ValueError where its time is none."""
    found = _IIS.fullmatch(text)
    if found is None or text.count(", SMTPSVC") > 1:
        return None
    year = int(found["year"])
    parts = (int(found[name]) for name in ("month", "day", "hour", "minute", "second"))
    time = clock.parts(year + 2000 if year < 100 else year, *parts)
    verb = found["verb"].partition(" ")[0].upper()
    octets = _octets(found["octets"]) or None
    return Line(time, found["client"], found["name"], found["site"], verb, found["rest"], int(found["status"]), octets)


def w3c(values: Sequence[str], at: dict[str, int], clock: Clock) -> Line:
    """A line in W3C form, split; `at` says where the columns stand. Raises ValueError where its time is none, and
    KeyError where a column is missing that has to be there.
    """
    time = clock.iso(f"{values[at['date']]} {values[at['time']]}")

    def value(column: str) -> str | None:
        return values[at[column]] if column in at else None

    return Line(
        time,
        values[at["c-ip"]],
        value("cs-username") or "-",
        value("s-sitename"),
        values[at["cs-method"]].upper(),
        value("cs-uri-query") or "",
        _number(values[at["sc-status"]]),
        _octets(value("sc-bytes")),
    )


def path_of(rest: str) -> tuple[str | None, bool]:
    """The path in what follows MAIL or RCPT, and whether there is one. A path without brackets can't be told from
    what a plus stands for.
    """
    text = rest.lstrip("+ ")
    if text[:5].casefold() == "from:":
        text = text[5:]
    elif text[:3].casefold() == "to:":
        text = text[3:]
    else:
        return None, False
    text = text.lstrip("+ ")
    start, close, parameters = text.partition(">")
    if not close:
        return None, False
    # A quoted local part may hold the bracket: then the part behind it is no parameter.
    if parameters and parameters[0] not in "+ ":
        return None, False
    path, _ = path_in(start + close)
    return path, path is not None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def _octets(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 12 else None
