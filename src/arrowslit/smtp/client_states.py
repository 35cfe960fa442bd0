"""States and transitions of the client side, as data. `smtp.client` does what stands here.

Terms: a *phase* is where the dialogue is; a *command* is what the caller may ask for, and in which phases; an
*awaited* reply is one that the next hop owes, with the codes that let the dialogue go on. Pure tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from arrowslit.smtp.outcomes import Step


class Phase(Enum):
    """Where the dialogue with a next hop is."""

    NEW = "not connected"
    SET_UP = "greeting to Ready"
    HANDSHAKE = "TLS handshake"
    IDLE = "between transactions"
    AUTH = "a client's credentials sent"
    TRANSACTION = "MAIL sent"
    DATA = "DATA sent"
    BODY = "354 received"
    DOT = "final dot sent"
    RESET = "RSET sent"
    CLOSING = "421 received"
    BROKEN = "broken"
    QUIT = "QUIT sent"


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """What the caller asks for: allowed in `phases`, leads to `then`; `step` is where it breaks."""

    name: str
    step: Step
    phases: tuple[Phase, ...]
    then: Phase


OPENED: Final = Command("opened", Step.CONNECT, (Phase.NEW,), Phase.SET_UP)
TLS_STARTED: Final = Command("tls_started", Step.TLS, (Phase.HANDSHAKE,), Phase.SET_UP)
CREDENTIALS: Final = Command("auth", Step.AUTH, (Phase.IDLE,), Phase.AUTH)
MAIL_COMMAND: Final = Command("mail", Step.MAIL, (Phase.IDLE, Phase.RESET), Phase.TRANSACTION)
RCPT_COMMAND: Final = Command("rcpt", Step.RCPT, (Phase.TRANSACTION,), Phase.TRANSACTION)
DATA_COMMAND: Final = Command("data", Step.DATA, (Phase.TRANSACTION,), Phase.DATA)
DOT_COMMAND: Final = Command("dot", Step.DOT, (Phase.BODY,), Phase.DOT)
RESET_COMMAND: Final = Command("reset", Step.RSET, (Phase.IDLE, Phase.TRANSACTION), Phase.RESET)

QUIT_SENT_IN: Final = (Phase.SET_UP, Phase.IDLE, Phase.TRANSACTION, Phase.CLOSING)
"""Where QUIT may go out, if no reply is awaited; elsewhere the next hop would take it for something else."""


@dataclass(frozen=True, slots=True, eq=False)
class Awaited:
    """A reply that the next hop owes.

    `low` to `high` lets the dialogue go on, 4yz and 5yz refuse, anything else is unexpected. `told`: the reply is the
    caller's (`Answered`). `good` and `bad` are the phases that follow; None leaves the phase as it is.
    """

    step: Step
    low: int
    high: int
    told: bool = False
    good: Phase | None = None
    bad: Phase | None = None


GREETING: Final = Awaited(Step.GREETING, 220, 220)
EHLO: Final = Awaited(Step.EHLO, 250, 250)
HELO: Final = Awaited(Step.EHLO, 250, 250)
STARTTLS: Final = Awaited(Step.STARTTLS, 220, 220)
XCLIENT: Final = Awaited(Step.XCLIENT, 220, 220)
XFORWARD: Final = Awaited(Step.XFORWARD, 200, 299)
CHALLENGE: Final = Awaited(Step.AUTH, 334, 334)
OWN_AUTH: Final = Awaited(Step.AUTH, 235, 235)
AUTH: Final = Awaited(Step.AUTH, 235, 235, told=True, good=Phase.IDLE, bad=Phase.IDLE)
MAIL: Final = Awaited(Step.MAIL, 200, 299, told=True, bad=Phase.IDLE)
RCPT: Final = Awaited(Step.RCPT, 200, 299, told=True)
RCPT_SWALLOWED: Final = Awaited(Step.RCPT, 200, 299)
DATA: Final = Awaited(Step.DATA, 354, 354, told=True, good=Phase.BODY, bad=Phase.TRANSACTION)
DOT: Final = Awaited(Step.DOT, 200, 299, told=True, good=Phase.IDLE, bad=Phase.IDLE)
RSET: Final = Awaited(Step.RSET, 200, 299, told=True, good=Phase.IDLE, bad=Phase.IDLE)

PLACES: Final = {
    Phase.NEW: Step.CONNECT,
    Phase.HANDSHAKE: Step.TLS,
    Phase.IDLE: Step.IDLE,
    Phase.BODY: Step.BODY,
}
"""Where the dialogue is while no reply is awaited; elsewhere it is the step that was answered last."""
