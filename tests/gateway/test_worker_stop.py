"""A worker that stops in order leaves nothing behind that would be taken for a crash."""

from __future__ import annotations

import asyncio
from pathlib import Path

from arrowslit.gateway.worker import Worker
from arrowslit.gateway.worker_link import WorkerLink
from tests.gateway.inside import inside
from tests.gateway.scripted_hop import scripted
from tests.gateway.test_next_hop_faults import policy, send


class _GoesOn(asyncio.SelectorEventLoop):
    """A loop for the worker alone, so that its end is not the end of the loop under test."""


def test_a_stop_right_behind_a_delivery_lets_go_of_the_intent(tmp_path: Path) -> None:
    ours, theirs = WorkerLink.pair()
    loop = _GoesOn()
    worker = Worker(loop, WorkerLink(theirs))
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == 250
        assert node.state.intents.taken == 1, "the record is not written yet, so the intent stands"
        worker._state = node.state
        node.run(worker.stop)
        assert node.state.intents.taken == 0
        assert [row["outcome"] for row in node.records(kind="delivery")] == ["delivered"]
    loop.close()
    ours.close()
    theirs.close()
