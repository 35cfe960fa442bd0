"""The page of results: docs/bench.md. Says what was measured on what, never the name or a path of a machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import logs, lookups, memory
from bench.life import EACH, KEPT, LONGEST_PAUSE, MOST_LESS, POSTGRESQL, SQLITE, Life
from bench.loads import SESSIONS, Measured, median
from bench.logs import Logs, Reading
from bench.lookups import LookUps
from bench.memory import Idle
from bench.soak import Moment
from bench.targets import SIZES, Compiling
from bench.throughput import GOALS, Throughput
from bench.ways import HAPROXY, NOTHING, ONE_WORKER, PROXY_FILTER, TWO_WORKERS, WITH_QUEUE

WAYS = [NOTHING, HAPROXY, PROXY_FILTER, WITH_QUEUE, ONE_WORKER, TWO_WORKERS]
_RIVALS = [HAPROXY, PROXY_FILTER, WITH_QUEUE]

INTRODUCTION = """\
# Speed

Written by `python -m bench --write docs/bench.md`; do not edit. `make bench` measures on your own machine.

A generator sends to X, X passes on to smtp-sink, all on one machine. X is one of these:

| X | What it is |
|---|---|
| nothing | the generator speaks to smtp-sink directly; not under TLS, which smtp-sink lacks |
| HAProxy | TCP mode with one `src` rule. It has no STARTTLS: there it ends TLS that begins with the connection |
| Postfix, proxy filter | `smtpd_proxy_filter`: the client waits for the server behind; one rule on its address |
| Postfix, queue | takes the mail, then sends it on; timed until its queue is empty; one rule on the client's address |
| Arrowslit | one rule on the client's address; decisions and deliveries recorded in `decisions.jsonl` |

