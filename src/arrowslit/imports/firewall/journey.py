"""The whole way of a connection through the hooks: the first packet in, the answer out, and what comes after it.

Terms: an *arrival* is where the first packet ends up: at this machine or on its way to a server behind it, with the
parts of the clients that get so far. Chains of the kind "nat" see only the first packet of a connection, and the first
translation counts; all others see every packet. Sources: the order of the hooks and the numbers of their priorities
are those of nft(8), section Chains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from arrowslit.imports.firewall.packet import Packet
from arrowslit.imports.firewall.rules import (
    ACCEPT,
    DROP,
    FORWARD,
    INGRESS,
    INPUT,
    NAT,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    RETURN,
    TRANSLATE,
    Chain,
    Rule,
    RuleSet,
    Table,
    Verdict,
)
from arrowslit.imports.firewall.spans import ALL, NONE, Spans, both, union, without
from arrowslit.imports.firewall.walk import Outcomes, Part, Walker, narrowed

Told: TypeAlias = dict[Rule, tuple[str, ...]]
"""Rules with what is said of them."""

_TRACKED_FROM: Final = -200
_TRANSLATED_AT: Final = -100


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet with who it may come from; `first` is how it came in. `refused` are those who may be turned away, and
    `elsewhere` those who may end up elsewhere.
    """

    packet: Packet
    first: Packet
    parts: list[Part]
    refused: list[Part] = field(default_factory=list)
    elsewhere: Spans = NONE


@dataclass(frozen=True, slots=True)
class Reached:
    """Who has a connection with the server, surely, and `perhaps` (those too); what can't be told, and what is lost."""

    parts: list[Part] = field(default_factory=list)
    refused: list[Part] = field(default_factory=list)
    perhaps: Spans = NONE
    unclear: Told = field(default_factory=dict)
    losses: Told = field(default_factory=dict)

    @property
    def sure(self) -> Spans:
        """All that surely get there."""
        return union(*(part.spans for part in self.parts))


class Journey:
    """Follows connections through one rule set."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules, self.walker = rules, Walker()
        self._policies: dict[int, Rule] = {}

    def arrivals(self, packet: Packet, heard: Outcomes) -> list[Arrival]:
        """What becomes of the first packet of anybody, before it is routed."""
        streams = [Arrival(packet, packet, [Part(ALL[packet.version])])]
        for hook in (INGRESS, PREROUTING):
            for table, chain in self.rules.bases(hook, packet.version):
                streams = [one for each in streams for one in self._step(each, table, chain, heard)]
        streams = [one for one in streams if one.parts]
        ends = [_all(one.parts) for one in streams]
        return [
            replace(one, elsewhere=union(*ends[:number], *ends[number + 1 :])) for number, one in enumerate(streams)
        ]

    def to_host(self, arrival: Arrival, before: Outcomes) -> Reached:
        """Who gets to this machine itself."""
        answer = arrival.packet.answer("", arrival.packet.incoming)
        return self._connected(arrival, before, (INPUT,), answer, (OUTPUT, POSTROUTING))

    def to_behind(self, arrival: Arrival, outgoing: str, before: Outcomes) -> Reached:
        """Who gets through to a server that lies behind the other interface."""
        packet = replace(arrival.packet, outgoing=outgoing, local=False)
        answer = packet.answer(outgoing, packet.incoming)
        hooks = (FORWARD, POSTROUTING)
        return self._connected(replace(arrival, packet=packet), before, hooks, answer, (PREROUTING, *hooks))

    def _connected(
        self, arrival: Arrival, before: Outcomes, hooks: tuple[str, ...], answer: Packet, back: tuple[str, ...]
    ) -> Reached:
        """Only who hears the answer too, and may go on after it, has a connection."""
        heard = Outcomes()
        heard.heard(before)
        came = self._through(arrival, hooks, heard, nat=True)
        everybody = [Part(ALL[answer.version])]
        answered = self._through(Arrival(answer, answer, everybody), back, heard)
        later = Arrival(arrival.packet.later(), arrival.first.later(), everybody)
        went_on = self._through(later, (INGRESS, PREROUTING, *hooks), heard)
        refused = [part for one in (came, answered, went_on) for part in one.refused]
        perhaps = both(both(_all(came.parts), _all(answered.parts)), _all(went_on.parts))
        sure = without(perhaps, union(arrival.elsewhere, _all(refused)))
        by_sureness = sorted(came.parts, key=lambda part: not part.sure)
        parts = [replace(part, spans=spans) for part in by_sureness if (spans := both(part.spans, sure))]
        return Reached(parts, refused, perhaps, heard.unclear, heard.losses)

    def _through(self, stream: Arrival, hooks: Iterable[str], heard: Outcomes, *, nat: bool = False) -> Arrival:
        """Through all chains of these hooks. Translations that stand behind the routing only change the client."""
        for hook in hooks:
            for table, chain in self.rules.bases(hook, stream.packet.version):
                if nat or chain.kind != NAT:
                    early = stream.first if _before_translation(hook, chain) else stream.packet
                    after = self._step(replace(stream, packet=early), table, chain, heard)[0]
                    stream = replace(after, packet=stream.packet)
        return stream

    def _step(self, stream: Arrival, table: Table, chain: Chain, heard: Outcomes) -> list[Arrival]:
        """Through one chain; what is translated there goes on for itself, behind what is not."""
        packet, parts = stream.packet, stream.parts
        if (chain.kind == NAT and packet.translated) or (chain.devices and packet.incoming not in chain.devices):
            return [stream]
        untracked = chain.hook == INGRESS or chain.priority < _TRACKED_FROM
        found = self.walker.chain(table, chain.name, replace(packet, state="") if untracked else packet)
        if parts:
            heard.heard(found)
        by_policy = self._policies.setdefault(id(chain), Rule((), Verdict(chain.policy), chain.origin, chain.policy))
        at_end = {chain.policy: [replace(part, last=part.last or by_policy) for part in found.get(RETURN)]}
        through = narrowed(parts, [*found.get(ACCEPT), *at_end.get(ACCEPT, ())])
        refused = narrowed(parts, [*found.get(DROP), *at_end.get(DROP, ())])
        made = [replace(stream, parts=through, refused=[*stream.refused, *refused])]
        for verdict, some in found.parts.items():
            if verdict.kind == TRANSLATE:
                made.append(replace(made[0], packet=_translated(packet, verdict), parts=narrowed(parts, some)))
        return made


def _before_translation(hook: str, chain: Chain) -> bool:
    return hook in {INGRESS, PREROUTING} and chain.priority < _TRANSLATED_AT


def _all(parts: list[Part]) -> Spans:
    """The clients of all parts."""
    return union(*(part.spans for part in parts))


def _translated(packet: Packet, verdict: Verdict) -> Packet:
    """The packet behind a translation. One that changes nothing is none to the kernel."""
    port = packet.port if verdict.port is None else verdict.port
    if verdict.address is None and not verdict.here:
        return replace(packet, port=port, translated=port != packet.port)
    changed = verdict.here or verdict.address != packet.server or port != packet.port
    return replace(packet, port=port, server=verdict.address, local=verdict.here, translated=changed)
