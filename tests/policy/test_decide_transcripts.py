"""Policies and facts with the decisions that come out, compared line by line; every reply is reached by one of them.

After a wanted change: `ARROWSLIT_REWRITE=1 pytest tests/policy/test_decide_transcripts.py`, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Action, Decision
from arrowslit.policy.reasons import DROPPED_EARLY, REASONS
from arrowslit.policy.replies import REPLIES
from tests.policy.transcripts import questions, run, transcripts


@pytest.mark.parametrize("path", transcripts(), ids=lambda path: path.stem)
def test_the_decisions_come_out_as_written(path: Path) -> None:
    now = run(path)
    if os.environ.get("ARROWSLIT_REWRITE") == "1":
        path.write_text(now, "utf-8")
    assert now == path.read_text("utf-8")


def _decisions() -> list[Decision]:
    found = [decide(*asked) for path in transcripts() for _, *asked in questions(path)]
    decisions = [one for one in found if isinstance(one, Decision)]
    return decisions + [one.would_be for one in decisions if one.would_be is not None]


def test_every_reply_of_the_catalogue_is_reached() -> None:
    reached = {(one.reason, one.reply.code, one.reply.enhanced) for one in _decisions() if one.reply is not None}
    assert reached == {(reason, said.code, said.enhanced) for (reason, _), said in REPLIES.items()}


def test_every_reason_is_reached_and_documented() -> None:
    assert {one.reason for one in _decisions()} == set(REASONS) - {DROPPED_EARLY}  # which only a record has
    assert all(doc.endswith(".") and doc[0].isupper() for doc in REASONS.values())


def test_a_decision_says_the_same_in_all_its_parts() -> None:
    for one in _decisions():
        assert one.permitted == (one.reply is None)
        if one.reply is not None:
            assert one.reply.transient == (one.action is Action.DEFER)
            assert one.reply.permanent == (one.action is Action.REJECT)
            assert one.told_at >= one.stage or one.stage.label == "mail"
            assert one.next_hop is None
            assert "{" not in one.reply.text


def test_the_same_facts_decide_the_same() -> None:
    for path in transcripts():
        for _, policy, stage, facts in questions(path):
            assert decide(policy, stage, facts) == decide(policy, stage, facts)
