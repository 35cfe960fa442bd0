"""The outcome table: a next hop that fails at each step, and what the client hears (gateway-behaviour 1)."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.gateway.inside import Inside, inside
from tests.gateway.scripted_hop import DROP, HANG, Answers, Hop, scripted
from tests.gateway.wire import Wire

POLICY = """
version = 1
[next_hops.inner]
address = [{addresses}]
tls = "off"
{more}
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "127.0.0.1" }} ]
"""


def policy(*hops: Hop, more: str = "") -> str:
    """A policy with these as the next hop's addresses in order."""
    return POLICY.format(addresses=", ".join(f'"smtp://127.0.0.1:{hop.at[1]}"' for hop in hops), more=more)


def send(node: Inside, recipient: str = "bob@example.org") -> tuple[int, str]:
    """One message; the first refusal or the last answer."""
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        return wire.message("a@elsewhere.test", recipient)


def test_what_arrives_is_what_was_sent_but_for_one_received(tmp_path: Path) -> None:
    body = b"Subject: caf\xe9\r\n\r\n..two dots\r\n" + b"x" * 990 + b"\r\n\r\n"
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", "bob@example.org", body)[0] == 250
        (message,) = hop.messages
        received, _, rest = message.partition(b"\r\nSubject")
        assert received.startswith(b"Received: from client.test ([127.0.0.1])")
        assert b"Subject" + rest == body
        record = node.wait_for(outcome="delivered")
        assert (record["queue_id"], record["next_hop"], record["revision"]) == ("ABC123", "inner", 1)


@pytest.mark.parametrize(
    ("answers", "code", "reason", "alarm"),
    [
        ({"GREETING": b"554 5.7.1 go away\r\n"}, 451, "next-hop-misconfigured", True),
        ({"GREETING": b"421 4.3.2 too busy\r\n"}, 451, "next-hop-busy", False),
        ({"GREETING": b"hello there\r\n"}, 451, "next-hop-garbage", True),
        ({"GREETING": DROP}, 451, "next-hop-down", False),
        ({"GREETING": b"220 mx.arrowslit.test ESMTP\r\n"}, 451, "next-hop-loop", True),
        ({"EHLO": b"550 5.7.1 no\r\n", "HELO": b"550 5.7.1 no\r\n"}, 451, "next-hop-misconfigured", True),
        ({"EHLO": DROP}, 451, "next-hop-down", False),
        ({"MAIL": b"550 5.7.1 sender refused\r\n"}, 550, "mail-refused-by-next-hop", False),
        ({"MAIL": b"451 4.7.1 greylisted\r\n"}, 451, "mail-deferred-by-next-hop", False),
        ({"RCPT": b"550 5.1.1 no such user\r\n"}, 550, "rcpt-refused-by-next-hop", False),
        ({"RCPT": b"450 4.2.1 full\r\n"}, 450, "rcpt-deferred-by-next-hop", False),
        ({"RCPT": b"421 4.3.2 going down\r\n"}, 451, "rcpt-deferred-by-next-hop", False),
        ({"RCPT": b"554 5.7.1 Relay access denied\r\n"}, 451, "next-hop-misconfigured", True),
        ({"RCPT": b"354 what\r\n"}, 451, "next-hop-garbage", True),
        ({"RCPT": DROP}, 451, "next-hop-down", False),
        ({"DATA": b"554 5.6.0 no\r\n"}, 554, "data-refused-by-next-hop", False),
        ({"DATA": b"250 what\r\n"}, 451, "next-hop-garbage", True),
        ({"DATA": DROP}, 451, "next-hop-down", False),
        ({".": b"554 5.7.1 spam\r\n"}, 554, "dot-refused-by-next-hop", False),
        ({".": b"451 4.3.0 later\r\n"}, 451, "dot-deferred-by-next-hop", False),
        ({".": DROP}, 451, "unknown", True),
        ({".": b"what?\r\n"}, 451, "unknown", True),
    ],
)
def test_each_step(tmp_path: Path, answers: Answers, code: int, reason: str, alarm: bool) -> None:
    with scripted(answers) as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == code
        assert node.wait_for(kind="delivery")["reason"] == reason
        named = "outcome-unknown" if reason == "unknown" else reason
        assert [name for name, _ in node.alarms] == [named] * alarm  # one, however many tries there were


