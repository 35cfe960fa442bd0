"""What a decision costs with 10 and with 1,000,000 ranges on the list, and how a worker gets that list.

The list is a network's file, taken up by `arrowslit.app` as `serve` does it: packed there, mapped by the worker. Each
measurement runs in a process of its own: `python -m bench.lookups FOLDER RANGES`, where FOLDER is a site that was
taken up. Ranges are spread evenly, every one apart from the next.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from arrowslit.app import take_up
from arrowslit.documents.site import site_for_worker
from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Stage
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import Policy
from bench import processes
from bench.loads import root

FEW, MANY = 10, 1_000_000
SLOWER_GOAL, LOAD_GOAL, MEMORY_GOAL = 1.5, 2.0, 60_000_000
_FIRST = int(IPv4Address("11.0.0.0"))
_WIDEST = 2**20
"""No source of a network is believed that lists ranges wider than a /10."""

_POLICY = """\
version = 1
[networks.listed]
file = "ranges.txt"
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.test"]
next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { network = "listed" } ]
"""
_SETTINGS = '[node]\nname = "mx.arrowslit.test"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'


@dataclass(frozen=True, slots=True)
class LookUps:
    """`decision`: microseconds, by number of ranges. `load` and `memory`: seconds and octets for MANY in a worker.

    `take_up`: seconds that reading and packing MANY took the parent, beside the mail's path.
    """

    decision: dict[int, float]
    load: float
    memory: int
    take_up: float

    @property
    def slower(self) -> float:
        """How many times as long a decision takes with MANY."""
        return self.decision[MANY] / self.decision[FEW]


def measure(folder: Path) -> LookUps:
    """Measure in processes of their own, the two sizes in turn."""
    seconds: dict[int, float] = {}
    told: dict[int, list[dict[str, Any]]] = {FEW: [], MANY: []}
    for ranges in (FEW, MANY):
        (folder / str(ranges)).mkdir(parents=True)
        began = time.monotonic()
        _run(folder, ranges, "take-up")
        seconds[ranges] = time.monotonic() - began
    for _ in range(3):
        for ranges, results in told.items():
            results.append(_run(folder, ranges, "decide"))
    decision = {ranges: min(result["decision"] for result in results) for ranges, results in told.items()}
    load = min(result["load"] for result in told[MANY])
    return LookUps(decision, load, max(result["memory"] for result in told[MANY]), seconds[MANY])


def _run(folder: Path, ranges: int, what: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.lookups", str(folder / str(ranges)), str(ranges), what]
    # Our own interpreter and module.
    done = subprocess.run(argv, capture_output=True, check=True, timeout=180, cwd=root())  # noqa: S603
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _step(ranges: int) -> int:
    return (int(IPv4Address("192.0.0.0")) - _FIRST) // ranges


def _take_up(folder: Path, ranges: int) -> dict[str, Any]:
    step = _step(ranges)
    width = min(step // 4, _WIDEST)
    lines = (f"{IPv4Address(at)}-{IPv4Address(at + width)}" for at in range(_FIRST, _FIRST + ranges * step, step))
    (folder / "ranges.txt").write_text("\n".join(lines))
    (folder / "policy.toml").write_text(_POLICY)
    (folder / "arrowslit.toml").write_text(f'{_SETTINGS}[log]\nmail = ""\n')
    active = take_up(folder / "arrowslit.toml")
    plan = {"settings": dict(active.plan.settings), "policy": str(active.plan.policy.path)}
    (folder / "plan.json").write_text(json.dumps(plan))
    return plan


def _decide(folder: Path, ranges: int) -> dict[str, Any]:
    plan = json.loads((folder / "plan.json").read_text())
    before, began = processes.rss(os.getpid()), time.perf_counter()
    site = site_for_worker(plan["settings"], Path(plan["policy"]), revision=1)
    load = time.perf_counter() - began
    if site.policy is None:
        raise ValueError("; ".join(placed.finding.message for placed in site.findings))
    decision = _time(site.policy, ranges)
    return {"load": load, "memory": processes.rss(os.getpid()) - before, "decision": decision}


def _time(policy: Policy, ranges: int) -> float:
    """Microseconds that a decision at RCPT takes, half the clients on the list; the best of several passes."""
    some = random.Random(1)  # noqa: S311 - the same clients in every run
    step = _step(ranges)
    starts = [_FIRST + some.randrange(ranges) * step for _ in range(1000)]
    listed = [IPv4Address(at + (0 if number % 2 else step // 2)) for number, at in enumerate(starts)]
    facts = [_facts(address) for address in listed]
    judge: Callable[[Policy, Stage, Facts], Any] = decide
    answers = [judge(policy, Stage.RECIPIENT, one) for one in facts]
    permitted = [isinstance(answer, Decision) and answer.permitted for answer in answers]
    if permitted != [bool(number % 2) for number in range(len(facts))]:
        raise ValueError("the decisions are wrong, so their speed says nothing")
    best = float("inf")
    for _ in range(30):
        began = time.perf_counter()
        for one in facts:
            judge(policy, Stage.RECIPIENT, one)
        best = min(best, time.perf_counter() - began)
    return best / len(facts) * 1e6


def _facts(address: IPv4Address) -> Facts:
    return Facts(
        virtual_server="default",
        client_address=address,
        date=datetime.date(2026, 1, 1),
        client_name=None,
        reverse_name=None,
        helo_name="client.example.org",
        tls=False,
        certificate=None,
        authenticated_as=None,
        reverse_path=Mailbox("sender", "example.org", "sender@example.org"),
        forward_path=Mailbox("anna", "example.test", "anna@example.test"),
    )


if __name__ == "__main__":
    work = {"take-up": _take_up, "decide": _decide}[sys.argv[3]]
    print(json.dumps(work(Path(sys.argv[1]), int(sys.argv[2]))))
