"""What comes out of `decide`: a decision, or the names of the facts that it still needs.

Terms: the *stage* is where the decision was made; the *rule* is the stable id of the entry or setting that decided
(`virtual-server/grant/mode/kind:value`, decisions 10); the *trace* lists the rules looked at, in order, and is worked
out only when somebody reads it. Never holds a fact about the world beyond what it was decided from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum, IntEnum
from typing import Final

from arrowslit.mail.reply import Reply


class Stage(IntEnum):
    """The stages of a session in their order."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RECIPIENT = 3
    DATA = 4

    @property
    def label(self) -> str:
        """The word of the policy format: `connect`, `recipient`, ..."""
        return self.name.lower()


class Action(Enum):
    """What is done."""

    PERMIT = "permit"
    REJECT = "reject"
    DEFER = "defer"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Look:
    """One line of a trace: a rule that was looked at.

    `rule` is its id, `text` says in words what it is, `matched` is True, False, or None where it could not be told,
    and `note` says why (for example "needs TLS", "expired 2026-03-31", "reverse name not looked up").
    """

    rule: str
    text: str
    matched: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """The decision depends on facts that are not looked up yet: field names of `Facts`."""

    facts: frozenset[str]


@dataclass(frozen=True, slots=True, init=False)
class Decision:
    """The one answer at one stage.

    `reason` is a name from `policy.reasons`; `reply` is what the client is told (None for PERMIT, where the protocol
    has its own words). `told_at` is the stage at which the client hears of it (a refusal to connect is told at
    RECIPIENT unless the virtual server refuses at connect). `would_be` holds the refusal that `observe` only records.
    """

    action: Action
    stage: Stage
    reply: Reply | None
    reason: str
    rule: str
    revision: int
    generation: int = 0
    told_at: Stage = Stage.RECIPIENT
    would_be: Decision | None = None
    next_hop: str | None = None
    """For a permitted recipient: the name of the next hop that the message goes to."""
    relay: bool = False
    """For a permitted recipient: the relay grant was used (its domain is not accepted)."""
    skip_checks: bool = False
    normalise_line_ends: bool = False
    exempt: bool = False
    """The client matches a granting entry in `only_listed`, so limits by source and error counts do not touch it."""
    tracer: Callable[[], tuple[Look, ...]] = field(default=tuple, repr=False, compare=False)

    def __init__(
        self,
        action: Action,
        stage: Stage,
        reply: Reply | None,
        reason: str,
        rule: str,
        revision: int,
        generation: int = 0,
        told_at: Stage = Stage.RECIPIENT,
        would_be: Decision | None = None,
        next_hop: str | None = None,
        relay: bool = False,
        skip_checks: bool = False,
        normalise_line_ends: bool = False,
        exempt: bool = False,
        tracer: Callable[[], tuple[Look, ...]] = tuple,
    ) -> None:
        # One is made at every stage of every session. Through the slots themselves it takes less than half the time
        # that the generated `__init__` of a frozen dataclass takes.
        (
            set_action, set_stage, set_reply, set_reason, set_rule, set_revision, set_generation, set_told_at,
            set_would_be, set_next_hop, set_relay, set_skip_checks, set_normalise, set_exempt, set_tracer,
        ) = _SETTERS  # fmt: skip
        set_action(self, action)
        set_stage(self, stage)
        set_reply(self, reply)
        set_reason(self, reason)
        set_rule(self, rule)
        set_revision(self, revision)
        set_generation(self, generation)
        set_told_at(self, told_at)
        set_would_be(self, would_be)
        set_next_hop(self, next_hop)
        set_relay(self, relay)
        set_skip_checks(self, skip_checks)
        set_normalise(self, normalise_line_ends)
        set_exempt(self, exempt)
        set_tracer(self, tracer)

    @property
    def trace(self) -> tuple[Look, ...]:
        """The rules looked at, in order, the deciding one last."""
        return self.tracer()

    @property
    def permitted(self) -> bool:
        """True where the stage may go on."""
        return self.action is Action.PERMIT


_SETTERS: Final = tuple(getattr(Decision, one.name).__set__ for one in fields(Decision))
