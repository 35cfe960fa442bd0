"""Finds the first of many domain patterns that matches, at the cost of a look-up a label instead of one a pattern.

*Plain* patterns are a name, or `*.` and a name; all others are *hard*, and whoever asks looks at them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

_HARD: Final = frozenset("*^;$@[({?\\!<>/ ")


@dataclass(slots=True)
class Plain:
    """Patterns by what they match; `hard` holds the places of those that are not plain, in order."""

    places: dict[str, int] = field(default_factory=dict)
    hard: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Plain:
        """The index of patterns, in small letters."""
        made = cls()
        for place, pattern in enumerate(patterns):
            if set(pattern.removeprefix("*.")) & _HARD or not pattern:
                made.hard.append(place)
            else:
                made.places.setdefault(pattern, place)
        return made

    def first(self, name: str) -> int | None:
        """The place of the first plain pattern that matches."""
        hits = [self.places[name]] if name in self.places else []
        for at, sign in enumerate(name):
            if sign == "." and at:
                place = self.places.get(f"*{name[at:]}")
                hits += [] if place is None else [place]
        return min(hits, default=None)
