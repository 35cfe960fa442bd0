"""What `arrowslit help` can explain: every finding, every reason of a decision, every alarm, every gap."""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.documents import findings
from arrowslit.documents.alarms import ALARMS
from arrowslit.policy import findings as policy_findings
from arrowslit.policy.reasons import REASONS
from arrowslit.targets.gaps import GAPS

FINDING = "finding"
REASON = "reason"
ALARM = "alarm"
GAP = "gap"


@dataclass(frozen=True, slots=True)
class Word:
    """A name, what it names ("finding", "reason", "alarm" or "gap"), and its text; for a finding its severity."""

    name: str
    kind: str
    text: str
    severity: str = ""


def words() -> dict[str, Word]:
    """All of them by name, findings first, each in alphabetical order. Of two with one name the first stands."""
    known = {**policy_findings.FINDINGS, **findings.FINDINGS}
    found = {name: Word(name, FINDING, known[name].doc, known[name].severity.value) for name in sorted(known)}
    for name in sorted(REASONS):
        found.setdefault(name, Word(name, REASON, REASONS[name]))
    for name in sorted(ALARMS):
        found.setdefault(name, Word(name, ALARM, f"{ALARMS[name].doc} {ALARMS[name].ends.value}"))
    for name in sorted(GAPS):
        found.setdefault(name, Word(name, GAP, GAPS[name]))
    return found
