"""Signing in and recipients by a real OpenLDAP: right and wrong, down, hanging, with TLS that is trusted and not."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from arrowslit.gateway.control import request
from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import openldap, process
from tests.peers.certs import Authority
from tests.peers.openldap import Directory, Person
from tests.peers_gateway.site import ANNA, BEN, ELSEWHERE, at, next_hop, policy, table

pytestmark = pytest.mark.peer("openldap")

PEOPLE = {
    "anna": Person(ANNA, "right", ("a.nna@example.test",)),
    "o*(dd)": Person("odd@example.test", "odd"),
}
BIND_NAME = f"uid={{username}},{openldap.BASE}"
LISTENER = ['address = "127.0.0.1:{port}"\ntls = "starttls"']


def authentication(url: str, *lines: str, own: bool = False) -> str:
    """Signing in by the directory at `url`."""
    about = ['with = "ldap"', *(['sender_addresses = "own"'] if own else [])]
    where = [f'url = "{url}"', f'bind_name = "{BIND_NAME}"', f'base = "{openldap.BASE}"', *lines]
    return table("virtual_servers.default.authentication", about) + table(
        "virtual_servers.default.authentication.ldap", where
    )


@contextmanager
def signing_in(folder: Path, more: str, settings: str = "") -> Iterator[tuple[RunningNode, Hop]]:
    """A node whose directory is in `more`, and the next hop."""
    with scripted() as hop:
        hops = next_hop("inner", at(hop.at)) + next_hop("queue", at(hop.at))
        text = policy(hops, server=['relay_next_hop = "queue"'], more=more)
        with serving(folder, text, LISTENER, settings) as node:
            yield node, hop


@contextmanager
def session(node: RunningNode) -> Iterator[Wire]:
    """A session in TLS."""
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.starttls()
        assert "AUTH PLAIN LOGIN" in wire.say("EHLO client.test")[1]
        yield wire


def plain(wire: Wire, username: str, password: str) -> tuple[int, str]:
    """AUTH PLAIN with an initial response."""
    octets = b"\0" + username.encode() + b"\0" + password.encode()
    return wire.say(b"AUTH PLAIN " + base64.b64encode(octets))


def login(wire: Wire, username: str, password: str) -> tuple[int, str]:
    """AUTH LOGIN."""
    assert wire.say("AUTH LOGIN")[0] == 334
    assert wire.say(base64.b64encode(username.encode()))[0] == 334
    return wire.say(base64.b64encode(password.encode()) or b"=")


@contextmanager
def ready(folder: Path, **options: object) -> Iterator[tuple[RunningNode, Hop, Directory]]:
    """A node with a directory on loopback."""
    own = bool(options.pop("own", False))
    settings = str(options.get("settings", ""))
    with (
        openldap.directory(PEOPLE) as server,
        signing_in(folder, authentication(server.uri, own=own), settings) as (node, hop),
    ):
        yield node, hop, server


def test_who_signs_in_may_relay(tmp_path: Path) -> None:
    with ready(tmp_path) as (node, hop, _server):
        with session(node) as wire:
            assert wire.message(ANNA, ELSEWHERE)[0] == 550
            wire.say("RSET")
            assert plain(wire, "anna", "right") == (235, "2.7.0 Authentication successful")
            assert wire.message(ANNA, ELSEWHERE)[0] == 250
        with session(node) as wire:
            assert login(wire, "anna", "right")[0] == 235
        assert len(hop.messages) == 1
    assert node.wait_for(kind="delivery")["authenticated_as"] == "anna"


def test_nothing_but_the_right_password_of_the_very_login_counts(tmp_path: Path) -> None:
    with ready(tmp_path, settings="[limits]\nsign_in_failures = 100\n") as (node, hop, _server):
        for username, password in (
            ("anna", "wrong"),
            ("anna", ""),  # RFC 4513 5.1.2: would be an anonymous bind, which always succeeds
            ("", ""),
            ("nobody", "right"),
            ("*", "right"),
            ("anna)(uid=*", "right"),
            ("anna,ou=people", "right"),
            ("anna\x01", "right"),
            ("anna" * 200, "right"),
            ("an\u00e4\u4e16", "right"),
            ("anna", "right\x00"),
        ):
            with session(node) as wire:
                code, text = plain(wire, username, password)
                assert code in (535, 501), (username, password, code, text)
                assert wire.message(ANNA, ELSEWHERE)[0] == 550
        with session(node) as wire:
            assert login(wire, "anna", "")[0] in (535, 501)
        with session(node) as wire:  # characters that mean something in a filter and in a name are a login like any
            assert plain(wire, "o*(dd)", "odd")[0] == 235
        assert hop.messages == []


def test_three_wrong_passwords_end_a_session_and_the_limit_stops_the_asking(tmp_path: Path) -> None:
    with ready(tmp_path, settings="[limits]\nsign_in_failures = 4\n") as (node, _hop, _server):
        with session(node) as wire:
            assert [plain(wire, "anna", "wrong")[0] for _ in range(3)] == [535, 535, 421]
        with session(node) as wire:
            assert plain(wire, "Anna", "wrong")[0] == 535  # the same login
            assert plain(wire, "anna", "right")[0] == 454  # nobody is asked any more
        with session(node) as wire:
            assert plain(wire, "o*(dd)", "odd")[0] == 454  # the source is over its limit too


def test_a_directory_that_is_down_is_never_a_wrong_password(tmp_path: Path) -> None:
    with ready(tmp_path) as (node, _hop, server):
        server.running.stop()
        with session(node) as wire:
            assert [plain(wire, "anna", word)[0] for word in ("right", "wrong", "right", "wrong")] == [454] * 4
        assert wire_alarm(node) == "sign-in-unavailable"


def test_a_directory_that_hangs_is_never_a_wrong_password(tmp_path: Path) -> None:
    with ready(tmp_path) as (node, _hop, server):
        server.running.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            with session(node) as wire, Wire(node.at) as other:
                octets = base64.b64encode(b"\0anna\0right")
                wire.send(b"AUTH PLAIN " + octets + b"\r\n")
                assert other.say("EHLO client.test")[0] == 250  # nobody else waits for it
                assert time.monotonic() - begin < 5
                assert wire.reply()[0] == 454
            assert time.monotonic() - begin < 20
        finally:
            server.running.process.send_signal(signal.SIGCONT)
        with session(node) as wire:
            assert plain(wire, "anna", "right")[0] == 235


def wire_alarm(node: RunningNode) -> str:
    """The name of the only alarm."""
    (alarm,) = request(node.folder / "state" / "control.sock", {"do": "status"})["alarms"]
    return str(alarm["name"])


@pytest.mark.parametrize("kind", ["ldaps", "starttls"])
@pytest.mark.parametrize("trusted", [True, False])
def test_passwords_go_out_under_tls_to_a_directory_that_is_who_it_says(
    tmp_path: Path, running: ExitStack, authority: Authority, kind: str, trusted: bool
) -> None:
    server = running.enter_context(openldap.directory(PEOPLE, authority=authority, address="127.0.0.2"))
    trust = authority.file if trusted else Authority(tmp_path, "Another Authority").file
    more = authentication(server.tls_uri if kind == "ldaps" else server.uri, f'ca_file = "{trust}"')
    with signing_in(tmp_path / "node", more) as (node, _hop), session(node) as wire:
        assert plain(wire, "anna", "right")[0] == (235 if trusted else 454)
        if trusted:
            assert plain(wire, "anna", "wrong")[0] == 503  # signed in already (RFC 4954 4)


def test_a_directory_without_tls_gets_no_password(tmp_path: Path, running: ExitStack) -> None:
    server = running.enter_context(openldap.directory(PEOPLE, address="127.0.0.2"))
    with signing_in(tmp_path / "node", authentication(server.uri)) as (node, _hop), session(node) as wire:
        assert plain(wire, "anna", "right")[0] == 454


def test_a_certificate_of_another_name_is_not_the_directory(
    tmp_path: Path, running: ExitStack, authority: Authority
) -> None:
    server = running.enter_context(openldap.directory(PEOPLE, authority=authority, address="127.0.0.2"))
    more = authentication(f"ldaps://127.0.0.3:{server.tls_port}", f'ca_file = "{authority.file}"')
    with signing_in(tmp_path / "node", more) as (node, _hop), session(node) as wire:
        assert plain(wire, "anna", "right")[0] == 454


def test_own_sender_addresses_only(tmp_path: Path) -> None:
    with ready(tmp_path, own=True) as (node, hop, _server), session(node) as wire:
        assert plain(wire, "anna", "right")[0] == 235
        code, text = wire.say(f"MAIL FROM:<{BEN}>")
        assert f"{code} {text}".startswith("553 5.7.1 ")
        assert wire.message("A.Nna@example.test", ELSEWHERE)[0] == 250
        assert wire.message(ANNA, ELSEWHERE)[0] == 250
        assert len(hop.messages) == 2


# --- recipients ---------------------------------------------------------------------------------------------------


@contextmanager
def knowing(folder: Path, server: Directory, *lines: str) -> Iterator[tuple[RunningNode, Hop]]:
    """A node whose next hop can't tell recipients, but the directory can."""
    (folder / "node").mkdir()
    secret = folder / "node" / "reader"
    secret.write_text(openldap.READER_PASSWORD + "\n")
    secret.chmod(0o600)
    where = [
        f'url = "{server.uri}"',
        f'bind_name = "{openldap.READER_DN}"',
        'password_file = "reader"',
        f'base = "{openldap.BASE}"',
        *lines,
    ]
    with scripted() as hop:
        hops = next_hop("inner", at(hop.at), 'recipient_check = "at_data"')
        hops += table("next_hops.inner.recipients_ldap", where)
        with serving(folder / "node", policy(hops)) as node:
            yield node, hop


