"""What a place that can't count is told in mode "observe": nothing is set, and what an earlier file set is dealt with.

A place that can count has nothing to do with this. Nobody is refused by what these texts set, since they set nothing;
the words here are about the step to them, which must cut nobody off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.rules import Rules

NOTHING: Final = 'mode is "observe", and this place can\'t count: nothing is set, and nobody is refused'

_GO: Final = "rules of an earlier file go: see first that a rule behind them lets in the mail that has to come in"


def observed_or(rules: Rules, *otherwise: str) -> tuple[str, ...]:
    """What is to be said of the rules behind ours, where ours are taken away by the text itself."""
    return (_GO,) if rules.observes else otherwise


def before_nothing(rules: Rules) -> Iterator[str]:
    """What comes before a declaration that has nothing in it: it takes the permits of an earlier one away."""
    if rules.observes:
        yield "after an earlier file: first the wide rules again that were taken out, as its permits go with this one"


def close_by_hand(rules: Rules) -> Iterator[str]:
    """The last step where rules are declared."""
    if not rules.observes:
        yield "then take out the rules that open the port to everybody, where they are declared"


def leave(what: str) -> Iterator[str]:
    """The step where only a person could put ours into use, or take it out of use again."""
    yield f"the mode is observe: leave the {what} as they are"
    yield f"after an earlier revision: put the {what} back as undo says, since they still refuse"
