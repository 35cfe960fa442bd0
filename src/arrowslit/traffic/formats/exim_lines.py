"""The lines of Exim's mainlog, taken apart: who came (`H=`), what arrived (`<=`), what was refused, what was delivered.

`H=name (HELO name) [address]:port I=[own address]:port` comes first. Exim takes only letters, digits and `.-:_` in a
HELO name, unless `helo_accept_junk_hosts` lets everything in: then a HELO name can look like the end of a client and
the rest of a line. So every place that could be the client's address is tried, and where not just one of them makes a
whole line, none is taken. In a refusal Exim's own text stands last, which no client can put `rejected` into.

Terms: a *place* is an address in square brackets that may be the client's. Source: the log of Exim 4.96 and its
specification, "Log files".
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from arrowslit.traffic.formats.written import ADDRESS, ITEM, QUOTED, path, paths_in, unquoted

STAMP: Final = re.compile(
    r"(?P<stamp>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?: [+-][0-9]{4})?) "
    r"(?:\[(?P<pid>[0-9]+)\] )?"
)
MESSAGE_ID: Final = re.compile(
    r"(?P<id>[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}))(?: |$)"
)
_PLACE: Final = re.compile(rf"(?<=[ =]){ADDRESS}(?::[0-9]+)?(?= )")
_PLACES: Final = 20
_END_POINTS: Final = (
    rf"{ADDRESS}(?::[0-9]+)?(?: DS)?(?: I=\[[^\]\s]*\](?::(?P<listener>[0-9]+))?)?(?: PRX=[^\s\[]*)?(?: U=[^\s\[\])]+)?"
)
_TLS: Final = r"(?P<cipher> X=[^\s)]+)?(?: CV=[^\s)]+)?(?: DN=\"[^\"]*\")?(?: SNI=[^\s)]+)?"
_SIGNED_IN: Final = r"(?P<auth> A=[^\s:)]+(?::(?P<user>\S+))?)?"
_REFUSED: Final = re.compile(
    rf"{_END_POINTS}{_TLS}(?P<known> F={path('reverse')}{_SIGNED_IN})?"
    rf" (?P<now>temporarily )?rejected (?P<what>.*)",
    re.DOTALL,
)
_GIVEN_UP: Final = re.compile(
    rf"{_END_POINTS}{_TLS}{_SIGNED_IN} incomplete transaction \([A-Za-z ]+\) from {path('reverse')}"
    r"(?: for (?P<to>.*))?",
    re.DOTALL,
)
_ARRIVED: Final = re.compile(rf"{_END_POINTS} P=(?P<protocol>[A-Za-z0-9-]+)(?P<more>(?: .*)?)", re.DOTALL)
_CLIENT: Final = re.compile(r"H=(?:(?P<name>[^\s()\[\]]+) )?(?:\((?P<helo>.*)\) )?", re.DOTALL)
_REVERSE: Final = re.compile(rf"<= (?:<>|(?P<reverse>{ITEM}++)) (?=H=)")
_SIZE: Final = re.compile(r" S=(?P<size>[0-9]+)(?= |$)")
_AUTH: Final = re.compile(r" A=[^\s:)]+(?::(?P<user>\S+))?(?= )")
_RCPT: Final = re.compile(rf"(?P<stage>RCPT|MAIL) (?:{path('path')})?(?P<text>.*)", re.DOTALL)
_DELIVERED: Final = re.compile(r'(?P<outer>[^\s<>"]+)(?: <(?P<path>[^\s<>"]*)>)?(?=[: ]|$)')
_PIPED: Final = re.compile(r' <(?P<path>[^\s<>"]+)>(?=[: ]|$)')
_IN_QUOTES: Final = re.compile(rf" <(?P<path>{QUOTED}{ITEM}*+)>(?=[: ]|$)")


class Client(NamedTuple):
    """Who came. All is None where it can't be told which text is the client's; `helo` None where it isn't shown."""

    address: str | None = None
    name: str | None = None
    helo: str | None = None
    listener: str | None = None


class Refused(NamedTuple):
    """A refusal. `tls` is true or None; `user` is "" where the line shows that nobody signed in."""

    client: Client
    what: str
    """From the command on, as it is written."""
    reverse: str | None = None
    tls: bool | None = None
    user: str | None = None


class GivenUp(NamedTuple):
    """A transaction that came to no message, with the recipients that were accepted."""

    client: Client
    reverse: str
    to: list[str] | None


