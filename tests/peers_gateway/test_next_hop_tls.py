"""How far TLS towards a next hop is demanded, against Postfix and Exim with good and bad certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.inside import inside
from tests.gateway.wire import Wire
from tests.peers import exim, postfix
from tests.peers.certs import Authority, Certificate, self_signed
from tests.peers.exim import Exim
from tests.peers.postfix import Postfix
from tests.peers_gateway.site import ANNA, MESSAGE, at, next_hop, policy

pytestmark = pytest.mark.peer("postfix")

PLAIN, TLS = b"with ESMTP id", b"with ESMTPS id"
ASKS = {"smtpd_tls_received_header": "yes", "smtpd_tls_ask_ccert": "yes"}


@pytest.fixture(scope="module")
def certificates(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    """What the servers show, by what is wrong with it."""
    return {
        "good": authority.issue("127.0.0.1"),
        "other name": authority.issue("other.example.test"),
        "expired": authority.issue("127.0.0.1", expired=True),
        "self-signed": self_signed(tmp_path_factory.mktemp("own"), "127.0.0.1"),
    }


@pytest.fixture(scope="module")
def servers(certificates: dict[str, Certificate]) -> Iterator[dict[str, Postfix]]:
    """A Postfix for each certificate, one without TLS, and one whose TLS nobody can agree with."""
    with ExitStack() as stack:
        started = {
            kind: stack.enter_context(postfix.next_hop([ANNA], certificate=certificate, settings=ASKS))
            for kind, certificate in certificates.items()
        }
        started["none"] = stack.enter_context(postfix.next_hop([ANNA]))
        old = {"smtpd_tls_protocols": "TLSv1", "smtpd_tls_ciphers": "low", "tls_low_cipherlist": "NULL"}
        started["broken"] = stack.enter_context(
            postfix.next_hop([ANNA], certificate=certificates["good"], settings=old)
        )
        yield started


def sent(folder: Path, server: Postfix | Exim, *lines: str) -> tuple[int, str, dict[str, str]]:
    """Send one message to this server; the answer to RCPT or to the message, and the alarms by name."""
    with inside(folder, policy(next_hop("inner", at(server.at), *lines))) as node, Wire(node.at) as wire:
        wire.say("EHLO client.test")
        code, text = wire.message("a@elsewhere.example", ANNA, MESSAGE)
        return code, text, dict(node.alarms)


def arrived(server: Postfix, count: int = 1) -> bytes:
    """The newest message, with the server's own Received line."""
    return server.messages(ANNA, count)[-1]


@pytest.mark.parametrize(
    ("level", "kind", "how"),
    [
        ("off", "good", PLAIN),
        ("opportunistic", "none", PLAIN),
        ("opportunistic", "good", TLS),
        ("opportunistic", "self-signed", TLS),
        ("opportunistic", "expired", TLS),
        ("opportunistic", "broken", PLAIN),
        ("required", "self-signed", TLS),
        ("required", "other name", TLS),
        ("verify", "good", TLS),
    ],
)
def test_arrives(
    tmp_path: Path,
    servers: dict[str, Postfix],
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    kind: str,
    how: bytes,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = servers[kind]
    before = len(server.messages(ANNA))
    assert sent(tmp_path, server, f'tls = "{level}"')[0] == 250
    assert how in arrived(server, before + 1)


@pytest.mark.parametrize(
    ("level", "kind", "why"),
    [
        ("required", "none", "extension-not-offered"),
        ("required", "broken", "TLS"),
        ("verify", "none", "extension-not-offered"),
        ("verify", "other name", "IP address mismatch"),
        ("verify", "expired", "certificate has expired"),
        ("verify", "self-signed", "self-signed certificate"),
    ],
)
def test_does_not_arrive(
    tmp_path: Path,
    servers: dict[str, Postfix],
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    kind: str,
    why: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = servers[kind]
    before = len(server.messages(ANNA))
    code, text, alarms = sent(tmp_path, server, f'tls = "{level}"')
    assert f"{code} {text}".startswith("451 4.3.5"), text
    assert why in alarms["next-hop-misconfigured"]
    assert len(server.messages(ANNA)) == before


@pytest.mark.parametrize("kind", ["self-signed", "expired", "good"])
def test_fingerprint_takes_the_one_certificate_and_no_other(
    tmp_path: Path, servers: dict[str, Postfix], certificates: dict[str, Certificate], kind: str
) -> None:
    server = servers[kind]
    before = len(server.messages(ANNA))
    pins = [f"sha256:{certificates[kind].fingerprint()}"]
    right = ['tls = "fingerprint"', f"tls_fingerprints = {pins}"]
    assert sent(tmp_path / "right", server, *right)[0] == 250
    assert TLS in arrived(server, before + 1)
    other = [f"sha256:{certificates['other name'].fingerprint()}"]
    code, text, alarms = sent(tmp_path / "wrong", server, 'tls = "fingerprint"', f"tls_fingerprints = {other}")
    assert f"{code} {text}".startswith("451 4.3.5"), text
    assert certificates[kind].fingerprint() in alarms["next-hop-misconfigured"]
    assert len(server.messages(ANNA)) == before + 1


def test_our_certificate_is_shown_where_the_server_asks(
    tmp_path: Path, servers: dict[str, Postfix], authority: Authority
) -> None:
    server, ours = servers["good"], authority.issue("gateway.example.test", server_auth=False)
    before = len(server.messages(ANNA))
    beside = tmp_path / "shown" / "tls"  # the names are relative to the settings file, wherever the node was started
    beside.mkdir(parents=True)
    (beside / "ours.crt").write_bytes(ours.certificate_file.read_bytes())
    (beside / "ours.key").write_bytes(ours.key_file.read_bytes())
    shown = ['tls_certificate = "tls/ours.crt"', 'tls_key = "tls/ours.key"']
    assert sent(tmp_path / "shown", server, 'tls = "required"', *shown)[0] == 250
    assert b'Client CN "gateway.example.test"' in arrived(server, before + 1)
    assert sent(tmp_path / "not", server, 'tls = "required"')[0] == 250
    assert b"Client CN" not in arrived(server, before + 2)


def test_links_in_tls_are_used_again(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    server = servers["good"]
    before = server.log().count(": connect from"), len(server.messages(ANNA))
    with inside(tmp_path, policy(next_hop("inner", at(server.at), 'tls = "required"'))) as node:
        for _ in range(3):
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                assert wire.message("a@elsewhere.example", ANNA, MESSAGE)[0] == 250
    assert len(server.messages(ANNA, before[1] + 3)) == before[1] + 3
    assert server.log().count(": connect from") == before[0] + 1


@pytest.mark.peer("exim")
def test_exim_behind_required_tls(tmp_path: Path, running: ExitStack, authority: Authority) -> None:
    server = running.enter_context(exim.next_hop([ANNA], certificate=authority.issue("127.0.0.1")))
    assert sent(tmp_path, server, 'tls = "required"')[0] == 250
    assert b"with esmtps" in server.messages(ANNA, 1)[0]
