"""How findings are printed: place, excerpt with a caret, example, remedy (`console.md`, D).

The excerpt itself is made by `documents.excerpt`. Errors first, then warnings, each in the order of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from arrowslit.cli.output import Output, Style, escaped, escaped_lines, painted
from arrowslit.documents.excerpt import excerpt
from arrowslit.documents.files import Placed
from arrowslit.policy.finding import Severity

_STYLES = {Severity.ERROR: Style.BAD, Severity.WARNING: Style.CAUTION, Severity.INFO: Style.STRONG}
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def in_order(findings: Sequence[Placed]) -> list[Placed]:
    """Errors, warnings, infos; each as they stand in their file."""
    return sorted(findings, key=_order)


def _order(placed: Placed) -> tuple[int, int, int]:
    mark = placed.finding.mark
    line, column = (mark.span.line, mark.span.column) if mark is not None else (0, 0)
    return _RANK[placed.finding.severity], line, column


def print_findings(findings: Sequence[Placed], output: Output, *, as_data: bool = False) -> None:
    """Each finding with its excerpt: to stdout where they are what was asked for, else to stderr.

    Infos, and to stderr warnings too, are left out when quiet.
    """
    for placed in in_order(findings):
        severity = placed.finding.severity
        if as_data:
            output.data(finding_text(placed, sys.stdout) + "\n")
        elif severity is Severity.ERROR:
            output.problem(finding_text(placed, sys.stderr) + "\n")
        else:
            output.note(finding_text(placed, sys.stderr) + "\n")


def finding_text(placed: Placed, stream: TextIO) -> str:
    """The whole text of one finding, without a line end."""
    finding = placed.finding
    word = painted(f"{finding.severity.value}[{finding.name}]", _STYLES[finding.severity], stream)
    lines = [f"{word}: {escaped(finding.message)}"]
    if placed.document is not None:
        lines.append(escaped_lines(excerpt(placed.document, finding)).rstrip("\n"))
    if finding.example:
        lines.append(f"example: {escaped_lines(finding.example)}")
    if finding.help:
        lines.append(f"help:    {escaped_lines(finding.help)}")
    lines.append(f"more:    arrowslit help {finding.name}")
    return "\n".join(lines)


def finding_json(placed: Placed) -> dict[str, object]:
    """The same as members of a JSON object."""
    finding, document = placed.finding, placed.document
    span = finding.mark.span if finding.mark is not None else None
    return {
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "key": finding.key,
        "file": None if document is None else document.name,
        "line": None if span is None else span.line,
        "column": None if span is None else span.column,
        "example": finding.example,
        "help": finding.help,
    }


def counted(findings: Sequence[Placed]) -> str:
    """`1 error, 2 warnings`; empty where there are none."""
    numbers = [
        (severity, sum(p.finding.severity is severity for p in findings))
        for severity in (Severity.ERROR, Severity.WARNING)
    ]
    return ", ".join(f"{n} {s.value}{'s' * (n != 1)}" for s, n in numbers if n)
