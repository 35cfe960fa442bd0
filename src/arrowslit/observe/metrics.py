"""What is counted: by each worker in plain dicts, summed in the parent for Prometheus.

Terms: a *family* is one name with its label names; a *snapshot* is everything that a worker has counted since it
started, as JSON. Counters never go back when a worker is restarted: the parent keeps what dead ones had counted.

Never has an address of anybody in a label, nor a text that strangers choose: labels come from the configuration and
from the names of reasons, and a family holds a limited number of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_LABEL_SETS: Final = 2_000
_OTHER: Final = "other"

BUCKETS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    600.0,
)
"""Upper bounds in seconds: from a server in the same rack to the longest wait for a final reply."""


@dataclass(frozen=True, slots=True)
class Family:
    """`kind` is "counter", "histogram", "sum" or "max" (gauges, by how the workers' values become one)."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()


FAMILIES: Final[dict[str, Family]] = {
    "arrowslit_decisions": Family("counter", "Decisions of the policy.", ("action", "stage", "reason")),
    "arrowslit_deliveries": Family("counter", "Messages by what became of them at the next hop.", ("outcome",)),
    "arrowslit_faults": Family("counter", "Sessions that went wrong, by reason.", ("reason",)),
    "arrowslit_sign_ins": Family("counter", "Tries to authenticate, by result.", ("result",)),
    "arrowslit_sessions": Family("counter", "Sessions begun."),
    "arrowslit_message_bytes": Family("counter", "Octets of messages taken over by the next hop."),
    "arrowslit_connections_refused": Family("counter", "Connections closed before a greeting, by reason.", ("reason",)),
    "arrowslit_records_dropped": Family("counter", "Records not written since the buffer was full.", ("log", "action")),
    "arrowslit_records_aggregated": Family("counter", "Refusals of a flood that share one record."),
    "arrowslit_record_write_failures": Family("counter", "Writes to a log that failed and are retried.", ("log",)),
    "arrowslit_intents_overflowed": Family("counter", "Messages handed over without an intent: all slots taken."),
    "arrowslit_next_hop_seconds": Family("histogram", "From the final dot to the next hop's reply.", ("next_hop",)),
    "arrowslit_sessions_open": Family("sum", "Sessions open now."),
    "arrowslit_spool_bytes": Family("sum", "Octets spooled now."),
    "arrowslit_next_hop_connections": Family("sum", "Connections to next hops open now.", ("next_hop",)),
    "arrowslit_next_hop_up": Family("max", "1 where the next hop answers, 0 where its circuit is open.", ("next_hop",)),
    "arrowslit_revision_info": Family("max", "The policy's revision that runs, as a label.", ("revision",)),
    "arrowslit_policy_loaded": Family("max", "1 when the newest policy has been taken up by all workers."),
    "arrowslit_workers": Family("max", "Worker processes that are ready."),
    "arrowslit_worker_restarts": Family("counter", "Workers that died and were started again."),
    "arrowslit_dropped_early": Family("counter", "Packets that the kernel dropped before a worker saw them."),
    "arrowslit_unknown_outcomes": Family("counter", "Messages that a dying worker left with unknown outcome."),
    "arrowslit_journal_bytes": Family("max", "Octets of decision records that wait for the store."),
    "arrowslit_records_cut": Family("counter", "Decision records that a crash left incomplete."),
    "arrowslit_alarms": Family("max", "1 for each alarm that is on.", ("alarm",)),
    "arrowslit_certificate_expires_timestamp_seconds": Family(
        "max", "When a certificate in use ends, as a Unix time.", ("certificate",)
    ),
}
"""Every family there is; a counter's name gets `_total` when shown."""

Labels = tuple[str, ...]
Snapshot = dict[str, Any]


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Labels, float]] = {name: {} for name in FAMILIES}
        self._histograms: dict[str, dict[Labels, list[float]]] = {}

    def add(self, family: str, labels: Labels = (), amount: float = 1) -> None:
        """Count up."""
        values = self._values[family]
        if labels in values:
            values[labels] += amount
        else:
            labels = _bounded(values, labels)
            values[labels] = values.get(labels, 0) + amount

    def set(self, family: str, labels: Labels = (), value: float = 0) -> None:
        """Set a gauge, or a counter that is kept elsewhere."""
        values = self._values[family]
        values[labels if labels in values else _bounded(values, labels)] = value

    def replace(self, family: str, values: dict[Labels, float]) -> None:
        """Set a gauge whose labels come and go: the labels that are not in `values` vanish."""
        self._values[family] = dict(values)

    def decision(self, action: str, stage: str, reason: str) -> None:
        """One decision."""
        self.add("arrowslit_decisions", (action, stage, reason))

    def next_hop_seconds(self, next_hop: str, seconds: float) -> None:
        """One reply to a final dot."""
        family = self._histograms.setdefault("arrowslit_next_hop_seconds", {})
        labels: Labels = (next_hop,)
        if labels not in family:
            labels = _bounded(family, labels)
            family.setdefault(labels, [0] * (len(BUCKETS) + 2))
        counts = family[labels]
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def snapshot(self) -> Snapshot:
        """Everything so far, as JSON."""
        values = {name: _rows(found) for name, found in self._values.items() if found}
        histograms = {name: _rows(found) for name, found in list(self._histograms.items())}
        return {"values": values, "histograms": histograms}


