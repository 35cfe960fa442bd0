"""ufw, worked with live: the rules with our comment, put first and taken away by its own commands.

What is read back is what ufw says that it was told, and what the kernel has of it. Only where strangers are accepted
by a rule before ours is nothing changed: ufw asks that one first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.commands import Commands, FailedError
from arrowslit.rollout.edges import read_set
from arrowslit.rollout.scripted import Ours
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place
from arrowslit.targets.ufw import HALVES, lines_of, script

_ADDED: Final = re.compile(r"ufw (.*) comment 'arrowslit'")
_SHOWN: Final = re.compile(r"\[ *(\d+)\] (.+?)  +(ALLOW|LIMIT|DENY|REJECT) (IN|OUT|FWD) +(.+?) *(# arrowslit)?")
_FROM: Final = re.compile(r" from (\S+)")
_LIST: Final = {"allow": "ACCEPT", "deny": "DROP"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """One rule as `ufw status numbered` shows it."""

    number: int
    to: str
    does: str
    source: str
    ours: bool

    @property
    def family(self) -> int:
        """4 or 6; a range of ports has a colon too."""
        words = [word for word in f"{self.to} {self.source}".split() if not word.endswith(("/tcp", "/udp"))]
        return 6 if any(":" in word or word == "(v6)" for word in words) else 4


@dataclass(frozen=True, slots=True)
class Ufw:
    """ufw of this machine."""

    commands: Commands = field(default_factory=Commands)
    name: str = "ufw"

    def read(self) -> Ours | None:
        """Our rules, in ufw's own words."""
        lines = self.commands.run("ufw", "show", "added").splitlines()
        rules = [found[1] for line in lines if (found := _ADDED.fullmatch(line))]
        return {"rules": rules} if rules else None

    def wanted(self, rules: Rules, place: Place) -> Ours:
        """What should be there; without IPv6 where ufw leaves that alone."""
        lines = [line.rstrip() for part in lines_of(rules, place) for line in part if not line.startswith("#")]
        both = re.search("(?mi)^IPV6=yes", self.commands.run("cat", "/etc/default/ufw"))
        return {"rules": [line for line in lines if both or ":" not in _source(line)]}

    def make(self, ours: Ours | None) -> None:
        """Run the target's script."""
        if ours is None:
            self.commands.run("sh", "-s", "undo", given=script((), ()))
            return
        first, behind = _parts(ours)
        self.commands.run("sh", "-s", given=script((f"{one}\n" for one in first), (f"{one}\n" for one in behind)))

    def listed(self, ours: Ours) -> AddressSet:
        """Those permitted; where nobody is, those refused."""
        first, _ = _parts(ours)
        return _set(first)

    def holds(self, ours: Ours) -> bool:
        """Whether there are any, and ufw is on."""
        return bool(ours["rules"]) and self._on()

    def others(self, there: Ours, wanted: Ours) -> Iterator[str]:
        """Ports, interfaces, the refusal of everybody else, and whether the kernel has them."""
        (first, behind), (wanted_first, wanted_behind) = _parts(there), _parts(wanted)
        if _kinds(first) != _kinds(wanted_first) or _kinds(behind) != _kinds(wanted_behind):
            yield "the ports, the interface or the mode are others"
        elif _set(behind) != _set(wanted_behind):
            yield "others are refused than everybody else"
        for family in (4, 6) if self._on() else ():
            if not self._in_kernel(family, there["rules"]):
                yield f"IPv{family}: the kernel does not have the rules that ufw keeps: ufw reload"

    def hindered(self, ports: Sequence[int]) -> Iterator[str]:
        """ufw that is off, and rules that are asked before ours."""
        if not self._on():
            yield "ufw is not active: ufw enable"
            return
        rules = self._shown()
        for family in (4, 6):
            own = [one.number for one in rules if one.ours and one.family == family]
            for one in rules:
                before = own and one.number < max(own) and one.family == family
                if before and self._port(one, ports) is not None and _from_anywhere(one):
                    yield f"strangers are accepted before ours is asked (ufw, rule {one.number}: {one.to}): take it out"

    def wide(self, ports: Sequence[int]) -> Iterator[str]:
        """Rules of others for one of the ports from anywhere."""
        for one in self._shown():
            port = self._port(one, ports)
            if port is not None and _from_anywhere(one):
                yield f"port {port} is accepted from anywhere (ufw, rule {one.number}: {one.to})"
        if "Default: allow (incoming)" in self.commands.run("ufw", "status", "verbose"):
            yield "every port is accepted from anywhere (ufw, default allow incoming)"

    def _on(self) -> bool:
        return "Status: active" in self.commands.run("ufw", "status")

    def _shown(self) -> list[_Shown]:
        found = map(_SHOWN.fullmatch, self.commands.run("ufw", "status", "numbered").splitlines())
        return [
            _Shown(int(one[1]), one[2], one[3], one[5].partition(" #")[0].strip(), bool(one[6]))
            for one in found
            if one and one[4] == "IN"
        ]

    def _port(self, rule: _Shown, ports: Sequence[int]) -> int | None:
        """The first of the ports that a rule of others is for: every one where it names none."""
        to = rule.to.replace(" (v6)", "").partition(" on ")[0]
        said = to.split()[-1]
        if to.startswith("Anywhere") or _is_address(said):
            return ports[0]
        if not said[0].isdigit():
            said = self._profile(to)
        return next((port for port in ports if _holds(said, port)), None)

    def _profile(self, name: str) -> str:
        """The ports of an application's profile."""
        found = re.search(r"(?ms)^Ports?:(.*)", self.commands.run("ufw", "app", "info", name))
        return ",".join(found[1].split()) if found else ""

    def _in_kernel(self, family: int, rules: Iterable[str]) -> bool:
        wanted = [rule for rule in rules if (":" in _source(rule)) is (family == 6)]
        if not wanted:
            return True
        program, chain = ("ip6tables", "ufw6-user-input") if family == 6 else ("iptables", "ufw-user-input")
        try:
            lines = self.commands.run(program, "-S", chain).splitlines()
        except FailedError:
            return False
        for does, target in _LIST.items():
            there = [
                found[1]
                for line in lines
                if line.endswith(f" -j {target}") and (found := re.search(r" -s (\S+)", line))
            ]
            if not read_set(there, chain).covers(_set(rule for rule in wanted if rule.startswith(does))):
                return False
        return True


