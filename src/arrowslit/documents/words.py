"""What `arrowslit help` can explain: every finding and every reason of a decision, with one text each."""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.documents import findings
from arrowslit.policy import findings as policy_findings
from arrowslit.policy.reasons import REASONS

FINDING = "finding"
REASON = "reason"


@dataclass(frozen=True, slots=True)
class Word:
    """A name, what it names ("finding" or "reason"), and its text."""

    name: str
    kind: str
    text: str


def words() -> dict[str, Word]:
    """All of them by name, findings first, each in alphabetical order. A finding's text stands before a reason's."""
    texts = {**findings.FINDINGS, **policy_findings.FINDINGS}
    found = {name: Word(name, FINDING, texts[name]) for name in sorted(texts)}
    for name in sorted(REASONS):
        found.setdefault(name, Word(name, REASON, REASONS[name]))
    return found
