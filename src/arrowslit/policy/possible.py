"""What a policy could say where some facts are not known: the decision for every value that they could have.

A log of the past leaves facts out, and what it leaves out may be anything (policy-semantics, "Facts that are
missing"). Of the endlessly many values of a fact only those are tried that this policy tells apart (see
`possible_values` and `possible_question`). Where all answers agree the outcome is certain; else the facts that make
the difference are named. `decide` answers, nothing else does.

Terms: an *outcome* is to permit, to permit only because the mode is `observe`, or to refuse. The answers to a question
are a *tree*: a leaf is an outcome, or the names of facts that are not known and have no values to be tried (the client
address); a branch asks one fact. Facts are asked in one order, and a branch whose answers are all the same is none: so
two trees that are equal say the same.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from arrowslit.policy.ask import walk
from arrowslit.policy.compiled import Grant
from arrowslit.policy.decision import Decision, Needs
from arrowslit.policy.facts import UNKNOWN, Facts
from arrowslit.policy.model import Policy
from arrowslit.policy.possible_question import Listed, Question, delivery_of, listed

PERMITTED: Final = "permitted"
OBSERVED: Final = "observed"
REFUSED: Final = "refused"
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Possible:
    """A decision for each outcome that there is; `missing` names the facts on which it depends.

    A decision is an example: it may be the answer to another client who stands in the same lists. There is none at all
    where the client address itself is not known.
    """

    permitting: Decision | None = None
    observing: Decision | None = None
    """It permits only because the mode is `observe`."""
    refusing: Decision | None = None
    missing: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """True where every value of the facts that are not known comes to the same."""
        return not self.missing


class _Branch(NamedTuple):
    """The answers for each value of the fact `name`."""

    name: str
    answers: tuple[_Tree, ...]


_Tree = str | frozenset[str] | _Branch


class Possibilities:
    """The possible answers of one policy. Questions that differ only in what it does not look at are asked once."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._questions: dict[tuple[str, str], Question] = {}
        self._lists: dict[str, Listed] = {}
        self._known: dict[tuple[Any, ...], Possible] = {}

    def of(self, facts: Facts, *, to_recipient: bool = True, to_mail: bool = False) -> Possible:
        """All that can come of `facts` (see `ask.walk`). Raises KeyError for an unknown virtual server."""
        found = walk(self._policy, facts, to_recipient=to_recipient, to_mail=to_mail)
        if not isinstance(found, Needs):
            return _made({_outcome(found[0]): found[0]}, ())
        question = self._question(facts)
        key = (question.kind(facts), to_recipient, to_mail)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = _Asking(self._policy, question, to_recipient, to_mail).all_of(facts)
        return known

    def _question(self, facts: Facts) -> Question:
        delivery = delivery_of(self._policy, facts)
        key = (facts.virtual_server, "" if delivery is None else delivery.rule)
        if key not in self._questions:
            server = self._policy.compiled.servers[facts.virtual_server]
            grants = (server.connection, delivery or server.delivery, server.relay, server.skip_checks)
            self._questions[key] = Question(self._policy, server, tuple(map(self._listed, grants)))
        return self._questions[key]

    def _listed(self, grant: Grant) -> Listed:
        if grant.rule not in self._lists:
            self._lists[grant.rule] = listed(grant)
        return self._lists[grant.rule]


class _Asking:
    """One question: goes through the values, and keeps a decision of each outcome."""

    def __init__(self, policy: Policy, question: Question, to_recipient: bool, to_mail: bool) -> None:
        self._policy, self._question = policy, question
        self._to_recipient, self._to_mail = to_recipient, to_mail
        self._examples: dict[str, Decision] = {}

    def all_of(self, facts: Facts) -> Possible:
        """Every outcome, and the facts on which it depends."""
        missing: dict[str, None] = {}
        _names(self._tree(facts), missing)
        return _made(self._examples, tuple(missing))

    def _tree(self, facts: Facts) -> _Tree:
        found = walk(self._policy, facts, to_recipient=self._to_recipient, to_mail=self._to_mail)
        if not isinstance(found, Needs):
            outcome = _outcome(found[0])
            self._examples.setdefault(outcome, found[0])
            return outcome
        name = next((one for one in self._question.facts if getattr(facts, one) is UNKNOWN), None)
        if name is None:
            return found.facts
        by_effect: dict[Hashable, _Tree] = {}
        answers = tuple(self._answer(name, one, facts, by_effect) for one in self._question.values(name, facts))
        return answers[0] if all(one == answers[0] for one in answers[1:]) else _Branch(name, answers)

    def _answer(self, name: str, value: Any, facts: Facts, by_effect: dict[Hashable, _Tree]) -> _Tree:
        effect = self._question.effect(name, value, facts)
        if effect not in by_effect:
            by_effect[effect] = self._tree(replace(facts, **{name: value}))
        return by_effect[effect]


def _outcome(decision: Decision) -> str:
    if not decision.permitted:
        return REFUSED
    return PERMITTED if decision.would_be is None else OBSERVED


def _made(examples: dict[str, Decision], missing: tuple[str, ...]) -> Possible:
    return Possible(examples.get(PERMITTED), examples.get(OBSERVED), examples.get(REFUSED), missing)


def _names(tree: _Tree, missing: dict[str, None]) -> None:
    """The facts that a tree asks for, in the order of asking."""
    if isinstance(tree, _Branch):
        missing[tree.name] = None
        for one in dict.fromkeys(tree.answers):
            _names(one, missing)
    elif isinstance(tree, frozenset):
        missing.update(dict.fromkeys(sorted(tree)))
