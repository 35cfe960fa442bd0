"""Mail about alarms, taken by a real Postfix as any mail is: TLS, our certificate, the null reverse-path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway.alarms import Notice
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.notices import as_mail
from arrowslit.gateway.submission import Left, Submission, Way
from arrowslit.mail.mailbox_text import parse_mailbox
from arrowslit.policy.parts import NextHop, NextHopAddress
from tests.peers import postfix
from tests.peers.certs import Authority
from tests.peers.postfix import Postfix
from tests.peers_gateway.site import ANNA

pytestmark = pytest.mark.peer("postfix")

NODE = "mx.arrowslit.test"


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[dict[str, Postfix]]:
    """A Postfix with TLS, and one whose TLS nobody can agree with."""
    asks = {"smtpd_tls_received_header": "yes", "smtpd_tls_ask_ccert": "yes"}
    old = {"smtpd_tls_protocols": "TLSv1", "smtpd_tls_ciphers": "low", "tls_low_cipherlist": "NULL"}
    with ExitStack() as stack:
        good = authority.issue("127.0.0.1")
        yield {
            "good": stack.enter_context(postfix.next_hop([ANNA], certificate=good, settings=asks)),
            "broken": stack.enter_context(postfix.next_hop([ANNA], certificate=good, settings=old)),
        }


def handed_in(folder: Path, server: Postfix, *, to: str = ANNA, **hop: object) -> list[Left]:
    """Hand one notice in; who was left."""
    notice = Notice("next-hop-down", "inner", "a text\n.\nwith a dot", time.time(), time.time(), 1)
    recipient = parse_mailbox(to)
    message = as_mail([notice], NODE, [recipient], time.time()).replace(b"ALARM:", b".\r\n.ALARM:")
    inner = NextHop("inner", (NextHopAddress("smtp", *server.at),), **hop)  # type: ignore[arg-type]

    async def hand_in() -> list[Left]:
        submission = Submission(asyncio.get_running_loop(), Deadlines())
        return await submission.hand_in(Way(inner, NODE, folder, NextHopSettings()), [recipient], message)

    return asyncio.run(asyncio.wait_for(hand_in(), 20))


def test_over_verified_tls_with_our_certificate(
    tmp_path: Path, servers: dict[str, Postfix], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server, ours = servers["good"], authority.issue("gateway.example.test", server_auth=False)
    (tmp_path / "ours.crt").write_bytes(ours.certificate_file.read_bytes())
    (tmp_path / "ours.key").write_bytes(ours.key_file.read_bytes())
    before = len(server.messages(ANNA))
    assert handed_in(tmp_path, server, tls="verify", tls_certificate="ours.crt", tls_key="ours.key") == []
    message = server.messages(ANNA, before + 1)[-1]
    assert b"Return-Path: <>" in message
    assert b"with ESMTPS id" in message
    assert b'Client CN "gateway.example.test"' in message
    assert b"\n.\n.ALARM: next-hop-down" in message.replace(b"\r\n", b"\n")


def test_in_clear_only_where_tls_is_opportunistic(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    server = servers["broken"]
    before = len(server.messages(ANNA))
    (left,) = handed_in(tmp_path, server, tls="required")
    assert not left.final
    assert "TLS" in left.why
    assert len(server.messages(ANNA)) == before
    assert handed_in(tmp_path, server, tls="opportunistic") == []
    assert b"with ESMTP id" in server.messages(ANNA, before + 1)[-1]


def test_an_unknown_recipient_is_refused_for_good(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    (left,) = handed_in(tmp_path, servers["good"], to="nobody@example.test")
    assert left.final
    assert "550" in left.why


def test_a_certificate_that_is_not_there_is_a_reason_and_no_crash(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    (left,) = handed_in(tmp_path, servers["good"], tls="required", tls_certificate="none.crt", tls_key="none.key")
    assert left.why == "next hop inner: its client certificate can't be used: FileNotFoundError"
