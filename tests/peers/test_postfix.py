"""Postfix by itself: takes, refuses, sends on, filters."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.peers import haproxy, postfix, smtp_load
from tests.peers.certs import Authority
from tests.peers.netns import network
from tests.peers.swaks import s_client, swaks

ANNA = "anna@example.test"
MESSAGE = b"From: someone@example.org\r\nTo: anna@example.test\r\nSubject: one\r\n\r\nText.\r\n"

pytestmark = pytest.mark.peer("postfix", "swaks")


def test_next_hop_delivers_and_refuses_a_stranger_at_rcpt(running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA]))
    assert swaks(server.at, "--to", ANNA, "--body", "Hello there.").code == 0
    assert b"Hello there." in server.messages(ANNA, 1)[0]
    refused = swaks(server.at, "--to", "nobody@example.test")
    assert refused.code == 24
    assert "550 5.1.1" in refused.text
    assert "554 5.7.1" in swaks(server.at, "--to", "someone@elsewhere.example").text


def test_next_hop_offers_starttls(running: ExitStack, authority: Authority) -> None:
    server = running.enter_context(postfix.next_hop([ANNA], certificate=authority.issue("mail.example.test")))
    assert swaks(server.at, "--to", ANNA, "--tls").code == 0
    assert b"with ESMTPS" in server.messages(ANNA, 1)[0]


@pytest.mark.peer("openssl")
def test_s_client_verifies_the_certificate(running: ExitStack, authority: Authority) -> None:
    server = running.enter_context(postfix.next_hop([ANNA], certificate=authority.issue("mail.example.test")))
    said = s_client(server.at, "-CAfile", str(authority.file), "-verify_return_error", given=b"QUIT\r\n")
    assert said.code == 0, said.text
    assert "Verify return code: 0 (ok)" in said.text


def test_next_hop_believes_xclient_of_those_it_trusts(running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA], xclient_from=["127.0.0.1"]))
    assert swaks(server.at, "--to", ANNA, "--xclient-addr", "198.51.100.7").code == 0
    assert b"198.51.100.7" in server.messages(ANNA, 1)[0]


@pytest.mark.peer("haproxy")
def test_next_hop_reads_the_proxy_header(running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA], proxy_protocol=True))
    front = running.enter_context(haproxy.front(server.at, send_proxy=True, greets=b"220"))
    assert swaks((front.address, front.port), "--to", ANNA).code == 0
    assert len(server.messages(ANNA, 1)) == 1


def test_client_sends_its_queue_on(running: ExitStack) -> None:
    server = running.enter_context(postfix.next_hop([ANNA]))
    sender = running.enter_context(postfix.client(server.at))
    sender.send(MESSAGE, [ANNA], "someone@example.org")
    assert b"Subject: one" in server.messages(ANNA, 1)[0]
    assert sender.drained()


def test_client_keeps_what_it_cannot_send(running: ExitStack) -> None:
    sender = running.enter_context(postfix.client(("127.0.0.1", 9)))
    sender.send(MESSAGE, [ANNA])
    assert not sender.drained(0.5)


@pytest.mark.parametrize("queue", [False, True])
def test_filtering_passes_100_messages(running: ExitStack, queue: bool) -> None:
    server = running.enter_context(postfix.next_hop([ANNA]))
    rival = running.enter_context(postfix.filtering(server.at, queue=queue))
    smtp_load.source(rival.at, messages=100, sessions=5, size=4096)
    assert len(server.messages(ANNA, 100)) == 100


@pytest.mark.namespaces
def test_next_hop_on_a_host_of_its_own(running: ExitStack) -> None:
    hosts = running.enter_context(network({"mail": ["192.0.2.1"], "stranger": ["198.51.100.7"]}))
    server = running.enter_context(postfix.next_hop([ANNA], host=hosts["mail"], address="192.0.2.1", port=25))
    assert swaks(("192.0.2.1", 25), "--to", ANNA, host=hosts["stranger"]).code == 0
    assert b"198.51.100.7" in server.messages(ANNA, 1)[0]
