"""A mistake of ours in one session ends that session and no other, and gives back what it held."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.inside import inside
from tests.gateway.scripted_hop import scripted
from tests.gateway.test_next_hop_faults import policy, send
from tests.gateway.wire import Wire


def test_a_mistake_of_ours_ends_its_session_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        node.run(lambda: node.loop.set_exception_handler(lambda _loop, _context: None))
        whole = node.state.node.policy
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            node.state.node.policy = None
            assert wire.say("MAIL FROM:<a@elsewhere.test>")[0] == 421
            assert wire.at_end()
        node.state.node.policy = whole
        assert [name for name, _ in node.alarms] == ["session-fault"]
        assert not node.run(lambda: len(node.state.connections))
        assert node.counters.connections(bytes([127, 0, 0, 1])) == 0
        assert send(node)[0] == 250
