"""smtp-source into smtp-sink, with nothing between."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.peers import smtp_load

pytestmark = pytest.mark.peer("smtp-source")

PROBE = 1
"""The connection that asks whether the sink is there."""


@pytest.mark.parametrize(("keep", "connections"), [(False, 20), (True, 2)])
def test_keeps_connections_only_where_asked(running: ExitStack, keep: bool, connections: int) -> None:
    to = running.enter_context(smtp_load.sink("-v"))
    smtp_load.source((to.address, to.port), messages=20, sessions=2, keep=keep)
    assert to.running.log_text().count("connect (AF_INET") - PROBE == connections
