"""All formats by name, and how the format of a file is found: by its first lines, never by its name.

The readers of programs that log through syslog are one format together (`syslog`), since their lines stand in one
file. A module is loaded when it is asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from arrowslit.traffic.formats.syslog_reader import SyslogReader
from arrowslit.traffic.reader import Format, Reader
from arrowslit.traffic.stamps import Clock
from arrowslit.traffic.syslog import parse

MODULES: Final[dict[str, str]] = {
    "own": "own:OWN",
    "exchange-receive": "exchange_receive:EXCHANGE_RECEIVE",
    "haproxy": "haproxy:HAPROXY",
    "haraka": "haraka:HARAKA",
    "hmailserver": "hmailserver:HMAILSERVER",
    "proofpoint": "proofpoint:PROOFPOINT",
    "mimecast": "mimecast:MIMECAST",
    "exchange-tracking": "exchange_tracking:EXCHANGE_TRACKING",
    "exchange-2003-tracking": "exchange_2003_tracking:EXCHANGE_2003_TRACKING",
    "iis-smtp": "iis:IIS_SMTP",
    "exchange-online": "exchange_online:EXCHANGE_ONLINE",
    "exim": "exim:EXIM",
    "opensmtpd": "opensmtpd:OPENSMTPD",
}
"""Name -> module in this package and the name of the `Format` there."""

SYSLOG_MODULES: Final[dict[str, str]] = {
    "postfix": "postfix:PostfixReader",
    "haproxy": "haproxy:HAProxyReader",
    "kernel": "kernel:KernelReader",
    "haraka": "haraka:HarakaEntryReader",
    "exim": "exim:EximReader",
    "opensmtpd": "opensmtpd:OpenSMTPDReader",
    "sendmail": "sendmail:SendmailReader",
}
"""Program -> module in this package and the name of its `EntryReader`."""


_PROGRAMS: Final[dict[str, tuple[str, str]]] = {
    "postfix": ("Postfix 2.3 and later", "the HELO name of accepted mail; why a client has no name"),
    "haproxy": ("HAProxy, `option tcplog`", "everything but address, time and outcome of a connection"),
    "kernel": ("firewall lines of nftables and iptables", "everything but address, time and, where it is, the action"),
    "exim": (
        "Exim",
        "recipients that were let in whose deliveries it has not, unless `+received_recipients` is on",
    ),
    "opensmtpd": ("OpenSMTPD", "HELO names; why a recipient was refused; the reverse-path of refused recipients"),
    "sendmail": ("Sendmail", "HELO names; often who signed in"),
    "haraka": ("Haraka", "times, often; the outcome of each recipient; why a client has no name"),
}
"""Program -> what it is, and what its log leaves out."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program whose lines are read in files of syslog, for lists."""

    name: str
    title: str
    leaves_out: str


def programs() -> list[Program]:
    """All of them."""
    return [Program(name, *_PROGRAMS[name]) for name in SYSLOG_MODULES]


def _syslog_reader() -> Reader:
    return SyslogReader([_load(where)() for where in SYSLOG_MODULES.values()])


def _in_syslog(lines: Sequence[str]) -> int:
    """How many lines are of a program that somebody here reads."""
    clock = Clock(4e9, datetime.UTC)
    patterns = [_load(where).programs for where in SYSLOG_MODULES.values()]
    entries = [entry for line in lines if (entry := parse(line, clock)) is not None]
    return sum(any(pattern.fullmatch(entry.program) for pattern in patterns) for entry in entries)


SYSLOG: Final = Format(
    "syslog",
    "files of syslog, and `journalctl -o json`",
    _in_syslog,
    _syslog_reader,
    "depends on the program, see below",
)


def formats() -> list[Format]:
    """All of them, syslog last."""
    return [*(_load(where) for where in MODULES.values()), SYSLOG]


def names() -> list[str]:
    """What `--format` takes."""
    return [*MODULES, SYSLOG.name]


def format_of(name: str) -> Format:
    """The format of that name. Raises KeyError."""
    found: Format = SYSLOG if name == SYSLOG.name else _load(MODULES[name])
    return found


def recognised(lines: Sequence[str]) -> Format | None:
    """The format of which most of `lines` are; None where no line is of any."""
    counts = [(one.recognise(lines), one) for one in formats()]
    best = max(counts, key=lambda counted: counted[0], default=(0, None))
    return best[1] if best[0] > 0 else None


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(import_module(f"arrowslit.traffic.formats.{module}"), attribute)
