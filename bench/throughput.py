"""Messages a second through every way: rounds over all ways, load by load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.loads import Load, Measured, median, send
from bench.ways import HAPROXY, ONE_WORKER, PROXY_FILTER, Way

SMALL, LARGE = 4096, 2**20
LOADS = [Load(size, keep, tls) for tls in (False, True) for size in (SMALL, LARGE) for keep in (True, False)]
_WARM = {SMALL: 400, LARGE: 20}
_DISTURBED = 0.1
"""Share of the machine that others may use in a measurement before it is done again, once."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Goal:
    """At least `times` as many messages a second as `rival` with this load."""

    load: Load
    rival: str
    times: float


GOALS = [
    Goal(Load(SMALL, True, False), PROXY_FILTER, 3.0),
    Goal(Load(SMALL, False, False), PROXY_FILTER, 2.0),
    Goal(Load(SMALL, True, False), HAPROXY, 0.8),
    Goal(Load(SMALL, False, False), HAPROXY, 1.0),
]


@dataclass(slots=True)
class Throughput:
    """What was measured: load -> way -> one `Measured` a round."""

    rounds: dict[Load, dict[str, list[Measured]]] = field(default_factory=dict)

    def rates(self, load: Load, way: str) -> list[float]:
        """Messages a second, by round."""
        return [one.rate for one in self.rounds.get(load, {}).get(way, [])]

    def cpu(self, load: Load, way: str) -> float:
        """Microseconds of the way's CPU time a message."""
        return median([one.cpu for one in self.rounds[load][way]])

    def ratios(self, load: Load, way: str, rival: str) -> list[float]:
        """How many times the rival's rate, by round: of rates that were measured one after the other."""
        return [ours / theirs for ours, theirs in zip(self.rates(load, way), self.rates(load, rival), strict=False)]

    def met(self, goal: Goal, way: str = ONE_WORKER) -> bool | None:
        """Whether the goal is met; None where it was not measured."""
        ratios = self.ratios(goal.load, way, goal.rival)
        return median(ratios) >= goal.times if ratios else None

    @property
    def others(self) -> float:
        """The largest share of the machine that other programs had in a measurement that counts."""
        return max((one.others for ways in self.rounds.values() for all_ in ways.values() for one in all_), default=0.0)


def measure(ways: Sequence[Way], loads: Sequence[Load], rounds: int, seconds: float, say: Say) -> Throughput:
    """Send every load through every way, `rounds` times about `seconds` each after a first time that sets the pace."""
    result = Throughput()
    for load in loads:
        paces = {way.name: _pace(way, load) for way in ways if way.place(tls=load.tls) is not None}
        here = result.rounds[load] = {name: [] for name in paces}
        for number in range(rounds):
            # Every other round goes the other way round, so that drift favours nobody.
            for way in ways[:: 1 if number % 2 == 0 else -1]:
                if way.name in paces:
                    here[way.name].append(_undisturbed(way, load, paces[way.name], seconds))
        say(f"{load.name}: " + ", ".join(f"{name} {median(result.rates(load, name)):.0f}/s" for name in here))
    return result


def _pace(way: Way, load: Load) -> float:
    """Messages a second, roughly."""
    _sent(way, load, _WARM[load.size], 0.3)  # fills caches and starts processes
    return _sent(way, load, _WARM[load.size], 0.3).rate


def _sent(way: Way, load: Load, messages: int, seconds: float) -> Measured:
    measured = send(way, load, messages=messages, seconds=seconds)
    if measured is None:
        raise ValueError(f"{way.name} has no TLS")
    return measured


def _undisturbed(way: Way, load: Load, pace: float, seconds: float) -> Measured:
    messages = max(int(pace * seconds), 20)
    measured = _sent(way, load, messages, seconds)
    return measured if measured.others < _DISTURBED else _sent(way, load, messages, seconds)
