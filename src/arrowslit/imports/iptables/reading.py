"""One rule while it is read, and the loop that reads it: from its words into conditions and a verdict.

What is not in the tables of `matches`, `rates` and `targets` makes the rule uncertain, with the name of what it is; it
is then read so that it lets nobody in. Sources: iptables(8), iptables-extensions(8) of iptables 1.8.9.
"""

from __future__ import annotations

from arrowslit.imports.firewall.conditions import Condition, Unknown
from arrowslit.imports.firewall.rules import UNKNOWN, Verdict
from arrowslit.imports.iptables.ipset import IpSet
from arrowslit.imports.iptables.matches import MODULES, OPTIONS, UNSURE
from arrowslit.imports.iptables.rates import RATE_MATCHES, RATE_OPTIONS, rate_option, rates
from arrowslit.imports.iptables.rule_words import RuleWords
from arrowslit.imports.iptables.targets import read_target, verdict_of

_MATCH = ("-m", "--match")
_TARGET = ("-j", "--jump", "-g", "--goto")


def rule_of(version: int, sets: dict[str, IpSet], words: tuple[str, ...]) -> tuple[tuple[Condition, ...], Verdict, str]:
    """Conditions, verdict and note of the words behind the name of the chain. Never raises."""
    rule = RuleWords(version, sets, words)
    try:
        while rule.left:
            _option(rule)
        verdict = verdict_of(rule)
    except ValueError as error:
        return (*rule.conditions, Unknown(str(error))), Verdict(UNKNOWN, why=str(error)), rule.note
    rule.conditions += rates(rule.rates, verdict)
    return tuple(rule.conditions), verdict, rule.note


def _option(rule: RuleWords) -> None:
    word = rule.next()
    negated = word == "!"
    word = rule.next() if negated else word
    if word in _MATCH:
        _module(rule, rule.next())
    elif word in _TARGET:
        read_target(rule, goto=word in {"-g", "--goto"})
    elif word in RATE_OPTIONS:
        rate_option(rule, word, negated=negated)
    elif word in OPTIONS:
        if rule.peek() == "!":  # as it was written long ago
            negated = not negated
            rule.next()
        rule.conditions.append(OPTIONS[word](rule, negated))
    else:
        rule.conditions.append(Unknown(f"{word} is not understood"))
        while rule.left and not rule.peek().startswith(("-", "!")):
            rule.next()


def _module(rule: RuleWords, name: str) -> None:
    if name in RATE_MATCHES:
        rule.rates.setdefault(name, {})
    elif name not in MODULES:
        rule.conditions.append(Unknown(UNSURE.get(name, f"the match {name} is not understood")))
        _skip_options(rule)


def _skip_options(rule: RuleWords) -> None:
    """The options of a match that is not understood end where another match or the target begins."""
    while rule.left:
        ahead = rule.peek(1) if rule.peek() == "!" else rule.peek()
        if ahead in (*_MATCH, *_TARGET) or ahead in OPTIONS or ahead in RATE_OPTIONS:
            break
        rule.next()
