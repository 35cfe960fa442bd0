"""OpenSMTPD by itself: takes, refuses, sends on, two at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.peers import opensmtpd
from tests.peers.swaks import swaks

ANNA = "anna@example.test"

pytestmark = pytest.mark.peer("opensmtpd", "swaks")


def test_next_hop_delivers_and_refuses_a_stranger_at_rcpt(running: ExitStack) -> None:
    server = running.enter_context(opensmtpd.next_hop([ANNA]))
    assert swaks(server.at, "--to", ANNA, "--body", "Hello there.").code == 0
    assert b"Hello there." in server.messages(ANNA, 1)[0]
    refused = swaks(server.at, "--to", "nobody@example.test")
    assert refused.code == 24
    assert "524 5.2.4" in refused.text
    assert swaks(server.at, "--to", "someone@elsewhere.example").code == 24


def test_client_sends_on(running: ExitStack) -> None:
    server = running.enter_context(opensmtpd.next_hop([ANNA]))
    sender = running.enter_context(opensmtpd.client(server.at))
    assert swaks(sender.at, "--to", ANNA, "--body", "Hello there.").code == 0
    assert b"Hello there." in server.messages(ANNA, 1)[0]
