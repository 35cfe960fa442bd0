"""A message on its way to a next hop: its trace line, its spool, and the clock that runs since the client's dot.

Terms: an *intent* is the record that our final dot is about to go out; it survives the worker's death, and whoever
finds it afterwards records `outcome=unknown` (decisions 18).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arrowslit.gateway.intents import Intents
from arrowslit.gateway.spool import Spool

YOUNG = 240.0
"""Seconds since the client's dot after which ours is not sent any more (gateway-behaviour 1)."""
_WHOLE = 600.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """See the module. `describe(next_hop, address)` gives the intent's payload; `dot_at` is the client's final dot.

    `settle(slot)` lets go of an intent once the record of its outcome is written.
    """

    trace: bytes
    spool: Spool
    octets: int
    eight_bit: bool
    dot_at: float
    intents: Intents
    describe: Callable[[str, str], bytes]
    settle: Callable[[int], None]

    def young(self, now: float) -> bool:
        """Whether our dot may still go out."""
        return now - self.dot_at < YOUNG

    def wait_left(self, now: float, dot: float) -> float:
        """Seconds to wait for the final reply: with the age of the client's dot under 600 in all (decisions 18)."""
        return min(dot, max(1.0, _WHOLE - (now - self.dot_at)))

    def open_intent(self, next_hop: str, address: str) -> int:
        """Put the intent on record; returns its slot."""
        return self.intents.put(self.describe(next_hop, address))

    def close_intent(self, slot: int) -> None:
        """The outcome is known. The intent stays until that is on record: a crash in between would leave no trace."""
        self.settle(slot)
