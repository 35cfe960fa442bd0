"""Each message goes to the next hop that its own recipients have, whatever happened to others before it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.gateway.inside import inside
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire

POLICY = """
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{inner}"
tls = "off"
[next_hops.other]
address = "{other}"
{tls}
[accepted_domains."example.org"]
next_hop = "inner"
[accepted_domains."example.net"]
next_hop = "other"
[virtual_servers.default]
postmaster_next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "127.0.0.1" }} ]
"""
BODY = b"Subject: x\r\n\r\nhello\r\n.\r\n"


def policy(inner: Hop, other: Hop | None) -> str:
    """Two domains with a next hop each; a Maildir where there is no `other`."""
    if other is None:
        return POLICY.format(inner=inner.at[1], other="maildir:mail", tls="")
    return POLICY.format(inner=inner.at[1], other=f"smtp://127.0.0.1:{other.at[1]}", tls='tls = "off"')


def test_a_recipient_after_a_refused_one_of_another_next_hop(tmp_path: Path) -> None:
    with (
        scripted({"RCPT": b"550 5.1.1 no\r\n"}) as inner,
        scripted() as other,
        inside(tmp_path, policy(inner, other)) as node,
        Wire(node.at) as wire,
    ):
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        assert wire.say("RCPT TO:<bob@example.org>")[0] == 550
        assert wire.say("RCPT TO:<eve@example.net>")[0] == 250
        assert wire.say("RCPT TO:<ann@example.org>")[0] == 452
        wire.say("DATA")
        wire.send(BODY)
        assert wire.reply()[0] == 250
        assert not any("example.net" in command for command in inner.commands)
        assert len(other.messages) == 1
        assert not inner.messages


def test_a_maildir_after_a_refused_recipient_of_a_server(tmp_path: Path) -> None:
    with scripted({"RCPT": b"550 5.1.1 no\r\n"}) as inner:
        with inside(tmp_path, policy(inner, None)) as node, Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.say("MAIL FROM:<a@elsewhere.test>")
            assert wire.say("RCPT TO:<bob@example.org>")[0] == 550
            assert wire.say("RCPT TO:<eve@example.net>")[0] == 250
            wire.say("DATA")
            wire.send(BODY)
            assert wire.reply()[0] == 250
        (mail,) = (tmp_path / "mail" / "new").iterdir()
        assert mail.read_bytes().endswith(b"Subject: x\n\nhello\n")
        assert "DATA" not in inner.commands


def test_hundreds_of_remembered_refusals_in_one_flight(tmp_path: Path) -> None:
    with (
        scripted({"RCPT": b"550 5.1.1 no\r\n"}) as inner,
        scripted() as other,
        inside(tmp_path, policy(inner, other)) as node,
        Wire(node.at) as wire,
    ):
        wire.say("EHLO client.test")
        wire.send(b"MAIL FROM:<a@elsewhere.test>\r\n" + b"RCPT TO:<bob@example.org>\r\n" * 600)
        assert wire.reply()[0] == 250
        assert [wire.reply()[0] for _ in range(600)] == [550] * 600
        assert not node.alarms


def test_the_same_recipient_twice_after_the_link_was_let_go(tmp_path: Path) -> None:
    with scripted() as inner, scripted() as other, inside(tmp_path, policy(inner, other)) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.say("MAIL FROM:<a@elsewhere.test>")
            wire.say("RCPT TO:<bob@example.org>")
            node.hurry(5.1)
            time.sleep(0.2)
            assert inner.commands[-1] == "RSET"
            assert wire.say("RCPT TO:<bob@example.org>")[0] == 250
            wire.say("DATA")
            wire.send(BODY)
            assert wire.reply()[0] == 250
        last = inner.commands[len(inner.commands) - inner.commands[::-1].index("RSET") :]
        assert [command.split(":")[0] for command in last[:4]] == ["MAIL FROM", "RCPT TO", "RCPT TO", "DATA"]


def test_ten_refusals_are_enough_for_one_connection(tmp_path: Path) -> None:
    answers = {"RCPT": [b"250 2.1.5 Ok\r\n", *[b"550 5.1.1 no\r\n"] * 12, b"250 2.1.5 Ok\r\n"]}
    with (
        scripted(answers) as inner,
        scripted() as other,
        inside(tmp_path, policy(inner, other)) as node,
        Wire(node.at) as wire,
    ):
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        assert wire.say("RCPT TO:<bob@example.org>")[0] == 250
        codes = [wire.say(f"RCPT TO:<u{number}@example.org>")[0] for number in range(10)]
        assert codes == [550] * 10
        time.sleep(0.1)
        assert inner.connections[0][-1] == "QUIT"
