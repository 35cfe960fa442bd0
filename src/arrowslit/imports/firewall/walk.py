"""Follows a packet through chains, for every client at once.

Terms: a *part* is some clients with what is known of their way so far: whether it is sure, the rule that last told
them from others by their address, and the rule that last decided. Clients of whom something can't be told are in
several parts that come to different verdicts: what becomes of somebody is sure only where all his parts come to the
same. Of each chain it is worked out once what it comes to for every client; whoever jumps to it takes his share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.firewall.judged import Judged, yes
from arrowslit.imports.firewall.packet import Packet
from arrowslit.imports.firewall.rules import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    NEXT,
    RETURN,
    UNKNOWN,
    Chain,
    Rule,
    Table,
    Verdict,
)
from arrowslit.imports.firewall.spans import ALL, Spans, both, firsts, union, without
from arrowslit.imports.imported import ImportFailedError

_TOGETHER: Final = 16
_WORK: Final = 60_000_000
_PLAIN: Final = {kind: Verdict(kind) for kind in (ACCEPT, DROP, RETURN)}
_LOOP: Final = "its chain calls itself"
_NO_CHAIN: Final = "the chain it leads to is not in the file"


@dataclass(frozen=True, slots=True)
class Part:
    """Some clients. `rule` told them by their address; `last` decided."""

    spans: Spans
    sure: bool = True
    rule: Rule | None = None
    last: Rule | None = None


@dataclass(slots=True)
class Outcomes:
    """What becomes of every client, by verdict; `unclear` and `losses` are what can't be told, and why."""

    parts: dict[Verdict, list[Part]] = field(default_factory=dict)
    unclear: dict[Rule, tuple[str, ...]] = field(default_factory=dict)
    losses: dict[Rule, tuple[str, ...]] = field(default_factory=dict)

    def put(self, verdict: Verdict, parts: Iterable[Part]) -> None:
        """These parts come to that."""
        self.parts.setdefault(verdict, []).extend(part for part in parts if part.spans)

    def get(self, kind: str) -> list[Part]:
        """The parts of a plain verdict."""
        return self.parts.get(_PLAIN[kind], [])

    def heard(self, other: Outcomes) -> None:
        """What can't be told there can't be told here."""
        self.unclear.update(other.unclear)
        self.losses.update(other.losses)


def narrowed(parts: Iterable[Part], to: Iterable[Part]) -> list[Part]:
    """The clients that are in both; the second says more of them."""
    made = []
    for one in parts:
        for other in to:
            if spans := both(one.spans, other.spans):
                made.append(Part(spans, one.sure and other.sure, other.rule or one.rule, other.last or one.last))
    return _joined(made)


def _joined(parts: list[Part]) -> list[Part]:
    """Parts that say the same are one."""
    found: dict[tuple[bool, int, int], list[Part]] = {}
    for part in parts:
        found.setdefault((part.sure, id(part.rule), id(part.last)), []).append(part)
    return [
        same[0]
        if len(same) == 1
        else Part(union(*(one.spans for one in same)), same[0].sure, same[0].rule, same[0].last)
        for same in found.values()
    ]


