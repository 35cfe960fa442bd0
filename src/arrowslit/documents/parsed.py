"""From a path to a parsed document, or to the finding that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arrowslit.documents.files import Placed, read_text, why
from arrowslit.documents.toml import TomlError, parse
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.tree import Document, Span, Table

_NOTHING = Table({}, Span(1, 1, 1, 1))


@dataclass(frozen=True, slots=True)
class Parsed:
    """`document` is None where `problem` says why."""

    document: Document | None
    problem: Placed | None = None


def read_document(path: Path) -> Parsed:
    """Read and parse the file at `path`. Never raises for what is in it, or missing."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        return Parsed(None, Placed(None, _error("unreadable-file", f"cannot read {path}: {why(error)}")))
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Parsed:
    """Parse a text that is there already; `name` is what it is called in what is shown."""
    try:
        return Parsed(parse(text, name))
    except TomlError as error:
        shown = Document(name, text, _NOTHING)
        return Parsed(None, Placed(shown, _error("syntax", error.message, Mark(error.span))))


def _error(name: str, message: str, mark: Mark | None = None) -> Finding:
    return Finding(name, Severity.ERROR, message, "", mark, waivable=False)
