"""HAProxy between smtp-source and smtp-sink."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.peers import haproxy, process, smtp_load

pytestmark = pytest.mark.peer("haproxy", "smtp-source")


@pytest.mark.parametrize("keep", [False, True])
def test_passes_100_messages(running: ExitStack, keep: bool) -> None:
    to = running.enter_context(smtp_load.sink())
    front = running.enter_context(haproxy.front((to.address, to.port), allow=["127.0.0.1"]))
    assert smtp_load.source((front.address, front.port), messages=100, sessions=5, keep=keep) > 0


def test_lets_nobody_in_who_is_not_listed(running: ExitStack) -> None:
    to = running.enter_context(smtp_load.sink())
    front = running.enter_context(haproxy.front((to.address, to.port), allow=["192.0.2.1"]))
    assert not process.answers(front.address, front.port, b"220")()
    with pytest.raises(process.PeerError):
        smtp_load.source((front.address, front.port), messages=1)


def test_load_goes_to_no_other_address() -> None:
    with pytest.raises(process.PeerError):
        smtp_load.source_argv(("10.0.0.1", 25), messages=1)