def test_recipients_are_looked_up_before_the_next_hop_is_troubled(tmp_path: Path) -> None:
    with openldap.directory(PEOPLE) as server, knowing(tmp_path, server) as (node, hop), Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say(f"MAIL FROM:<{BEN}>")
        for unknown in ("nobody@example.test", "*@example.test", '"a)(mail=*"@example.test'):
            code, text = wire.say(f"RCPT TO:<{unknown}>")
            assert f"{code} {text}".startswith("550 5.1.1 "), unknown
        assert hop.connections == []
        assert wire.say("RCPT TO:<ANNA@Example.TEST>")[0] == 250
        assert wire.say("RCPT TO:<a.nna@example.test>")[0] == 452  # such a next hop refuses all for one of them
        assert wire.say("DATA")[0] == 354
        wire.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert wire.reply()[0] == 250
        assert wire.message(BEN, "a.nna@example.test")[0] == 250
        assert len(hop.messages) == 2


def test_a_directory_of_recipients_that_is_away_defers(tmp_path: Path) -> None:
    with openldap.directory(PEOPLE) as server, knowing(tmp_path, server) as (node, hop):
        server.running.stop()
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.say(f"MAIL FROM:<{BEN}>")
            for recipient in (ANNA, "nobody@example.test"):
                code, text = wire.say(f"RCPT TO:<{recipient}>")
                assert f"{code} {text[:1]}" in ("450 4", "451 4"), (code, text)
        assert hop.messages == []


def test_a_wrong_password_for_searching_defers(tmp_path: Path) -> None:
    with (
        openldap.directory(PEOPLE) as server,
        knowing(tmp_path, server, 'filter = "(mail={address})"') as (node, _hop),
    ):
        (node.folder / "reader").write_text("wrong")
        node.process.send_signal(signal.SIGHUP)
        assert process.until(lambda: "reloaded" in node.log)
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            wire.say(f"MAIL FROM:<{BEN}>")
            assert wire.say(f"RCPT TO:<{ANNA}>")[0] in (450, 451)
