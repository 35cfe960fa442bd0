"""`session list|watch|close` on a running node."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import arrowslit
from arrowslit.gateway.control import request
from tests.cli.command import watching
from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import HANG, scripted
from tests.gateway.wire import Wire
from tests.peers.process import until


def _states(node: RunningNode) -> Counter[str]:
    return Counter(one["state"] for one in json.loads(node.run("session", "list", "--json").stdout)["sessions"])


def test_sessions_of_all_workers_are_listed_and_closed(tmp_path: Path) -> None:
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1]), workers=2) as node:
        assert "nobody is connected" in node.run("session", "list").stderr
        wires = [Wire(node.at) for _ in range(6)]
        for wire in wires:
            wire.say("EHLO \x1b[1mclient.test")
            wire.say("EHLO client.test")
        busy, idle, killed = wires[0], wires[1], wires[2]
        busy.say("MAIL FROM:<a@elsewhere.test>")
        busy.say("RCPT TO:<bob@example.org>")
        found = json.loads(node.run("session", "list", "--json").stdout)["sessions"]
        assert len(found) == 6
        (transaction,) = [one for one in found if one["state"] == "transaction"]
        assert (transaction["reverse_path"], transaction["recipients"]) == ("a@elsewhere.test", 1)
        assert transaction["transactions"] == 1
        said_so_far = ["EHLO \x1b[1mclient.test", "EHLO client.test", "MAIL FROM:<a@elsewhere.test>"]
        said_so_far.append("RCPT TO:<bob@example.org>")
        assert transaction["octets"] == sum(len(line) + 2 for line in said_so_far)
        ports = {wire.sock.getsockname()[1]: wire for wire in wires}
        ids = {ports[one["client_port"]]: one["id"] for one in found}

        assert node.run("session", "close", transaction["transaction"]).returncode == 0
        assert busy.say("DATA")[0] == 354  # what is under way is finished
        assert _states(node)["data"] == 1
        busy.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert busy.reply()[0] == 250
        assert busy.reply()[0] == 421

        assert node.run("session", "close", ids[idle]).returncode == 0
        assert idle.reply()[0] == 421
        assert node.run("session", "close", ids[killed], "--now").returncode == 0
        assert killed.reply()[0] == 0
        assert node.run("session", "close", ids[killed]).returncode == 1
        said = node.run("session", "list")
        assert said.stdout.count("127.0.0.1") == 3
        assert said.stdout.isascii()
        for wire in wires:
            wire.sock.close()
        assert len(hop.messages) == 1


def test_who_comes_and_goes(tmp_path: Path) -> None:
    with serving(tmp_path, loopback(9)) as node:

        def visit() -> None:
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                threading.Event().wait(2.0)

        timer = threading.Timer(1.5, visit)
        timer.start()
        said = node.run("session", "watch", "--seconds", "6", "--json")
        timer.join()
        rows = [json.loads(line) for line in said.stdout.splitlines()]
        assert [row["come"] for row in rows] == [True, False]
        assert rows[0]["client_address"] == "127.0.0.1"
        assert {row["version"] for row in rows} == {1}
    for command in (["list"], ["watch"], ["close", "X"]):
        assert node.run("session", *command).returncode == 5


def test_a_session_that_waits_for_its_next_hop_is_shown_as_that(tmp_path: Path) -> None:
    with scripted({"RCPT": HANG}) as hop, serving(tmp_path, loopback(hop.at[1])) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        wire.send(b"RCPT TO:<bob@example.org>\r\n")
        assert until(lambda: _states(node) == {"next-hop": 1})
        (one,) = json.loads(node.run("session", "list", "--json").stdout)["sessions"]
        assert node.run("session", "close", one["id"], "--now").returncode == 0
        assert wire.reply()[0] == 0


def test_many_may_ask_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, loopback(9), workers=2) as node, ThreadPoolExecutor(8) as pool:
        wires = [Wire(node.at) for _ in range(20)]
        control = tmp_path / "state" / "control.sock"
        answers = list(pool.map(lambda _: request(control, {"do": "sessions"}), range(80)))
        assert {len(answer["sessions"]) for answer in answers} == {20}
        assert "Traceback" not in node.log
        for wire in wires:
            wire.sock.close()


def test_a_list_that_is_cut_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are counted, and those that were there first are named. Each process starts with a lower limit."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import arrowslit.gateway.sessions as s\ns.MOST = 4\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{Path(arrowslit.__file__).parents[1]}")
    with serving(tmp_path, loopback(9), workers=2) as node:
        first = Wire(node.at)
        assert until(lambda: len(request(tmp_path / "state" / "control.sock", {"do": "sessions"})["sessions"]) == 1)
        wires = [Wire(node.at) for _ in range(31)]  # more than the limit at each worker
        found = json.loads(node.run("session", "list", "--json").stdout)
        assert (len(found["sessions"]), found["open"]) == (4, 32)
        assert found["sessions"][0]["client_port"] == first.sock.getsockname()[1]
        assert "32 sessions are open; these are the 4 that are open longest" in node.run("session", "list", "-q").stderr
        for wire in (first, *wires):
            wire.sock.close()


def test_a_worker_that_does_not_answer_is_told_of(tmp_path: Path) -> None:
    with serving(tmp_path, loopback(9), workers=2) as node:
        stuck = node.workers()[0]
        os.kill(stuck, signal.SIGSTOP)
        try:
            said = node.run("session", "list")
            assert said.returncode == 0
            assert "1 of the workers did not answer" in said.stderr
        finally:
            os.kill(stuck, signal.SIGCONT)


def test_watching_goes_on_until_ctrl_c_and_a_pipe_gets_each_line_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, loopback(9)) as node, Wire(node.at), watching(tmp_path, "session", "watch") as process:
        assert process.stdout is not None
        line = process.stdout.readline()  # hangs, up to the test's end, where lines wait for a full buffer
        assert line.startswith("+ ")
        assert "127.0.0.1" in line
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
