"""`session list|watch|close` on a running node."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tests.gateway.node import serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers.process import until


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
        ports = {wire.sock.getsockname()[1]: wire for wire in wires}
        ids = {ports[one["client_port"]]: one["id"] for one in found}

        assert node.run("session", "close", transaction["transaction"]).returncode == 0
        assert busy.say("DATA")[0] == 354  # what is under way is finished
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
        assert until(lambda: node.process.poll() is None)
    assert node.run("session", "list").returncode == 5
