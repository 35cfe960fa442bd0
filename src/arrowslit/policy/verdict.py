"""What a grant says of a client, as a value: GRANT, REFUSE, or why neither can be said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from arrowslit.policy.access_index import Placed


class Outcome(IntEnum):
    """What a grant comes to."""

    GRANT = 0
    REFUSE = 1
    LACKS_TLS = 2
    NAME_FAILED = 3
    SIGN_IN_FAILED = 4
    NEEDS = 5
    OPEN = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome; `needs` names the missing facts for NEEDS, `placed` is the entry that decided, if one did."""

    outcome: Outcome
    placed: Placed | None = None
    needs: frozenset[str] = frozenset()
    signed_in: bool = False
