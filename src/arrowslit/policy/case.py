"""What one call of `decide` is about, and how a refusal is made of it. Never decides."""

from __future__ import annotations

from functools import partial
from typing import Final

from arrowslit.policy import replies
from arrowslit.policy.compiled import CompiledServer
from arrowslit.policy.conditions import View
from arrowslit.policy.decision import Action, Decision, Needs, Stage
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import Policy
from arrowslit.policy.trace import trace
from arrowslit.policy.verdict import Outcome

# Members of enumerations are looked up anew at every use; on this path that shows.
CONNECT: Final = Stage.CONNECT
HELO: Final = Stage.HELO
MAIL: Final = Stage.MAIL
RECIPIENT: Final = Stage.RECIPIENT
GRANT: Final = Outcome.GRANT
NEEDS: Final = Outcome.NEEDS
OPEN: Final = Outcome.OPEN
FINAL: Final = View.FINAL
PERMIT: Final = Action.PERMIT

Answer = Decision | Needs


class Case:
    """What one call of `decide` is about."""

    __slots__ = ("facts", "policy", "server", "stage")

    def __init__(self, policy: Policy, server: CompiledServer, stage: Stage, facts: Facts) -> None:
        self.policy = policy
        self.server = server
        self.stage = stage
        self.facts = facts

    def refuse(self, reason: str, when: str, rule: str, told_at: Stage, stage: Stage | None = None) -> Decision:
        """A refusal with the reply of the catalogue; one for now is a defer."""
        told = replies.policy_reply(reason, when, self.facts)
        return Decision(
            Action.DEFER if told.transient else Action.REJECT,
            self.stage if stage is None else stage,
            told,
            reason,
            rule,
            self.policy.revision,
            self.policy.generation,
            told_at,
            tracer=partial(trace, self.policy, self.stage, self.facts),
        )

    def demand(self, reason: str, rule: str, when: str = replies.GOOD) -> Decision:
        """A failed demand of the virtual server, told where it is found."""
        return self.refuse(reason, when, f"{self.server.name}/{rule}", self.stage)
