"""A node whose strangers never reach it: the agent keeps the kernel in step, and what it drops are decisions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.node import serving
from tests.gateway.scripted_hop import scripted
from tests.peers import process
from tests.peers.outside import Outside, outside
from tests.peers.process import until

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables")]

FILTER, SECOND, STRANGER = "83.245.15.239", "203.0.113.77", "203.0.113.99"
POLICY = """\
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{port}"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
refuse_at = "connect"
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "83.245.15.239" }} ]
"""
MORE = """\
[enforcement_points.kernel]
target = "nftables"
interface = "wan0"
follow = true
"""


def test_strangers_are_dropped_by_the_kernel_and_counted_as_decisions(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    nft = tmp_path / "bin" / "nft"
    argv = " ".join(f"'{word}'" for word in process.by_loader("nftables", "usr/sbin/nft"))
    nft.write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
    nft.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    listeners = ['address = "[::]:25"']
    with outside() as net, scripted() as hop:
        policy = POLICY.format(port=hop.at[1])
        with serving(tmp_path, policy, listeners, MORE, prefix=net.machine.prefix) as node:
            argv2 = [*net.machine.prefix, sys.executable, "-m", "arrowslit.cli.main", "agent"]
            with (tmp_path / "agent.log").open("wb") as log:
                agent = subprocess.Popen(argv2, cwd=tmp_path, env=environment, stderr=log)
            try:
                assert until(lambda: net.reach([FILTER, STRANGER]) == {FILTER})
                # The node asks every ten seconds; the first answer is what it counts from.
                assert until(lambda: _dropped(node.records(action="drop"), net) > 0, 40)
                applied = node.run("entry", "add", "connection", SECOND, "--note", "another")
                assert applied.returncode == 0, applied.stderr
                assert until(lambda: SECOND in net.reach([FILTER, SECOND]))
            finally:
                agent.terminate()
                agent.wait(10)
            (row, *_) = node.records(action="drop")
            assert (row["stage"], row["reason"], row["listener"]) == ("connect", "dropped-early", "kernel")
            assert row["rule"] == "default/connection_control/only_listed/end-of-list"
            assert row["revision"] == 1
            assert until(lambda: "dropped-early" in node.run("decision", "list").stdout)
            assert net.reach([FILTER, STRANGER]) == {FILTER}  # what was settled outlives the agent


def _dropped(rows: list[dict[str, object]], net: Outside) -> int:
    net.reach([STRANGER])
    return len(rows)
