"""A reload takes up policy, settings, certificates and listeners, and no connection is lost over it."""

from __future__ import annotations

import signal
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.node import serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers import certs


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_open_session_lives_on_under_the_new_policy(tmp_path: Path) -> None:
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1])) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250
            node.policy(loopback(hop.at[1], client="127.0.0.2"))
            eventually(lambda: "revision 2" in node.log)
            eventually(lambda: wire.message("a@elsewhere.test", "bob@example.org")[0] == 550)
            wire.say("RSET")
        assert [row["revision"] for row in node.records(kind="delivery")] == [1]
        assert node.wait_for(action="reject")["revision"] == 2


def test_a_broken_policy_changes_nothing(tmp_path: Path) -> None:
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1])) as node:
        said = node.policy("version = 1\n[virtual_servers.default]\nmoed = 'enforce'\n")
        assert said.returncode == 2
        assert "policy.toml:3:1" in said.stderr
        assert "did you mean mode?" in said.stderr
        assert "revision 1 stays active" in said.stderr
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250


def test_a_policy_that_breaks_an_expectation_is_not_taken_up(tmp_path: Path) -> None:
    good = loopback(9)
    with serving(tmp_path, good) as node:
        said = node.policy(good + '[[expectations]]\nthat = "x may"\nfrom = "192.0.2.7"\noutcome = "permit"\n')
        assert said.returncode == 3
        assert "x may" in said.stderr
        with Wire(node.at) as wire:
            assert wire.say("EHLO client.test")[0] == 250
        assert "revision 2" not in node.log


def test_a_certificate_renewed_in_its_place(tmp_path: Path) -> None:
    first, second = (certs.self_signed(tmp_path / name, "mx.test") for name in ("first", "second"))
    folder = tmp_path / "tls"
    folder.mkdir()
    _put(first, folder)
    more = '[tls]\ncertificate = "tls/cert.pem"\nkey = "tls/key.pem"\n'
    listeners = ['address = "127.0.0.1:{port}"\ntls = "implicit"']
    with serving(tmp_path, loopback(9), listeners, more) as node:
        before = ssl.get_server_certificate(node.at)
        _put(second, folder)
        node.process.send_signal(signal.SIGHUP)
        eventually(lambda: ssl.get_server_certificate(node.at) != before)


def _put(made: certs.Certificate, folder: Path) -> None:
    (folder / "cert.pem").write_bytes(made.certificate_file.read_bytes())
    (folder / "key.pem").write_bytes(made.key_file.read_bytes())


def test_changed_limits_count_from_the_next_session(tmp_path: Path) -> None:
    with serving(tmp_path, loopback(9)) as node:
        with Wire(node.at) as wire:
            assert "SIZE 37748736" in wire.say("EHLO client.test")[1]
        settings = tmp_path / "arrowslit.toml"
        settings.write_text(settings.read_text() + "[limits]\nmessage_bytes = 1_000_000\n")
        node.process.send_signal(signal.SIGHUP)

        def taken_up() -> bool:
            with Wire(node.at) as wire:
                return "SIZE 1000000" in wire.say("EHLO client.test")[1]

        eventually(taken_up)


def test_draining_ends_sessions_when_they_are_idle_and_loses_no_message(tmp_path: Path) -> None:
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1])) as node:
        busy, idle = Wire(node.at), Wire(node.at)
        for wire in (busy, idle):
            wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            busy.say(line)
        busy.send(b"Subject: x\r\n\r\n")
        node.process.terminate()
        assert idle.reply()[0] == 421
        busy.send(b"hello\r\n.\r\n")
        assert busy.reply()[0] == 250
        assert busy.say("MAIL FROM:<>")[0] == 421
        assert node.process.wait(10) == 0
        busy.sock.close()
        idle.sock.close()
        assert len(hop.messages) == 1


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    policy = loopback(9)
    with (
        serving(tmp_path / "one", policy) as node,
        pytest.raises(AssertionError, match=f"127.0.0.1:{node.ports[0]}"),
        serving(tmp_path / "two", policy, [f'address = "127.0.0.1:{node.ports[0]}"']),
    ):
        pass


def test_a_virtual_server_that_is_taken_away_drains(tmp_path: Path) -> None:
    listeners = ['address = "127.0.0.1:{port}"', 'address = "127.0.0.1:{port}"\nvirtual_server = "second"']
    second = '[virtual_servers.second.connection_control]\nonly_listed = [ { computer = "127.0.0.1" } ]\n'
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1], more=second), listeners) as node:
        busy, idle = (Wire(("127.0.0.1", node.ports[1])) for _ in range(2))
        for wire in (busy, idle):
            wire.say("EHLO client.test")
        busy.say("MAIL FROM:<a@elsewhere.test>")
        settings = tmp_path / "arrowslit.toml"
        settings.write_text(settings.read_text().replace('virtual_server = "second"', 'virtual_server = "default"'))
        node.reload()
        assert node.policy(loopback(hop.at[1])).returncode == 0
        assert busy.say("RCPT TO:<bob@example.org>")[0] == 250  # what is under way is finished
        assert busy.say("DATA")[0] == 354
        busy.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert busy.reply()[0] == 250
        assert [wire.say("MAIL FROM:<a@elsewhere.test>")[0] for wire in (busy, idle)] == [421, 421]
        assert len(hop.messages) == 1
        with Wire(("127.0.0.1", node.ports[1])) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250
        for wire in (busy, idle):
            wire.sock.close()
    assert node.records(reason="session-fault") == []