Plain mail comes from Postfix's smtp-source, mail under TLS from a generator of our own (smtp-source has none), with \
{sessions} connections at a time. Neither pipelines. Rounds over all X are interleaved; ratios are taken within a \
round, and the table shows their median and, in brackets, the smallest and largest. Generator and sink share the \
cores with X, so a second worker cannot show all that it brings on a machine with few.
"""


@dataclass(slots=True)
class Results:
    """What was measured; what was not is None or empty, and left out of the page."""

    throughput: Throughput = field(default_factory=Throughput)
    refused: dict[str, list[Measured]] = field(default_factory=dict)
    idle: Idle | None = None
    large: int | None = None
    look_ups: LookUps | None = None
    life: Life | None = None
    soak: list[Moment] = field(default_factory=list)
    compiling: dict[str, dict[int, Compiling | None]] = field(default_factory=dict)
    logs: Logs | None = None


def page(results: Results) -> str:
    """The whole page, in Markdown."""
    parts = [INTRODUCTION.format(sessions=SESSIONS), _machine(results), _goals(results), _ratios(results.throughput)]
    parts += [_rates(results.throughput), _refused(results.refused), _soak(results.soak)]
    parts += [_logs(results.logs), _compiling(results.compiling)]
    return "\n".join(part for part in parts if part)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *rows)]
    return "\n".join(lines) + "\n"


def _machine(results: Results) -> str:
    cpus = {line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    facts = [
        ("cores", str(os.cpu_count())),
        ("processor", ", ".join(sorted(cpus)) or platform.machine()),
        ("memory", f"{_memory():.0f} GB"),
        ("system", f"Linux {platform.release().split('-')[0]}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("most that other programs used during a measurement", f"{results.throughput.others:.0%} of the machine"),
    ]
    return "## The machine\n\n" + _table(("fact", "value"), facts)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _memory() -> float:
    return int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) / 2**20


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def _goals(results: Results) -> str:
    rows: list[Sequence[str]] = []
    for goal in GOALS:
        for way in (ONE_WORKER, TWO_WORKERS):
            ratios = results.throughput.ratios(goal.load, way, goal.rival)
            met = results.throughput.met(goal, way)
            if met is not None:
                name = f"{goal.load.name}: {way} / {goal.rival}"
                rows.append((name, f"{goal.times:g} or more", _spread(ratios), _yes(met)))
    rows += _memory_goals(results)
    return "## Goals\n\n" + _table(("what", "goal", "measured", "met"), rows)


def _memory_goals(results: Results) -> Iterable[Sequence[str]]:
    if results.idle:
        idle = results.idle
        name = f"memory of an idle session, at {idle.sessions}"
        yield name, "30 KB or less", f"{idle.plain / 1024:.1f} KB", _yes(idle.plain <= memory.IDLE_GOAL)
        yield f"{name}, under TLS", "", f"{idle.tls / 1024:.1f} KB", ""
    if results.large is not None:
        large = f"{results.large / 2**20:.1f} MB"
        yield "memory that a message of 50 MB adds", "2 MB or less", large, _yes(results.large <= memory.LARGE_GOAL)
    if results.look_ups:
        yield from _look_up_goals(results.look_ups)
    if results.life:
        yield from _life_goals(results.life)
    if results.logs:
        yield from _log_goals(results.logs.many)


def _life_goals(found: Life) -> Iterable[Sequence[str]]:
    for load in (KEPT, EACH):
        for store in (SQLITE, POSTGRESQL):
            less = found.less(load, store)
            name = f"{load.name}: messages a second that decisions in {store} cost"
            yield name, f"{MOST_LESS:.0%} or less", f"{less:.0%}", _yes(less <= MOST_LESS)
    pause = f"{found.pause * 1000:.1f} ms"
    yield (
        "99 of 100 NOOPs while 1,000,000 ranges are taken up",
        "10 ms or less",
        pause,
        _yes(found.pause <= LONGEST_PAUSE),
    )
    yield "from the changed file to the policy in force", "", f"{found.took:.1f} s", ""


def _log_goals(many: Reading) -> Iterable[Sequence[str]]:
    name = f"rehearsing {many.lines:,} lines of Postfix's log"
    yield name, "60 s or less", f"{many.seconds:.1f} s", _yes(many.seconds <= logs.GOAL_SECONDS)
    yield f"{name}: memory", "1 GB or less", f"{many.memory / 1e6:.0f} MB", _yes(many.memory <= logs.GOAL_MEMORY)


def _look_up_goals(found: LookUps) -> Iterable[Sequence[str]]:
    few, many = (f"{found.decision[ranges]:.2f} µs" for ranges in (lookups.FEW, lookups.MANY))
    slower = f"{found.slower:.2f} ({many} against {few})"
    yield "a decision with 1,000,000 ranges / with 10", "1.5 or less", slower, _yes(found.slower <= lookups.SLOWER_GOAL)
    yield "a worker loads 1,000,000 ranges", "2 s or less", f"{found.load:.3f} s", _yes(found.load <= lookups.LOAD_GOAL)
    used = f"{found.memory / 1e6:.1f} MB"
    yield "memory that they take in a worker", "60 MB or less", used, _yes(found.memory <= lookups.MEMORY_GOAL)
    yield "the parent reads and packs them", "", f"{found.take_up:.1f} s", ""


def _ratios(throughput: Throughput) -> str:
    head = ["load", *(f"{way} / {rival}" for way in ("1 worker", "2 workers") for rival in _RIVALS)]
    pairs = [(way, rival) for way in (ONE_WORKER, TWO_WORKERS) for rival in _RIVALS]
    rows = [
        [load.name, *(_spread(throughput.ratios(load, way, rival)) for way, rival in pairs)]
        for load in throughput.rounds
    ]
    return "## Arrowslit beside the others\n\nHow many times as many messages a second.\n\n" + _table(head, rows)


def _rates(throughput: Throughput) -> str:
    def cell(load_way: tuple[object, str]) -> str:
        load, way = load_way
        rates = throughput.rates(load, way)  # type: ignore[arg-type]
        return f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})" if rates else "-"

    rates = [[load.name, *(cell((load, way)) for way in WAYS)] for load in throughput.rounds]
    cpu = [
        [load.name, *(f"{throughput.cpu(load, way):,.0f}" if throughput.rates(load, way) else "-" for way in WAYS)]
        for load in throughput.rounds
    ]
    text = "## Messages a second\n\nMedian, and the slowest and fastest round. They hold for this machine only.\n\n"
    middle = "\n## CPU time a message\n\nMicroseconds of X's own processes, counted in hundredths of a second.\n\n"
    return text + _table(["load", *WAYS], rates) + middle + _table(["load", *WAYS], cpu)


def _refused(refused: dict[str, list[Measured]]) -> str:
    if not refused:
        return ""
    rows = [
        (name, f"{median([one.rate for one in all_]):,.0f}", f"{median([one.cpu for one in all_]):,.0f}")
        for name, all_ in refused.items()
    ]
    text = (
        "## Refused connections\n\nA stranger connects and hangs up when it has heard. Arrowslit with "
        '`refuse_at = "connect"` answers 554 and records it (a flood of one address in one record a second); '
        "HAProxy (`tcp-request connection reject`) closes "
        "without a word or a record; Postfix (`smtpd_client_restrictions`, `smtpd_delay_reject = no`) answers 554 and "
        "logs. The generator takes a core, and bounds what can be seen of HAProxy.\n\n"
    )
    return text + _table(("X", "refused a second", "µs of CPU each"), rows)


def _logs(found: Logs | None) -> str:
    if found is None:
        return ""
    text = (
        "## Past logs\n\n`policy rehearse` on Postfix's log, and pflogsumm on the smaller one. A part of it is what "
        "two processes take to start.\n\n"
    )
    rows = [
        (
            name,
            f"{one.lines:,}",
            f"{one.seconds:.1f} s",
            f"{one.lines / one.seconds:,.0f}",
            f"{one.memory / 1e6:.0f} MB",
        )
        for name, one in (("rehearse", found.few), ("rehearse", found.many), ("pflogsumm", found.rival))
    ]
    times = found.rival.seconds / found.few.seconds
    return (
        text
        + _table(("what", "lines", "took", "lines a second", "memory"), rows)
        + f"\nAs fast as pflogsumm {times:.1f} times; ten times the lines take "
        f"{found.many.seconds / found.few.seconds:.1f} times as long.\n"
    )


def _compiling(found: dict[str, dict[int, Compiling | None]]) -> str:
    if not found:
        return ""
    rows = [
        (name, *(_compiled(sizes[size]) for size in SIZES), _growth(sizes[SIZES[1]], sizes[SIZES[2]]))
        for name, sizes in found.items()
    ]
    text = (
        "## Compiling to each target\n\nSeconds, and the size of the text, by the number of entries; then how many "
        "times as long ten times as many take. A dash: the target's own limit is a gap there.\n\n"
    )
    return text + _table(("target", *(f"{size:,}" for size in SIZES), "growth"), rows)


def _compiled(one: Compiling | None) -> str:
    return "-" if one is None else f"{one.seconds:.3f} s, {one.octets / 1000:,.0f} kB"


def _growth(some: Compiling | None, many: Compiling | None) -> str:
    return "-" if some is None or many is None else f"{many.seconds / some.seconds:.0f}"


def _soak(moments: Sequence[Moment]) -> str:
    if not moments:
        return ""
    shown = [moments[0], *moments[len(moments) // 4 :: max(len(moments) // 4, 1)], moments[-1]]
    rows = [
        (f"{one.at:.0f} s", f"{one.rate:,.0f}", f"{one.rss / 2**20:.1f} MB", str(one.files))
        for one in dict.fromkeys(shown)
    ]
    text = "## The same load for minutes\n\nOne worker, 4 KB, kept connections and a connection a message in turn.\n\n"
    return text + _table(("after", "messages a second", "resident", "open files"), rows)