class Walker:
    """Follows one kind of packet after the other through the tables; keeps what it found. Gives up after much work."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str, Packet], Outcomes] = {}
        self._under_way: set[tuple[int, str]] = set()
        self._work = 0

    def chain(self, table: Table, name: str, packet: Packet) -> Outcomes:
        """What a chain comes to for every client."""
        key = (id(table), name, packet)
        if key not in self._kept:
            self._under_way.add(key[:2])
            self._kept[key] = _Run(self, table, packet).through(table.chains[name])
            self._under_way.discard(key[:2])
        return self._kept[key]

    def calls_itself(self, table: Table, name: str) -> bool:
        """True where that chain is being followed at this moment."""
        return (id(table), name) in self._under_way

    def worked(self, much: int) -> None:
        """Counts work. Raises ImportFailedError where it is too much."""
        self._work += much
        if self._work > _WORK:
            raise ImportFailedError("the rules are too many, or too much entangled, to be followed for every client")


class _Run:
    """One packet through one chain."""

    def __init__(self, walker: Walker, table: Table, packet: Packet) -> None:
        self.walker, self.table, self.packet = walker, table, packet
        self.found = Outcomes()
        self.live = [Part(ALL[packet.version])]
        self.waiting: list[tuple[Rule, Spans]] = []

    def through(self, chain: Chain) -> Outcomes:
        for rule in chain.rules:
            if rule.verdict.kind == NEXT or not self.live:
                continue
            judged = self._judged(rule)
            if judged.nobody:
                continue
            if rule.of_clients and not judged.perhaps and self._ends(rule.verdict):
                self.waiting.append((rule, judged.sure))
                continue
            self._settle()
            self._step(rule, judged)
        self._settle()
        self.found.put(_PLAIN[RETURN], self.live)
        return self.found

    def _judged(self, rule: Rule) -> Judged:
        found = yes(self.packet.version)
        for one in rule.in_order:
            found = found.and_(one.judge(self.packet))
            if found.nobody:
                break
        self.walker.worked(1 + len(found.sure) + len(found.perhaps))
        if found.loss:
            self.found.losses[rule] = found.loss
        if found.perhaps:
            self.found.unclear[rule] = found.why
        return found

    def _ends(self, verdict: Verdict) -> bool:
        """True where no client comes back to this chain, and all is clear."""
        if verdict.kind not in {JUMP, GOTO}:
            return verdict.ends
        if verdict.chain not in self.table.chains or self.walker.calls_itself(self.table, verdict.chain):
            return False
        there = self.walker.chain(self.table, verdict.chain, self.packet)
        return not there.unclear and (verdict.kind == GOTO or not there.get(RETURN))

    def _settle(self) -> None:
        """The rules that only tell clients by their address, all at once: the first that holds decides."""
        waiting, self.waiting = self.waiting, []
        if len(waiting) < _TOGETHER:
            for rule, spans in waiting:
                self._step(rule, Judged(spans))
            return
        decided = firsts([spans for _, spans in waiting])
        for (rule, _), spans in zip(waiting, decided, strict=True):
            if spans:
                self._emit(rule, spans, sure=True)
        taken = union(*decided)
        self.live = [
            Part(left, one.sure, one.rule, one.last) for one in self.live if (left := without(one.spans, taken))
        ]
        self.walker.worked(len(taken) * (1 + len(self.live)))

    def _step(self, rule: Rule, judged: Judged) -> None:
        before = self.live
        self.walker.worked(sum(len(part.spans) for part in before))
        self.live = []
        back = self._emit(rule, judged.sure, sure=True, live=before)
        if judged.perhaps:
            back += self._emit(rule, judged.perhaps, sure=False, live=before)
        for part in before:
            rest = without(part.spans, judged.sure)
            certain = without(rest, judged.perhaps)
            self._stay(certain, part, sure=part.sure)
            self._stay(both(rest, judged.perhaps), part, sure=False)
        self.live = _joined(self.live + back)

    def _stay(self, spans: Spans, part: Part, *, sure: bool) -> None:
        if spans:
            self.live.append(Part(spans, sure, part.rule, part.last))

    def _emit(self, rule: Rule, spans: Spans, *, sure: bool, live: list[Part] | None = None) -> list[Part]:
        """Does the verdict for those clients who get there; the parts that come back to this chain."""
        told = rule if rule.of_clients else None
        hit = [
            Part(common, sure and part.sure, told or part.rule, rule)
            for part in (self.live if live is None else live)
            if (common := both(part.spans, spans))
        ]
        kind = rule.verdict.kind
        if kind in {JUMP, GOTO}:
            return self._jump(rule, hit)
        if kind == UNKNOWN:
            return self._unknown(rule, hit, rule.verdict.why)
        self.found.put(rule.verdict, hit)
        return []

    def _unknown(self, rule: Rule, hit: list[Part], why: str) -> list[Part]:
        """They may be let in, turned away, or come back."""
        unsure = [Part(one.spans, False, one.rule, one.last) for one in hit]
        self.found.put(_PLAIN[ACCEPT], unsure)
        self.found.put(_PLAIN[DROP], unsure)
        self.found.unclear[rule] = (why,)
        return unsure

    def _jump(self, rule: Rule, hit: list[Part]) -> list[Part]:
        name = rule.verdict.chain
        if name not in self.table.chains or self.walker.calls_itself(self.table, name):
            return self._unknown(rule, hit, _LOOP if name in self.table.chains else _NO_CHAIN)
        there = self.walker.chain(self.table, name, self.packet)
        self.found.heard(there)
        for verdict, parts in there.parts.items():
            self.walker.worked(len(hit) * len(parts))
            shared = narrowed(hit, parts)
            if verdict.kind != RETURN:
                self.found.put(verdict, shared)
            elif rule.verdict.kind == GOTO:
                self.found.put(_PLAIN[RETURN], shared)
        if rule.verdict.kind == GOTO:
            return []
        return narrowed(hit, there.get(RETURN))
