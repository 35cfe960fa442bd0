"""`arrowslit doctor` on a running node, with DNS and a next hop; and `policy apply`, which asks it before it bites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers import nsd
from tests.peers.process import until

pytestmark = pytest.mark.peer("nsd")

RECORDS = [
    "example.org. MX 10 cluster1.eu.messagelabs.com.",
    "example.org. MX 20 mx.arrowslit.test.",
    "alias.test. MX 10 cluster1.eu.messagelabs.com.",
    "alias.test. MX 20 mx.arrowslit.test.",
]


def checks(node: RunningNode, code: int, *options: str) -> dict[str, dict[str, Any]]:
    """By name."""
    said = node.run("doctor", "--json", *options)
    assert said.returncode == code, said.stderr
    return {one["check"]: one for one in json.loads(said.stdout)["checks"]}


def test_what_is_found(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server, scripted() as hop:
        dns = f'[dns]\nservers = ["{server.at}"]\n'
        with serving(tmp_path, loopback(hop.at[1]), more=dns) as node:
            for _ in range(3):
                with Wire(node.at) as wire:
                    wire.say("EHLO client.test")
                    wire.message("a@elsewhere.test", "carl@alias.test")
            assert until(lambda: "alias.test" in checks(node, 3)["alias-domains"]["found"])
            found = checks(node, 3, "--my-address", "127.0.0.1")
            assert found["mx example.org"]["state"] == "bad"
            assert "that is this server" in found["mx example.org"]["found"]
            assert found["mx-moved example.org"]["state"] == "doubtful"
            assert found["recipient-check inner"]["state"] == "bad"  # it takes everybody
            assert found["own-address"]["state"] == "good"
            assert found["nodes"]["state"] == "good"
            said = node.run("doctor")
            assert "must be mended before locking" in said.stderr
            assert "write recipient_check" in said.stdout
        said = {command.upper() for command in hop.commands}
        assert "DATA" not in said
        assert "RSET" in said


def test_a_next_hop_that_knows_its_recipients_and_dns_that_is_away(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server:
        pass
    with scripted({"RCPT": b"550 5.1.1 no such user\r\n"}) as hop:
        dns = f'[dns]\nservers = ["{server.at}"]\n'
        with serving(tmp_path, loopback(hop.at[1]), more=dns) as node:
            found = checks(node, 3)  # no mail came from the filter yet
            assert found["recipient-check inner"]["state"] == "good"
            assert found["mx example.org"]["state"] == "unknown"


def test_nothing_is_enforced_before_its_time(tmp_path: Path) -> None:
    with nsd.authoritative(RECORDS) as server, scripted() as hop:
        dns = f'[dns]\nservers = ["{server.at}"]\n'
        with serving(tmp_path, loopback(hop.at[1], mode="observe"), more=dns) as node:
            said = node.policy(loopback(hop.at[1]))
            assert said.returncode == 3
            assert "default is not ready to be enforced; nothing was changed" in said.stderr
            assert "filter-seen" in said.stderr
            assert node.policy(loopback(hop.at[1]), "--yes").returncode == 0
