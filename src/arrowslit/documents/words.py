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
    """A name, what it names ("finding" or "reason"), and its text; for a finding its severity."""

    name: str
    kind: str
    text: str
    severity: str = ""


def words() -> dict[str, Word]:
    """All of them by name, findings first, each in alphabetical order. A finding's text stands before a reason's."""
    known = {**policy_findings.FINDINGS, **findings.FINDINGS}
    found = {name: Word(name, FINDING, known[name].doc, known[name].severity.value) for name in sorted(known)}
    for name in sorted(REASONS):
        found.setdefault(name, Word(name, REASON, REASONS[name]))
    return found