def _rows(found: dict[Labels, Any]) -> list[list[Any]]:
    """As JSON has it. A copy in one step, since another thread may read what the parent is counting."""
    return [[*labels, list(n) if isinstance(n, list) else n] for labels, n in list(found.items())]


def _bounded(known: dict[Labels, Any], labels: Labels) -> Labels:
    """`labels`, or "other" in each place once a family has its fill."""
    return labels if len(known) < _LABEL_SETS else (_OTHER,) * len(labels)


class NodeMetrics(Collector):
    """The sums over the workers, and what the parent counts itself (`own`). May be read from any thread."""

    def __init__(self) -> None:
        self.own = Metrics()
        self._lock = Lock()
        self._live: dict[int, Snapshot] = {}
        self._dead: list[Snapshot] = []

    def take(self, worker: int, snapshot: Snapshot) -> None:
        """The newest snapshot of a living worker."""
        with self._lock:
            self._live[worker] = snapshot

    def retire(self, worker: int) -> None:
        """That worker is dead: keep what it had counted, forget what it had open."""
        with self._lock:
            last = self._live.pop(worker, None)
            if last is not None:
                values = {name: rows for name, rows in last["values"].items() if FAMILIES[name].kind == "counter"}
                kept = {"values": values, "histograms": last["histograms"]}
                self._dead = [_merged([*self._dead, kept])]

    def total(self, family: str, labels: Labels = ()) -> float:
        """One value as it is shown, 0 where there is none."""
        return self._values().get(family, {}).get(labels, 0)

    def values(self, family: str) -> dict[Labels, float]:
        """All values of one family as they are shown."""
        return self._values().get(family, {})

    def _values(self) -> dict[str, dict[Labels, float]]:
        return _sums(self._all())

    def _all(self) -> list[Snapshot]:
        with self._lock:
            return [*self._dead, *self._live.values(), self.own.snapshot()]

    def collect(self) -> Iterator[Metric]:
        """For `prometheus_client`."""
        snapshots = self._all()
        for name, values in _sums(snapshots).items():
            yield _shown(name, values)
        for name, histograms in _histogram_sums(snapshots).items():
            yield _shown_histogram(name, histograms)


def _sums(snapshots: Iterable[Snapshot]) -> dict[str, dict[Labels, float]]:
    """The values over all snapshots, put together as their family says."""
    together: dict[str, dict[Labels, float]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot["values"].items():
            join: Callable[[float, float], float] = max if FAMILIES[name].kind == "max" else float.__add__
            values = together.setdefault(name, {})
            for *labels, number in rows:
                key = tuple(labels)
                values[key] = join(values[key], float(number)) if key in values else float(number)
    return together


def _histogram_sums(snapshots: Iterable[Snapshot]) -> dict[str, dict[Labels, list[float]]]:
    together: dict[str, dict[Labels, list[float]]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot["histograms"].items():
            values = together.setdefault(name, {})
            for *labels, counts in rows:
                before = values.get(tuple(labels), [0.0] * len(counts))
                values[tuple(labels)] = [a + b for a, b in zip(before, counts, strict=True)]
    return together


def _merged(snapshots: list[Snapshot]) -> Snapshot:
    values = {name: _rows(found) for name, found in _sums(snapshots).items()}
    return {"values": values, "histograms": {name: _rows(f) for name, f in _histogram_sums(snapshots).items()}}


def _shown(name: str, values: dict[Labels, float]) -> Metric:
    family = FAMILIES[name]
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    shown = kind(name, family.help, labels=family.labels)
    for labels, number in sorted(values.items()):
        shown.add_metric(labels, number)
    return shown


def _shown_histogram(name: str, histograms: dict[Labels, list[float]]) -> Metric:
    family = FAMILIES[name]
    shown = HistogramMetricFamily(name, family.help, labels=family.labels)
    for labels, counts in sorted(histograms.items()):
        below, buckets = 0.0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], counts[:-1], strict=True):
            below += count
            buckets.append((bound, below))
        shown.add_metric(labels, buckets=buckets, sum_value=counts[-1])
    return shown
