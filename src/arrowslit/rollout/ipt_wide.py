"""Others' rules in iptables that bring strangers to the mail port: accepted, forwarded or redirected there.

Only named, never removed: they may be right. Those of INPUT come after our gate where our jump stands first; what is
forwarded passes it by. Followed are only chains that a packet from a stranger can come to.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.rollout.ipt_chains import OURS
from arrowslit.targets.iptables import CHAIN

_PROGRAM: Final = {4: "iptables", 6: "ip6tables"}
_FROM_OUTSIDE: Final = ("PREROUTING", "INPUT", "FORWARD")
_SOURCES: Final = ("-s", "--src-range", "--src-type")


@dataclass(frozen=True, slots=True)
class _Rule:
    chain: str
    number: int
    words: tuple[str, ...]

    def value(self, option: str) -> str:
        """What is said of an option, "" where it is absent or negated."""
        at = self.words.index(option) if option in self.words[:-1] else -1
        return self.words[at + 1] if at >= 0 and self.words[max(at - 1, 0)] != "!" else ""

    @property
    def target(self) -> str:
        """Where it leads to."""
        return self.value("-j") or self.value("-g")

    @property
    def narrowed(self) -> bool:
        """Whether a stranger's new TCP connection is not meant: it looks at who the client is, or at something else."""
        states = self.value("--ctstate") or self.value("--state")
        old = bool(states) and "NEW" not in states.split(",")
        sets = self.value("--match-set") and "src" in self.words[self.words.index("--match-set") + 2].split(",")
        other = self.value("-p") not in {"", "tcp", "all"} or self.value("-i") == "lo"
        return any(map(self.value, _SOURCES)) or bool(sets) or old or other

    def port(self, ports: Sequence[int]) -> int | None:
        """The first of the ports that it names, None where it names none."""
        said = (self.value("--dport") or self.value("--dports") or self.value("--ctorigdstport")).split(",")
        return next((port for port in ports if any(_holds(one, port) for one in said)), None)

    def may_be(self, ports: Sequence[int]) -> bool:
        """Whether a packet to one of the ports can match it."""
        named = any(option in self.words for option in ("--dport", "--dports", "--ctorigdstport"))
        return not self.narrowed and (not named or self.port(ports) is not None)


def _holds(said: str, port: int) -> bool:
    first, _, last = said.partition(":")
    return first.isdigit() and int(first) <= port <= int(last if last.isdigit() else first)


def wide_rules(tables: Iterable[tuple[int, str, list[str]]], ports: Sequence[int]) -> Iterator[str]:
    """A line for each rule that lets one of the ports in from anywhere, of (family, table, what iptables-save says)."""
    for family, table, lines in tables:
        chains = _chains(lines)
        seen: set[str] = set()
        for start in _FROM_OUTSIDE:
            for rule in _reached(chains, start, ports, seen):
                port, does = rule.port(ports), _does(rule)
                if port is not None and does:
                    yield f"port {port} is {does} ({_where(family, table, rule)})"


def accepted_before_ours(family: int, lines: list[str], ports: Sequence[int]) -> str:
    """The place of the first rule of INPUT that takes strangers in before they come to ours; "" where there is none."""
    chains = _chains(lines)
    rules = chains.get("INPUT", [])
    at = next((number for number, rule in enumerate(rules) if rule.target == CHAIN), None)
    if at is None:
        return ""
    reached = _reached({**chains, "INPUT": rules[:at]}, "INPUT", ports, set())
    return next((_where(family, "filter", rule) for rule in reached if rule.target == "ACCEPT"), "")


def _where(family: int, table: str, rule: _Rule) -> str:
    return f"{_PROGRAM[family]}, table {table}, chain {rule.chain}, rule {rule.number}"


def _chains(lines: list[str]) -> dict[str, list[_Rule]]:
    chains: dict[str, list[_Rule]] = {}
    for line in lines:
        if line.startswith("["):
            words = tuple(shlex.split(line.partition("] ")[2]))
            rules = chains.setdefault(words[1], [])
            rules.append(_Rule(words[1], len(rules) + 1, words[2:]))
    return chains


def _reached(chains: Mapping[str, list[_Rule]], chain: str, ports: Sequence[int], seen: set[str]) -> Iterator[_Rule]:
    """The rules that a stranger's packet to one of the ports can come to, ours and those of a chain twice left out."""
    if chain in seen or chain in OURS:
        return
    seen.add(chain)
    for rule in chains.get(chain, ()):
        if rule.may_be(ports):
            yield rule
            yield from _reached(chains, rule.target, ports, seen)


def _does(rule: _Rule) -> str:
    if rule.target == "ACCEPT":
        return "accepted from anywhere"
    if rule.target == "REDIRECT":
        return "redirected on this machine"
    return f"also forwarded to {rule.value('--to-destination')}" if rule.target == "DNAT" else ""