def _parts(ours: Ours) -> tuple[list[str], list[str]]:
    """The rules that are asked first, and the refusal of everybody else behind them."""
    rules: list[str] = ours["rules"]
    permitted = [rule for rule in rules if rule.startswith("allow ")]
    refused = [rule for rule in rules if not rule.startswith("allow ")]
    halves = {half for both in HALVES.values() for half in both}
    if permitted or (refused and {_source(rule) for rule in refused} <= halves):
        return permitted, refused
    return refused, []


def _source(rule: str) -> str:
    found = _FROM.search(rule)
    return found[1] if found else ""


def _set(rules: Iterable[str]) -> AddressSet:
    sources = list(filter(None, map(_source, rules)))
    return read_set(sources, "ufw") if sources else EMPTY


def _kinds(rules: Iterable[str]) -> set[str]:
    return {_FROM.sub("", rule) for rule in rules}


def _is_address(word: str) -> bool:
    try:
        parse_range(word)
    except ValueError:
        return False
    return not word.isdigit()


def _from_anywhere(rule: _Shown) -> bool:
    return not rule.ours and rule.does in {"ALLOW", "LIMIT"} and rule.source.startswith("Anywhere")


def _holds(said: str, port: int) -> bool:
    for one in said.replace("|", ",").split(","):
        ports, _, protocol = one.partition("/")
        first, _, last = ports.partition(":")
        if protocol in {"", "tcp"} and first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return False
