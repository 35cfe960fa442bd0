"""What is sent about alarms, in the three forms: a mail (RFC 5322), JSON for a webhook, lines for syslog.

All of it is ASCII; what a next hop or a client chose of a text stands there escaped, in one line, and cannot be taken
for a header field, a second line or a command of a screen. RFC 3834 (Auto-Submitted), RFC 3164, RFC 5424.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any, Final

from arrowslit.gateway.alarms import Notice
from arrowslit.mail.mailbox import Mailbox

_MAIL: Final = 2 << 3
_ERROR, _NOTICE = _MAIL | 3, _MAIL | 5
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SUBJECT: Final = 150
_SYSLOG_LINE: Final = 900
_APART: Final = "\n\n"


def one_line(notice: Notice) -> str:
    """The notice in one line of ASCII."""
    about = f" [{notice.subject}]" if notice.subject else ""
    times = f" ({notice.count} times since {_time(notice.first)})" if notice.count > 1 else ""
    return ascii_only(f"{'over' if notice.over else 'alarm'} {notice.name}{about}: {notice.text}{times}")


def ascii_only(text: str) -> str:
    """The text with everything but ASCII escaped."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def as_json(notices: Sequence[Notice], node: str, now: float) -> bytes:
    """One object: node, time (Unix seconds), and the alarms as `arrowslit status --json` names their members."""
    found: dict[str, Any] = {"node": node, "time": now, "alarms": [asdict(notice) for notice in notices]}
    return json.dumps(found).encode("ascii")


def as_mail(notices: Sequence[Notice], node: str, recipients: Sequence[Mailbox], now: float) -> bytes:
    """The message, lines ended by CR LF. It names no reverse-path; the envelope has the null one."""
    made = EmailMessage(policy=SMTP)
    made["From"] = f"Arrowslit <postmaster@{node}>"
    made["To"] = ", ".join(one.text for one in recipients if one.text.isascii()) or "undisclosed-recipients:;"
    made["Subject"] = _subject(notices, node)
    made["Date"] = format_datetime(datetime.datetime.fromtimestamp(now, datetime.UTC))
    made["Message-ID"] = make_msgid(domain=node)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(_APART.join(_paragraph(notice) for notice in notices) + "\n", charset="us-ascii", cte="7bit")
    return made.as_bytes()


def _subject(notices: Sequence[Notice], node: str) -> str:
    first = notices[0]
    more = f" and {len(notices) - 1} more" if len(notices) > 1 else ""
    word = "over: " if first.over else ""
    about = f" {first.subject}" if first.subject else ""
    return ascii_only(f"[{node}] {word}{first.name}{about}"[:_SUBJECT] + more)


def _paragraph(notice: Notice) -> str:
    when = f"since {_time(notice.first)}" if notice.first != notice.last else f"at {_time(notice.first)}"
    times = f", {notice.count} times, last at {_time(notice.last)}" if notice.count > 1 else ""
    lines = [
        f"{'OVER' if notice.over else 'ALARM'}: {notice.name}",
        *([f"  about: {notice.subject}"] if notice.subject else []),
        f"  {notice.text}",
        f"  {when}{times}",
    ]
    return "\n".join(_wrapped(ascii_only(line)) for line in lines)


def _wrapped(line: str) -> str:
    """No line over 998 octets (RFC 5322 2.1.1); escaping can make a text ten times as long."""
    return "\n    ".join(line[at : at + 900] for at in range(0, len(line), 900))


def syslog_lines(notices: Sequence[Notice], node: str, now: float, *, remote: bool) -> list[bytes]:
    """A datagram for each: RFC 5424 for a log server, RFC 3164 without the host name for the machine's own socket."""
    head = _remote_head if remote else _local_head
    return [
        f"<{_NOTICE if notice.over else _ERROR}>{head(node, now)} {one_line(notice)[:_SYSLOG_LINE]}".encode("ascii")
        for notice in notices
    ]


def _remote_head(node: str, now: float) -> str:
    at = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="milliseconds")
    return f"1 {at.replace('+00:00', 'Z')} {node} arrowslit {os.getpid()} alarm -"


def _local_head(_node: str, now: float) -> str:
    at = time.localtime(now)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_MONTHS[at.tm_mon - 1]} {at.tm_mday:2} {clock} arrowslit[{os.getpid()}]:"


def _time(unix: float) -> str:
    return datetime.datetime.fromtimestamp(unix, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
