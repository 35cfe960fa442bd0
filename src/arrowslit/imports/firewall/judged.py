"""For which clients a condition holds: surely, perhaps, or not. All of it is of one family of addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.imports.firewall.spans import ALL, NONE, Spans, both, union, without


@dataclass(frozen=True, slots=True)
class Judged:
    """`sure` and `perhaps` have no address in common. `why` says what can't be told; `loss` what reading on loses."""

    sure: Spans = NONE
    perhaps: Spans = NONE
    why: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()

    @property
    def nobody(self) -> bool:
        """True where it holds for no client."""
        return not self.sure and not self.perhaps

    def and_(self, other: Judged) -> Judged:
        """Both hold."""
        if other is _YES[4] or other is _YES[6]:
            return self
        if self is _YES[4] or self is _YES[6]:
            return other
        sure = both(self.sure, other.sure)
        perhaps = NONE
        if self.perhaps or other.perhaps:
            possible = both(union(self.sure, self.perhaps), union(other.sure, other.perhaps))
            perhaps = without(possible, sure)
        return Judged(sure, perhaps, self.why + other.why, self.loss + other.loss)

    def not_(self, version: int) -> Judged:
        """It does not hold."""
        return Judged(without(ALL[version], union(self.sure, self.perhaps)), self.perhaps, self.why, self.loss)


NO: Final = Judged()
_YES: Final = {version: Judged(spans) for version, spans in ALL.items()}


def yes(version: int) -> Judged:
    """It holds for everybody."""
    return _YES[version]


def told(holds: bool, version: int) -> Judged:
    """It holds for everybody, or for nobody."""
    return _YES[version] if holds else NO


def any_of(all_: list[Judged]) -> Judged:
    """At least one holds."""
    sure = union(*(one.sure for one in all_))
    perhaps = without(union(*(one.perhaps for one in all_)), sure)
    why = tuple(dict.fromkeys(text for one in all_ for text in one.why))
    return Judged(sure, perhaps, why, tuple(dict.fromkeys(text for one in all_ for text in one.loss)))
