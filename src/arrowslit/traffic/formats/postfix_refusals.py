"""Refusals of Postfix's smtpd, postscreen and milters, one a line: whose, of what, and whether for access.

Strangers write the addresses and the HELO name in it. The fields at the end are read by their grammar, up to the end of
the line; where they could begin at more than one place, none is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from arrowslit.traffic.attempt import REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.formats.postfix_parts import Session, known_name
from arrowslit.traffic.formats.written import path

REJECT: Final = re.compile(
    r"(?:(?P<what>milter-reject|reject|warn|hold|discard|filter|redirect|bcc|prepend|reject_warning)): "
    r"(?P<stage>CONNECT|EHLO|HELO|MAIL|RCPT|DATA|BDAT|VRFY|ETRN|END-OF-MESSAGE|XFORWARD|STARTTLS|UNKNOWN|\S+) "
    r"from (?:(?P<name>[^\s\[\]]+)?\[(?P<address>[^\]]+)\](?::(?P<port>\d+))?): (?P<rest>.*)",
    re.DOTALL,
)
# Postfix's own words, and those of our own log in its shape.
_ACCESS: Final = re.compile(
    r"relay access denied|access denied|not permitted to relay|relaying denied|must issue (?:a )?starttls"
    r"|encryption is required|authentication required|client certificate|not logged in"
    r"|may not (?:deliver|relay|use )|does not belong to the account",
    re.IGNORECASE,
)
_FIELDS: Final = re.compile(
    rf"; (?:from={path('reverse')},? )?(?:to={path('to')},? )?proto=[A-Za-z]+(?:,? helo=<(?P<helo>[^\s\"<>]*)>)?"
    r"(?:,? sasl_[a-z]+=\S*)*"
)
_PLACES: Final = 20


def refusal(
    found: re.Match[str],
    time: float,
    queue_id: str,
    session_id: str,
    service: str,
    session: Session | None,
    *,
    access: bool = False,
) -> Attempt:
    """One refusal of smtpd, postscreen or a milter."""
    answer, fields = _parted(found["rest"])
    for_access = access or (found["what"] == "reject" and _ACCESS.search(answer.rpartition(">: ")[2]) is not None)
    user = None if session is None else session.user
    return Attempt(
        time,
        found["address"],
        REFUSED if for_access else REFUSED_OTHERWISE,
        queue_id or session_id,
        not queue_id,
        service=service,
        client_name=known_name(found["name"]),
        reverse_name=known_name(found["name"]),
        helo_name=_as_said(fields.get("helo")),
        tls=None if session is None else session.tls,
        authenticated_as=user,
        reverse_path=fields.get("reverse"),
        forward_path=fields.get("to"),
        reply=answer[:REPLY],
    )


def _as_said(name: str | None) -> str | None:
    """Postfix writes `?` for what can't be in a name: then it is not told what was said."""
    return None if name is None or "?" in name else name


def _parted(rest: str) -> tuple[str, dict[str, str | None]]:
    """The answer, and the fields behind it. Where more than one place could be where they begin, there are none."""
    found = [one for at in _starts(rest) if (one := _FIELDS.fullmatch(rest, at)) is not None]
    return (rest[: found[0].start()], found[0].groupdict()) if len(found) == 1 else (rest, {})


def _starts(rest: str) -> Iterator[int]:
    at = rest.find("; ")
    for _ in range(_PLACES):
        if at < 0:
            return
        yield at
        at = rest.find("; ", at + 2)
