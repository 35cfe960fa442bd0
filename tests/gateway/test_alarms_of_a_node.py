"""`arrowslit serve` with [alarms]: from a fault to whoever is told, and certificates that end."""

from __future__ import annotations

import datetime
import email
import email.policy
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arrowslit.gateway.control import request
from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import scripted
from tests.gateway.web_hook import hooked
from tests.gateway.wire import Wire
from tests.peers import certs
from tests.peers.process import free_port

POLICY = """
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{port}"
tls = "off"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "127.0.0.1" }} ]
"""


def eventually(found: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What it gives, as soon as that is true."""
    until = time.monotonic() + seconds
    while not (one := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return one


def status(node: RunningNode) -> dict[str, Any]:
    return request(node.folder / "state" / "control.sock", {"do": "status"}, 5)


def command(node: RunningNode, *words: str) -> str:
    argv = [sys.executable, "-m", "arrowslit.cli.main", *words, "-c", str(node.folder / "arrowslit.toml")]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"NO_COLOR": "1"}).stdout


def try_to_deliver(node: RunningNode) -> int:
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        return wire.message("a@elsewhere.test", "bob@example.org")[0]


def test_a_refusal_at_the_next_hop_is_told_in_every_way(tmp_path: Path) -> None:
    refusal = b"550 5.7.1 relay access denied \x1b[2J\r\n"
    first_for_the_client = {"RCPT": [refusal, b"250 2.1.5 ok\r\n"]}
    with (
        scripted(first_for_the_client) as hop,
        hooked() as hook,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log,
    ):
        log.bind(str(tmp_path / "log"))
        log.settimeout(15)
        more = (
            f'[alarms]\nmail = ["it@example.org"]\nwebhook = "http://127.0.0.1:{hook.port}/x"\n'
            f'syslog = "{tmp_path / "log"}"\n'
        )
        with serving(tmp_path / "node", POLICY.format(port=hop.at[1]), more=more) as node:
            assert try_to_deliver(node) == 451
            line = log.recv(2000).decode("ascii")
            assert "alarm next-hop-misconfigured [inner]: next hop inner (" in line
            assert line.endswith("denies relay for an accepted domain: 550 relay access denied \\x1b[2J")
            message = eventually(lambda: hop.messages and email.message_from_bytes(hop.messages[0]))
            assert message["To"] == "it@example.org"
            assert message["Subject"] == "[mx.arrowslit.test] next-hop-misconfigured inner"
            assert [c for c in hop.commands if c.startswith("MAIL FROM:<>")]
            ((_, _, body),) = eventually(lambda: hook.heard)
            assert json.loads(body)["alarms"][0]["name"] == "next-hop-misconfigured"
            (shown,) = status(node)["alarms"]
            assert (shown["name"], shown["subject"], shown["count"]) == ("next-hop-misconfigured", "inner", 1)
            assert "alarm next-hop-misconfigured [inner]" in node.log
            assert "\x1b" not in node.log
            assert "next-hop-misconfigured: next hop inner" in command(node, "status")
            said = json.loads(command(node, "status", "--json"))
            assert said["alarms"] == [shown]


def test_a_next_hop_that_is_down_is_told_and_the_alarm_ends_when_it_is_up_again(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(60)
        more = f'[alarms]\nsyslog = "{tmp_path / "log"}"\n'
        with serving(tmp_path / "node", POLICY.format(port=port), more=more) as node:
            for _ in range(3):
                assert try_to_deliver(node) == 451
            down = log.recv(2000).decode("ascii")
            assert f"alarm next-hop-down [[127.0.0.1]:{port}]: next hop inner" in down
            assert [one["name"] for one in status(node)["alarms"]] == ["next-hop-down"]
            with scripted(port=port):
                eventually(lambda: try_to_deliver(node) == 250)
                eventually(lambda: status(node)["alarms"] == [])


def test_a_reload_takes_up_whom_to_tell(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(15)
        with serving(tmp_path / "node", POLICY.format(port=9)) as node:
            settings = node.folder / "arrowslit.toml"
            settings.write_text(settings.read_text() + f'[alarms]\nsyslog = "{tmp_path / "log"}"\n')
            node.process.send_signal(signal.SIGHUP)
            eventually(lambda: "reloaded" in node.log)
            settings.write_text(settings.read_text() + "[limts]\n")
            node.process.send_signal(signal.SIGHUP)
            assert b"alarm reload-refused: " in log.recv(2000)


# --- certificates ------------------------------------------------------------------------------------------------

TLS = '[tls]\ncertificate = "{}"\nkey = "{}"\n'


def test_a_certificate_that_has_ended_is_served_with_a_warning_an_alarm_a_metric_and_a_line(tmp_path: Path) -> None:
    authority = certs.Authority(tmp_path / "ca")
    ended, good = authority.issue("mx.test", expired=True), authority.issue("mx.test")
    listeners = ['address = "127.0.0.1:{port}"\ntls = "starttls"']
    metrics = free_port()
    more = f'[metrics]\naddress = "127.0.0.1:{metrics}"\n' + TLS.format(ended.certificate_file, ended.key_file)
    with serving(tmp_path / "node", POLICY.format(port=9), listeners, more) as node:
        assert "warning[certificate-expired]" in node.log
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.starttls()
            assert wire.say("EHLO client.test")[0] == 250
        (alarm,) = eventually(lambda: status(node)["alarms"])
        assert (alarm["name"], alarm["subject"]) == ("certificate-expired", "listeners")
        (shown,) = status(node)["certificates"]
        assert (shown["purpose"], shown["wrong"]) == ("listeners", "certificate-expired")
        assert "expiry      certificate-expired: the certificate for listeners (" in command(node, "status")
        page = eventually(lambda: _metric(metrics))
        assert float(page.rpartition(" ")[2]) == shown["ends"]
        assert shown["ends"] < time.time()
        _write(node, TLS.format(good.certificate_file, good.key_file))
        node.process.send_signal(signal.SIGHUP)
        eventually(lambda: status(node)["alarms"] == [])
        assert status(node)["certificates"][0]["ends"] > time.time()


def _metric(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    name = 'arrowslit_certificate_expires_timestamp_seconds{certificate="listeners"}'
    return next((line for line in lines if line.startswith(name)), "")


def _write(node: RunningNode, tls: str) -> None:
    path = node.folder / "arrowslit.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[tls]")] + tls)


def test_the_certificate_that_the_node_made_itself_is_looked_at_too(tmp_path: Path) -> None:
    listeners = ['address = "127.0.0.1:{port}"\ntls = "starttls"']
    with serving(tmp_path / "node", POLICY.format(port=9), listeners) as node:
        (shown,) = eventually(lambda: status(node)["certificates"])
        ends = datetime.datetime.fromtimestamp(shown["ends"], datetime.UTC)
        assert shown["wrong"] == ""
        assert 3640 < (ends - datetime.datetime.now(datetime.UTC)).days < 3651
