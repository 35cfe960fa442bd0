"""Exim by itself: takes, refuses, sends on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.peers import exim, haproxy
from tests.peers.certs import Authority
from tests.peers.swaks import swaks

ANNA = "anna@example.test"
MESSAGE = b"From: someone@example.org\r\nTo: anna@example.test\r\nSubject: one\r\n\r\nText.\r\n"

pytestmark = pytest.mark.peer("exim", "swaks")


def test_next_hop_delivers_and_refuses_a_stranger_at_rcpt(running: ExitStack) -> None:
    server = running.enter_context(exim.next_hop([ANNA, "ben@example.test"]))
    assert swaks(server.at, "--to", ANNA, "--body", "Hello there.").code == 0
    assert b"Hello there." in server.messages(ANNA, 1)[0]
    refused = swaks(server.at, "--to", "nobody@example.test")
    assert refused.code == 24
    assert "550 Unrouteable address" in refused.text
    assert "relay not permitted" in swaks(server.at, "--to", "someone@elsewhere.example").text


def test_next_hop_offers_starttls(running: ExitStack, authority: Authority) -> None:
    server = running.enter_context(exim.next_hop([ANNA], certificate=authority.issue("mail.example.test")))
    assert swaks(server.at, "--to", ANNA, "--tls").code == 0
    assert b"with esmtps" in server.messages(ANNA, 1)[0]


@pytest.mark.peer("haproxy")
def test_next_hop_reads_the_proxy_header(running: ExitStack) -> None:
    server = running.enter_context(exim.next_hop([ANNA], proxy_from=["127.0.0.1"]))
    front = running.enter_context(haproxy.front(server.at, send_proxy=True, greets=b"220"))
    assert swaks((front.address, front.port), "--to", ANNA).code == 0
    assert len(server.messages(ANNA, 1)) == 1


def test_client_sends_its_queue_on(running: ExitStack) -> None:
    server = running.enter_context(exim.next_hop([ANNA]))
    sender = running.enter_context(exim.client(server.at))
    sender.send(MESSAGE, [ANNA], "someone@example.org")
    assert b"Subject: one" in server.messages(ANNA, 1)[0]
    assert sender.drained()


def test_client_keeps_what_it_cannot_send(running: ExitStack) -> None:
    sender = running.enter_context(exim.client(("127.0.0.1", 9)))
    sender.send(MESSAGE, [ANNA])
    assert not sender.drained(0.5)
