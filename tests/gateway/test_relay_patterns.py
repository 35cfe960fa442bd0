"""Every open-relay pattern against the gateway, in every mode, with positive controls.

A 250 is no proof and neither is a refusal of everything: nothing for the outside may reach the next hop, and the
controls (a mailbox, postmaster) must arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arrowslit.documents.users import hash_password, write_users
from tests.gateway.inside import Inside, inside
from tests.gateway.node import serving
from tests.gateway.policies import loopback
from tests.gateway.relay_patterns import Pattern, patterns
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import certs

OUTSIDE, OURS = "elsewhere.test", "example.org"
PATTERNS = patterns(OUTSIDE, "mx.arrowslit.test", "127.0.0.1", OURS)
MODES = ("enforce", "defer", "observe")


def policy(hop: Hop, mode: str) -> str:
    """A policy in which the client may connect and deliver, and nobody may relay."""
    return loopback(hop.at[1], mode=mode, server='relay_next_hop = "inner"')


def nothing_outside(hop: Hop) -> None:
    """No recipient but ours was ever named to the next hop."""
    named = [command for command in hop.commands if command.upper().startswith("RCPT")]
    assert all(command.endswith(f"@{OURS}>") and command.count("@") == 1 for command in named), named
    assert not [command for command in named if "%" in command or "!" in command or '"' in command], named


def control(node: Inside, hop: Hop) -> None:
    """A mailbox of ours and postmaster still get their mail."""
    before = len(hop.messages)
    for recipient in (f"bob@{OURS}", f"postmaster@{OURS}"):
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message("x@elsewhere.test", recipient)[0] == 250
    assert len(hop.messages) == before + 2


def attempt(wire: Wire, pattern: Pattern) -> int:
    """One transaction up to RCPT; the code of the first refusal, or of RCPT."""
    code, _ = wire.say(f"MAIL FROM:{pattern.mail}")
    return code if code >= 400 else wire.say(f"RCPT TO:{pattern.rcpt}")[0]


def plain(_wire: Wire) -> None:
    """Nothing goes before."""


def in_tls(wire: Wire) -> None:
    """STARTTLS goes before."""
    wire.starttls()
    wire.say("EHLO client.test")


def not_signed_in(wire: Wire) -> None:
    """A wrong password goes before."""
    in_tls(wire)
    assert wire.say("AUTH PLAIN AGJvYgB3cm9uZw==")[0] == 535


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [plain, in_tls, not_signed_in])
def test_no_pattern_gets_through(tmp_path: Path, mode: str, first: Callable[[Wire], None]) -> None:
    (tmp_path / "state").mkdir()
    write_users(tmp_path / "state" / "users", {"bob": hash_password("right")})
    listener = 'address = "127.0.0.1:25"\ntls = "starttls"'
    signs_in = '[virtual_servers.default.authentication]\nwith = "users"\n'
    more = "[limits]\nsign_in_failures = 1000\n"
    own = certs.self_signed(tmp_path, "mx.arrowslit.test")
    told = {"certificate": str(own.certificate_file), "key": str(own.key_file), "digest": ""}
    with scripted() as hop, inside(tmp_path, policy(hop, mode) + signs_in, listener, more, told) as node:
        for pattern in PATTERNS[:: 1 if first is plain else 3]:
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                first(wire)
                assert attempt(wire, pattern) >= 500, pattern
        nothing_outside(hop)
        control(node, hop)


def test_no_pattern_gets_through_by_ipv6(tmp_path: Path) -> None:
    with scripted() as hop:
        text = loopback(hop.at[1], client="::1")
        with serving(tmp_path, text, ['address = "[::1]:{port}"'], address="::1") as node:
            for pattern in patterns(OUTSIDE, "mx.arrowslit.test", "IPv6:::1", OURS):
                with Wire(node.at) as wire:
                    wire.say("EHLO client.test")
                    assert attempt(wire, pattern) >= 500, pattern
            nothing_outside(hop)
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                assert wire.message("x@elsewhere.test", f"bob@{OURS}")[0] == 250


def test_after_rset_and_pipelined(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, "enforce")) as node:
        for pattern in PATTERNS:
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                wire.say("MAIL FROM:<a@elsewhere.test>")
                wire.say(f"RCPT TO:<bob@{OURS}>")
                assert wire.say("RSET")[0] == 250
                wire.send(f"MAIL FROM:{pattern.mail}\r\nRCPT TO:{pattern.rcpt}\r\nNOOP\r\n".encode())
                first, second = wire.reply()[0], wire.reply()[0]
                assert max(first, second) >= 500, pattern
        nothing_outside(hop)
        control(node, hop)


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_an_accepted_and_a_foreign_recipient_in_one_transaction(tmp_path: Path, how: str) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, "enforce")) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        assert wire.say(f"RCPT TO:<bob@{OURS}>")[0] == 250
        assert wire.say(f"RCPT TO:<u@{OUTSIDE}>")[0] == 550
        body = b"Subject: x\r\n\r\nhello\r\n"
        if how == "DATA":
            assert wire.say("DATA")[0] == 354
            wire.send(body + b".\r\n")
        else:
            wire.send(b"BDAT %d LAST\r\n" % len(body) + body)
        assert wire.reply()[0] == 250
        nothing_outside(hop)
        assert len(hop.messages) == 1


def test_forged_xclient_and_proxy_headers(tmp_path: Path) -> None:
    with scripted() as hop, inside(tmp_path, policy(hop, "enforce")) as node:
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.say("XCLIENT ADDR=192.0.2.1 LOGIN=bob")[0] >= 500
            assert attempt(wire, Pattern("x", "<a@elsewhere.test>", f"<u@{OUTSIDE}>")) >= 500
        with Wire(node.at) as wire:
            assert wire.say("PROXY TCP4 192.0.2.1 192.0.2.2 1 25")[0] not in range(200, 221)
            assert wire.at_end()
        nothing_outside(hop)
        control(node, hop)
