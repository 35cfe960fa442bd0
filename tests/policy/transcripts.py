"""Reads and runs the decision transcripts: a policy, then one line a question, each with the decision behind `=>`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Needs, Stage
from arrowslit.policy.expectations import certificate
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Facts
from arrowslit.policy.model import Policy
from tests.policy.trees import facts, policy

FOLDER = Path(__file__).parent / "transcripts"
MARK = "--- decisions\n"

_WORDS: dict[str, Any] = {
    "none": None,
    "unknown": UNKNOWN,
    "failed": TEMPORARY_FAILURE,
    "true": True,
    "false": False,
    "yes": True,
    "no": False,
}
_NAMES = {"server": "virtual_server", "as": "authenticated_as", "own": "own_addresses"}


def transcripts() -> list[Path]:
    return sorted(FOLDER.glob("*.txt"))


def questions(path: Path) -> Iterator[tuple[str, Policy, Stage, Facts]]:
    """Every question of a transcript: its text, the policy, the stage and the facts."""
    head, _, body = path.read_text("utf-8").partition(MARK)
    asked = policy(head)
    for line in body.splitlines():
        question = line.partition("=>")[0].rstrip()
        if not question:
            continue
        stage, address, *rest = question.split()
        yield question, asked, Stage[stage.upper()], _facts(address, rest)


def _facts(address: str, rest: list[str]) -> Facts:
    given = dict(word.partition("=")[::2] for word in rest)
    to, mail_from = given.pop("to", None), given.pop("from", "")
    known = {_NAMES.get(name, name): _fact(name, text) for name, text in given.items()}
    if to is not None and to.startswith("raw:"):
        local_part, _, domain = to[4:].partition("@")
        return replace(facts(address, None, mail_from, **known), forward_path=Mailbox(local_part, domain, to[4:]))
    return facts(address, to, mail_from, **known)


def _fact(name: str, text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text.isdigit():
        return int(text)
    if name == "date":
        return datetime.date.fromisoformat(text)
    if name == "certificate":
        return certificate(text)
    return frozenset(text.split(",")) if name == "own" else text


def told(answer: Decision | Needs) -> str:
    """An answer in one line."""
    if isinstance(answer, Needs):
        return "needs " + ", ".join(sorted(answer.facts))
    said = "" if answer.reply is None else f" {answer.reply.code} {answer.reply.enhanced}"
    words = [f"{answer.action.value}{said}", answer.reason, answer.rule, f"at {answer.stage.label}"]
    if not answer.permitted:
        words.append(f"told at {answer.told_at.label}")
    if answer.next_hop is not None:
        words.append(f"to {answer.next_hop}")
    flags = ("relay", "skip_checks", "normalise_line_ends", "exempt")
    words += [flag for flag in flags if getattr(answer, flag)]
    if answer.would_be is not None:
        words.append(f"would be {answer.would_be.action.value} {answer.would_be.reason}")
    return " | ".join(words)


def run(path: Path) -> str:
    """The transcript as it comes out now."""
    head = path.read_text("utf-8").partition(MARK)[0]
    lines = [f"{question}\n    => {told(decide(*asked))}\n" for question, *asked in questions(path)]
    return head + MARK + "".join(lines)
