"""The words of one rule, taken one after the other, and what has been made of them so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from arrowslit.imports.firewall.conditions import Condition
from arrowslit.imports.iptables.ipset import IpSet


@dataclass(slots=True)
class RuleWords:
    """A rule of one family. `options` are those of its target; `rates` those of the matches that ask how often."""

    version: int
    sets: dict[str, IpSet]
    words: tuple[str, ...]
    conditions: list[Condition] = field(default_factory=list)
    note: str = ""
    target: str = ""
    goto: bool = False
    options: dict[str, list[str]] = field(default_factory=dict)
    rates: dict[str, dict[str, str]] = field(default_factory=dict)
    at: int = 0

    @property
    def left(self) -> bool:
        """True where there is another word."""
        return self.at < len(self.words)

    def peek(self, ahead: int = 0) -> str:
        """The word that comes, "" where there is none."""
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def next(self) -> str:
        """The next word, "" where there is none."""
        word = self.peek()
        self.at += 1
        return word
