"""From a path to a parsed document, or to the finding that says why there is none."""

from __future__ import annotations

from pathlib import Path

from arrowslit.documents.files import read_text, why
from arrowslit.documents.toml import parse
from arrowslit.policy.finding import Finding, Severity
from arrowslit.policy.tree import Document


def read_document(path: Path) -> tuple[Document | None, tuple[Finding, ...]]:
    """The parsed file, or None and what is wrong with it."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {why(error)}"
        return None, (Finding("unreadable-file", Severity.ERROR, message, "", waivable=False),)
    return parse(text, str(path)), ()