def test_a_next_hop_that_is_not_there(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        pass
    with inside(tmp_path, policy(hop)) as node:
        for _ in range(4):
            assert send(node) == (451, "4.4.1 The server behind is not reachable, please try again later")
        assert [name for name, _ in node.alarms] == ["next-hop-down"]


def test_lost_before_our_dot_the_next_address_takes_it(tmp_path: Path) -> None:
    with scripted({"DATA": DROP}) as first, scripted() as second, inside(tmp_path, policy(first, second)) as node:
        assert send(node)[0] == 250
        assert len(second.messages) == 1
        assert not first.messages


def test_lost_after_our_dot_nobody_else_is_tried(tmp_path: Path) -> None:
    with scripted({".": DROP}) as first, scripted() as second, inside(tmp_path, policy(first, second)) as node:
        code, text = send(node)
        assert (code, text[:5]) == (451, "4.4.2")
        assert len(first.messages) == 1
        assert not second.commands
        assert node.wait_for(outcome="unknown")["next_hop"] == "inner"
        assert node.state.intents.taken == 0


def test_silence_after_our_dot_is_an_unknown_outcome(tmp_path: Path) -> None:
    with scripted({".": HANG}) as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            wire.say(line)
        wire.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        while not hop.messages:
            time.sleep(0.02)
        node.hurry(601)
        assert wire.reply()[0] == 451
        assert node.wait_for(outcome="unknown")


def test_silence_at_rcpt_ends_before_the_clients_patience(tmp_path: Path) -> None:
    with scripted({"RCPT": HANG}) as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        wire.send(b"RCPT TO:<bob@example.org>\r\n")
        while not any(command.startswith("RCPT") for command in hop.commands):
            time.sleep(0.02)
        for _ in range(4):
            node.hurry(121)
            time.sleep(0.3)
        assert wire.reply()[0] == 451


def test_the_client_vanishes_before_the_dot_goes_out(tmp_path: Path) -> None:
    with scripted({"DATA": HANG}) as hop, inside(tmp_path, policy(hop)) as node:
        wire = Wire(node.at)
        wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            wire.say(line)
        wire.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        while "DATA" not in hop.commands:
            time.sleep(0.02)
        wire.sock.close()
        time.sleep(0.2)
        node.hurry(121)
        time.sleep(0.3)
        assert not hop.messages
        assert not hop.partial
        assert node.wait_for(kind="delivery")["outcome"] == "deferred"
        assert not node.run(lambda: len(node.state.connections))


def test_the_client_vanishes_after_the_dot(tmp_path: Path) -> None:
    with scripted({".": [HANG]}) as hop, inside(tmp_path, policy(hop)) as node:
        wire = Wire(node.at)
        wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            wire.say(line)
        wire.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        while not hop.messages:
            time.sleep(0.02)
        wire.sock.close()
        time.sleep(0.2)
        node.hurry(601)
        assert node.wait_for(outcome="unknown")["reason"] == "unknown"


@pytest.mark.parametrize(
    "step", ["EHLO client.test", "MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"]
)
def test_a_client_that_vanishes_at_each_step_leaves_no_octet_of_a_message(tmp_path: Path, step: str) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        wire = Wire(node.at)
        for line in ("EHLO client.test", "MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            wire.say(line)
            if line == step:
                break
        if step == "DATA":
            wire.send(b"Subject: x\r\n\r\nhalf of a mess")
        wire.sock.close()
        until = time.monotonic() + 5
        while node.run(lambda: len(node.state.connections)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not node.run(lambda: len(node.state.connections))
        assert node.counters.connections(bytes([127, 0, 0, 1])) == 0
        assert not hop.messages
        assert not hop.partial
        assert "DATA" not in hop.commands


def test_a_message_that_breaks_a_rule_leaves_no_octet_at_the_next_hop(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        code, _ = wire.message("a@elsewhere.test", "bob@example.org", b"Subject: x\r\n\r\nbare\nline\r\n")
        assert code == 550
        assert "DATA" not in hop.commands
        assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250
        assert len(hop.messages) == 1


def test_the_next_hops_connection_is_used_again_after_rset(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == 250
        assert send(node)[0] == 250
        assert len(hop.connections) == 1
        commands = [command.split(":")[0] for command in hop.commands]
        assert commands == [
            "EHLO mx.arrowslit.test",
            "MAIL FROM",
            "RCPT TO",
            "DATA",
            "RSET",
            "MAIL FROM",
            "RCPT TO",
            "DATA",
        ]


def test_a_refused_rset_gets_a_new_connection(tmp_path: Path) -> None:
    with scripted({"RSET": b"502 5.5.2 no\r\n"}) as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == 250
        assert send(node)[0] == 250
        assert len(hop.connections) == 2
        assert len(hop.messages) == 2


def test_a_connection_that_dies_while_idle_is_not_used(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == 250
        hop.answers["RSET"] = DROP
        assert send(node)[0] == 250
        assert len(hop.messages) == 2


def test_an_idle_connection_ends_after_two_seconds(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node)[0] == 250
        node.hurry(2.1)
        time.sleep(0.3)
        assert hop.commands[-1] == "QUIT"
        assert node.counters.next_hop_connections(node.counters.slot("inner")) == 0


def test_refused_recipients_are_remembered(tmp_path: Path) -> None:
    with scripted({"RCPT": b"550 5.1.1 no such user\r\n"}) as hop, inside(tmp_path, policy(hop)) as node:
        for _ in range(3):
            assert send(node, "nobody@example.org")[0] == 550
        assert sum(command.startswith("RCPT") for command in hop.commands) == 1
        assert send(node, "other@example.org")[0] == 550
        assert sum(command.startswith("RCPT") for command in hop.commands) == 2


def test_the_cap_on_connections_holds_and_who_waits_is_served(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, more="connections = 2")) as node:
        wires = [Wire(node.at) for _ in range(3)]
        for wire in wires:
            wire.say("EHLO client.test")
            wire.say("MAIL FROM:<a@elsewhere.test>")
        for wire in wires[:2]:
            assert wire.say("RCPT TO:<bob@example.org>")[0] == 250
        wires[2].send(b"RCPT TO:<bob@example.org>\r\n")
        time.sleep(0.3)
        assert len(hop.connections) == 2
        wires[0].say("QUIT")
        assert wires[2].reply()[0] == 250
        for wire in wires:
            wire.sock.close()


def test_a_slow_message_gives_the_connection_back_and_is_replayed(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "RCPT TO:<eve@example.org>", "DATA"):
            wire.say(line)
        wire.send(b"Subject: x\r\n\r\n")
        time.sleep(0.1)
        node.hurry(5.1)
        time.sleep(0.2)
        assert hop.commands[-1] == "RSET"
        wire.send(b"hello\r\n.\r\n")
        assert wire.reply()[0] == 250
        assert [command.split(":")[0] for command in hop.commands].count("RCPT TO") == 4
        assert len(hop.messages) == 1


def test_a_recipient_refused_only_in_the_replay_makes_the_transaction_451(tmp_path: Path) -> None:
    answers = {"RCPT": [b"250 2.1.5 Ok\r\n", b"550 5.1.1 gone\r\n"]}
    with scripted(answers) as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        for line in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
            wire.say(line)
        wire.send(b"Subject: x\r\n\r\n")
        time.sleep(0.1)
        node.hurry(5.1)
        wire.send(b"hello\r\n.\r\n")
        assert wire.reply()[0] == 451
        assert not hop.messages


def test_the_fallback_takes_mail_for_a_recipient_that_was_good_before(tmp_path: Path) -> None:
    with scripted() as queue:
        more = f'fallback = "queue"\n[next_hops.queue]\naddress = "smtp://127.0.0.1:{queue.at[1]}"\ntls = "off"'
        with scripted() as hop:
            text = policy(hop, more=more)
            with inside(tmp_path, text) as node:
                assert send(node)[0] == 250
                node.hurry(3)
                time.sleep(0.2)
                hop.answers["GREETING"] = DROP
                assert send(node)[0] == 250
                assert len(queue.messages) == 1
                assert send(node, "unknown@example.org")[0] == 451
                assert len(queue.messages) == 1
                assert "fallback-in-use" in [name for name, _ in node.alarms]


def test_content_that_the_next_hop_cannot_take(tmp_path: Path) -> None:
    ehlo = {"EHLO": b"250 inner.test\r\n"}
    with scripted(ehlo) as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.test", "bob@example.org", b"Subject: x\r\n\r\n\xc3\xa9\r\n")[0] == 550
        assert not hop.messages
    with scripted(ehlo) as hop, inside(tmp_path, policy(hop, more="pass_8bit = true")) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.test", "bob@example.org", b"Subject: x\r\n\r\n\xc3\xa9\r\n")[0] == 250


def test_a_large_message_goes_through_the_file_and_arrives_whole(tmp_path: Path) -> None:
    body = b"Subject: large\r\n\r\n" + b"0123456789" * 90 + b"\r\n"
    body += (b"y" * 998 + b"\r\n") * 3000
    with scripted() as hop, inside(tmp_path, policy(hop)) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.test", "bob@example.org", body)[0] == 250
        assert hop.messages[0].partition(b"\r\nSubject")[2] == body[7:]
        assert node.counters.spool_total() == 0


def test_a_spent_spool_budget_is_452(tmp_path: Path) -> None:
    body = b"Subject: large\r\n\r\n" + (b"y" * 998 + b"\r\n") * 1600
    more = "[limits]\nspool_bytes = 1_048_576\n"
    with scripted() as hop, inside(tmp_path, policy(hop), more=more) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.test", "bob@example.org", body)
        assert (code, text[:5]) == (452, "4.3.1")
        assert not hop.messages
        assert node.counters.spool_total() == 0
        assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250


def test_own_text_or_the_next_hops(tmp_path: Path) -> None:
    answers = {"RCPT": b"550 5.1.1 No such user here, ask \x1b[31mpostmaster\r\n"}
    with scripted(answers) as hop, inside(tmp_path, policy(hop)) as node:
        assert send(node) == (550, "5.1.1 The server behind refused the recipient")
    with scripted(answers) as hop, inside(tmp_path, policy(hop, more='reply_text = "pass"')) as node:
        code, text = send(node)
        assert code == 550
        assert text.startswith("5.1.1 No such user here, ask")
        assert "\x1b" not in text


def test_garbage_at_the_listener_harms_nobody(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop)) as node:
        for octets in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01" + bytes(300),
            b"\0" * 5000,
            b"Host: x\r\n",
            b"x" * 70_000,
        ):
            with Wire(node.at) as wire:
                try:
                    wire.send(octets)
                except ConnectionError:
                    continue
                wire.sock.shutdown(socket.SHUT_WR)
                assert wire.at_end()
        assert send(node)[0] == 250
