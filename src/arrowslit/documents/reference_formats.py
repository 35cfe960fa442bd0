"""The reference pages of what can be read: logs of the past, and settings to import. From the registers' own words."""

from __future__ import annotations

from arrowslit.imports.register import kinds
from arrowslit.traffic.formats.register import formats, programs

Rows = list[tuple[str, ...]]
Page = tuple[str, str, tuple[str, ...], Rows]
"""Title, introduction, head of the table, its rows."""


def logs() -> list[Page]:
    """The formats of logs."""
    intro = (
        "What `arrowslit policy rehearse` and `arrowslit inventory` can read. The format of a file is found by its "
        "lines, never by its name; `--format NAME` says it where that fails. Files may be packed with gzip, bzip2, xz "
        "or Zstandard, in UTF-8, UTF-16 or Windows-1252, with either kind of line end.\n\nWhat a log leaves out is not "
        "known, and never guessed: a rehearsal then says that it can't be told, and for want of which fact. No mail "
        "log shows whom a firewall dropped before."
    )
    rows: Rows = [(f"`{one.name}`", one.title, one.leaves_out) for one in formats()]
    within = (
        "Programs that are read in files of the format `syslog`: RFC 3164, RFC 5424 and RFC 3339 stamps, with or "
        "without a server's name or a priority, `journalctl -o json`, and what docker puts in front. Lines of other "
        "programs are passed over."
    )
    more: Rows = [(f"`{one.name}`", one.title, one.leaves_out) for one in programs()]
    head = ("name", "what it is", "what it leaves out")
    return [("Logs of the past", intro, head, rows), ("In files of syslog", within, ("program", *head[1:]), more)]


def imports() -> Page:
    """The kinds of settings."""
    intro = (
        "What `arrowslit policy import` can read. The kind of a file is found by its text; `--from NAME` says it where "
        "that fails. Give all files that belong together at once: tables that a main file names, domains beside "
        "connectors. What can't be carried over is named with file and line on stderr and at the top of the policy, "
        "and the exit code is 1."
    )
    rows: Rows = [(f"`{one.name}`", one.title) for one in kinds()]
    return ("Settings to import", intro, ("name", "what it is"), rows)
