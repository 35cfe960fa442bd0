"""Real mail servers on both sides of the gateway: their queues, their verdicts, their logs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.inside import inside
from tests.gateway.wire import Wire
from tests.peers import exim, haproxy, opensmtpd, postfix
from tests.peers.certs import Authority

ANNA = "anna@example.test"
BODY = b"From: a@elsewhere.test\r\nTo: anna@example.test\r\nSubject: one\r\n\r\n..dots\r\n"
POLICY = """
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{port}"
{more}
[accepted_domains."example.test"]
next_hop = "inner"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "{client}" }} ]
"""


def policy(port: int, more: str = 'tls = "off"', client: str = "127.0.0.1") -> str:
    """A policy with a next hop at that port."""
    return POLICY.format(port=port, more=more, client=client)


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(postfix.next_hop, marks=pytest.mark.peer("postfix"), id="Postfix"),
        pytest.param(exim.next_hop, marks=pytest.mark.peer("exim"), id="Exim"),
        pytest.param(opensmtpd.next_hop, marks=pytest.mark.peer("opensmtpd"), id="OpenSMTPD"),
    ],
)
def test_as_the_next_hop(tmp_path: Path, server: object, running: ExitStack) -> None:
    behind = running.enter_context(server([ANNA]))  # type: ignore[operator]
    with inside(tmp_path, policy(behind.at[1])) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", ANNA, BODY)[0] == 250
            assert wire.message("a@elsewhere.test", "nobody@example.test", BODY)[0] // 100 == 5
            wire.say("RSET")
            assert wire.message("a@elsewhere.test", ANNA, BODY)[0] == 250
        first = behind.messages(ANNA, 2)[0]
        assert first.count(b"(Arrowslit)") == 1
        assert b"\n.dots" in first
        assert [row["outcome"] for row in node.records(kind="delivery")] == ["delivered", "refused", "delivered"]
        assert not node.alarms


@pytest.mark.peer("postfix")
def test_postfix_sends_through_us_to_postfix(tmp_path: Path, running: ExitStack, authority: Authority) -> None:
    behind = running.enter_context(postfix.next_hop([ANNA], certificate=authority.issue("mail.example.test")))
    with inside(tmp_path, policy(behind.at[1], 'tls = "required"')) as node:
        with postfix.client(node.at) as sender:
            sender.send(BODY, [ANNA])
            assert len(behind.messages(ANNA, 1)) == 1
            assert sender.drained()
        assert b"with ESMTPS" in behind.messages(ANNA, 1)[0]


@pytest.mark.peer("postfix")
def test_xclient_tells_postfix_who_the_client_is(tmp_path: Path, running: ExitStack) -> None:
    behind = running.enter_context(postfix.next_hop([ANNA], xclient_from=["127.0.0.1"]))
    more = 'tls = "off"\nidentify_client = "xclient"'
    with inside(tmp_path, policy(behind.at[1], more, client="127.0.0.9")) as node:
        for _ in range(2):
            with Wire(node.at, "127.0.0.9") as wire:
                wire.say("EHLO client.test")
                assert wire.message("a@elsewhere.test", ANNA, BODY)[0] == 250
        assert all(b"[127.0.0.9]" in message for message in behind.messages(ANNA, 2))


@pytest.mark.peer("postfix", "haproxy")
def test_a_balancer_in_front_and_the_proxy_header_behind(tmp_path: Path, running: ExitStack) -> None:
    behind = running.enter_context(postfix.next_hop([ANNA], proxy_protocol=True))
    more = 'tls = "off"\nidentify_client = "proxy-v2"'
    listener = 'address = "127.0.0.1:25"\nproxy_protocol_from = ["127.0.0.1"]'
    with inside(tmp_path, policy(behind.at[1], more, client="127.0.0.9"), listener) as node:
        balancer = running.enter_context(haproxy.front(node.at, send_proxy=True))
        at = ("127.0.0.1", balancer.port)
        with Wire(at, "127.0.0.9") as wire:
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.test", ANNA, BODY)[0] == 250
        assert b"[127.0.0.9]" in behind.messages(ANNA, 1)[0]
        with Wire(at, "127.0.0.8") as wire:
            wire.say("EHLO client.test")
            code, text = wire.message("a@elsewhere.test", ANNA, BODY)
        assert (code, "127.0.0.8" in text) == (550, True)
