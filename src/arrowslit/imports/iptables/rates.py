"""Matches that ask how often somebody comes: a client is taken as one that comes seldom.

Whoever stays below a limit is let on, and what is lost so is told. What only a limit lets in (`-m limit -j ACCEPT`) is
left out; so is what hangs on a list that other packets fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.imports.firewall.conditions import Condition, Seldom, Unknown
from arrowslit.imports.firewall.rules import ACCEPT, NEXT, Verdict
from arrowslit.imports.iptables.rule_words import RuleWords

RATE_MATCHES: Final = frozenset({"limit", "hashlimit", "connlimit", "recent", "quota", "connbytes", "rateest"})

_ALONE: Final = {
    "recent": ("--set", "--rcheck", "--update", "--remove", "--rsource", "--rdest", "--rttl", "--reap"),
    "connlimit": ("--connlimit-saddr", "--connlimit-daddr"),
    "hashlimit": ("--hashlimit-rate-match",),
}
_WITH_VALUE: Final = {
    "limit": ("--limit", "--limit-burst"),
    "connlimit": ("--connlimit-above", "--connlimit-upto", "--connlimit-mask"),
    "hashlimit": (
        *("--hashlimit", "--hashlimit-above", "--hashlimit-upto", "--hashlimit-burst", "--hashlimit-mode"),
        *("--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-name", "--hashlimit-htable-size"),
        *("--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval"),
        "--hashlimit-rate-interval",
    ),
    "recent": ("--seconds", "--hitcount", "--name", "--mask"),
    "quota": ("--quota",),
    "connbytes": ("--connbytes", "--connbytes-dir", "--connbytes-mode"),
}
RATE_OPTIONS: Final = {option: name for rows in (_ALONE, _WITH_VALUE) for name, row in rows.items() for option in row}
_LOSS: Final = "how often somebody may come is not carried over, only who may"


def rate_option(rule: RuleWords, word: str, *, negated: bool) -> None:
    """Takes one option with its value."""
    name = RATE_OPTIONS[word]
    value = "" if word in _ALONE.get(name, ()) else rule.next()
    rule.rates.setdefault(name, {})[f"! {word}" if negated else word] = value


def rates(found: dict[str, dict[str, str]], verdict: Verdict) -> Iterator[Condition]:
    """The conditions, for a rule with that verdict."""
    for name, options in found.items():
        if verdict.kind == NEXT or "--set" in options:
            continue
        holds = _seldom(name, options)
        if holds is None or (holds and verdict.kind == ACCEPT):
            yield Unknown(f"it holds for so many only ({name})")
        else:
            yield Seldom(holds, f"{_LOSS} ({name})")


def _seldom(name: str, options: dict[str, str]) -> bool | None:
    """Whether it holds for a client that comes seldom; None where that can't be told."""
    if name == "limit":
        return True
    if name in {"connlimit", "hashlimit"}:
        above = f"--{name}-above"
        holds = f"! {above}" in options or f"--{name}-upto" in options or "--hashlimit" in options
        return False if above in options else True if holds else None
    if name == "recent":
        hits = options.get("--hitcount", "")
        turned = any(option.startswith("!") for option in options)
        return False if hits.isascii() and hits.isdigit() and int(hits[:6]) > 1 and not turned else None
    return None