class Arrived(NamedTuple):
    """A message that was taken. `to` is None where the line has no recipients."""

    client: Client
    reverse: str | None
    protocol: str
    user: str | None
    size: int | None
    to: list[str] | None


def refused(text: str) -> Refused | None:
    """A line with `H=` first that refuses something; None where it is none."""
    found = [one for one in _places(text, _REFUSED) if " rejected " not in _own_text(one[1]["what"])]
    if not found:
        return None
    client, parts = _only(found)
    if parts is None:
        return Refused(Client(), found[-1][1]["what"])
    user = None if parts["known"] is None else "" if parts["auth"] is None else parts["user"]
    return Refused(client, parts["what"], parts["reverse"], True if parts["cipher"] else None, user)


def _own_text(what: str) -> str:
    """What Exim says of it, behind what the client wrote."""
    found = _RCPT.fullmatch(what)
    return what if found is None or found["path"] is None else found["text"]


def given_up(text: str) -> GivenUp | None:
    """A line with `H=` first of a transaction that came to nothing; None where it is none."""
    found = _places(text, _GIVEN_UP)
    client, parts = _only(found)
    if parts is None:
        return None
    return GivenUp(client, parts["reverse"], paths_in(parts["to"] or ""))


def arrived(text: str) -> Arrived | None:
    """A line with `<=` first of a message that a client brought; None where it is none."""
    head = _REVERSE.match(text)
    if head is None:
        return None
    rest = text[head.end() :]
    found = _places(rest, _ARRIVED)
    if not found:
        return None
    client, parts = _only(found)
    to = _for(rest)
    reverse = head["reverse"] or ""
    if parts is None:
        return Arrived(Client(), reverse, "", None, None, to)
    more = parts["more"]
    size = _SIZE.search(more)
    user: str | None = ""
    if parts["protocol"].endswith("a") or parts["protocol"].startswith("a"):
        signed = _AUTH.findall(more[: size.start() + 1] if size else more)
        user = signed[0] or None if len(signed) == 1 else None
    return Arrived(client, reverse, parts["protocol"], user, int(size["size"]) if size else None, to)


def stage_and_path(what: str) -> tuple[str, str | None]:
    """What was refused: "RCPT", "MAIL" or "", and the path; None where there is none that can be read."""
    found = _RCPT.fullmatch(what)
    return ("", None) if found is None else (found["stage"], found["path"])


def delivered_to(text: str) -> str | None:
    """The recipient as the envelope had it, in a line of a delivery without its mark; None where it can't be told."""
    if ' <"' in text:
        return _quoted_recipient(text)
    found = _PIPED.search(text) if text[:1] in {"|", "/", ">"} else _DELIVERED.match(text)
    if found is None:
        return None
    to = found["path"]
    if to is None:
        to = found["outer"].rstrip(":")
    return to if "@" in to else None


def _quoted_recipient(text: str) -> str | None:
    """A quoted local part stands unquoted first: only a path that says the same as what stands before it is one."""
    found = []
    for one in _IN_QUOTES.finditer(text):
        outer, whole = text[: one.start()].lower(), unquoted(one["path"]).lower()
        if outer in {whole, whole.rpartition("@")[0]}:
            found.append(one["path"])
    return found[0] if len(found) == 1 else None


def _places(text: str, pattern: re.Pattern[str]) -> list[tuple[Client, re.Match[str]]]:
    """Every way to read `text`, which begins with `H=`, as a client and what `pattern` has after it."""
    found: list[tuple[Client, re.Match[str]]] = []
    for number, place in enumerate(_PLACE.finditer(text)):
        if number == _PLACES:
            break
        before = _CLIENT.fullmatch(text, 0, place.start())
        after = None if before is None else pattern.fullmatch(text, place.start())
        if before is not None and after is not None:
            found.append((Client(after["address"], before["name"], before["helo"], after["listener"]), after))
    return found


def _only(found: list[tuple[Client, re.Match[str]]]) -> tuple[Client, re.Match[str] | None]:
    return found[0] if len(found) == 1 else (Client(), None)


def _for(text: str) -> list[str] | None:
    """The recipients at the end of an arrival: behind the last ` for ` that has nothing but paths after it."""
    end = len(text)
    for _ in range(8):
        at = text.rfind(" for ", 0, end)
        if at < 0:
            return None
        found = paths_in(text[at + 5 :])
        if found is not None:
            return found
        end = at + 4
    return None
