"""Says what a policy would do with a session, why, and what would have to be written to permit it.

Asks `decide` at every stage, as a session does. Never changes a policy: a suggestion is a command in words.
"""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy import reasons
from arrowslit.policy.ask import ask
from arrowslit.policy.decision import Decision, Look
from arrowslit.policy.facts import Facts, Unknown
from arrowslit.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision that stands and those on the way, what it rests on, and commands that would permit it."""

    decision: Decision
    stages: tuple[Decision, ...]
    rests_on: tuple[str, ...]
    to_permit: tuple[str, ...]

    @property
    def trace(self) -> tuple[Look, ...]:
        """The rules that were looked at."""
        return self.decision.trace


def explain(policy: Policy, facts: Facts) -> Explanation:
    """What becomes of a session with `facts`; with no forward-path, whether the client may connect.

    Leave what is not known Unknown: it is taken as absent where it matters, and named. Raises KeyError for an unknown
    virtual server, and ValueError where the client address or the date is not given.
    """
    asked = ask(policy, facts, to_recipient=not isinstance(facts.forward_path, Unknown | None))
    return Explanation(asked.decision, asked.stages, asked.rests_on, _to_permit(asked.decision, facts))


def _to_permit(decision: Decision, facts: Facts) -> tuple[str, ...]:
    refusal = decision.would_be or decision
    if refusal.permitted or isinstance(facts.client_address, Unknown):
        return ()
    server = "" if facts.virtual_server == "default" else f" --virtual-server {facts.virtual_server}"
    add = "arrowslit entry add {} " + f'{facts.client_address}{server} --note "…"'
    domain = facts.forward_path.domain if isinstance(facts.forward_path, Mailbox) else ""
    accept = (f"arrowslit accepted-domain add {domain}",) if domain and not domain.startswith("[") else ()
    commands = {
        reasons.NOT_CONNECT: (add.format("connection"),),
        reasons.NOT_DELIVER: (add.format("delivery"),),
        reasons.NOT_RELAY: (*accept, add.format("relay")),
        reasons.ROUTING_LOCAL_PART: (add.format("relay"),),
        reasons.OWN_DOMAIN_OUTSIDE: (add.format("connection"),),
    }
    return commands.get(refusal.reason, ())
