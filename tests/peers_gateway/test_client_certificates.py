"""Client certificates on a listener that asks: what matches an entry, and that none ends the handshake."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import postfix
from tests.peers.certs import Authority, Certificate, self_signed
from tests.peers.swaks import s_client, swaks
from tests.peers_gateway.site import ANNA, MESSAGE, at, next_hop, policy

NAME = "mail.filter.example"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(slots=True)
class Asking:
    """A node that asks for certificates, with an entry for a name and one for a fingerprint."""

    node: RunningNode
    hop: Hop
    shown: dict[str, Certificate]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Asking]:
    """The entries are for verified `mail.filter.example` and for the certificate "pinned"."""
    folder = tmp_path_factory.mktemp("own")
    shown = {
        "good": authority.issue(NAME),
        "second name": authority.issue("other.example", NAME),
        "other name": authority.issue("mail.other.example"),
        "expired": authority.issue(NAME, expired=True),
        "no client purpose": authority.issue(NAME, client_auth=False),
        "self-signed": self_signed(folder, NAME),
        "of another authority": Authority(folder, "Stranger").issue(NAME),
        "pinned": self_signed(folder, "anything.example"),
        "pinned and expired": authority.issue("x.example", expired=True),
    }
    own = authority.issue("mx.arrowslit.test", "127.0.0.1")
    files = f'[tls]\ncertificate = "{own.certificate_file}"\nkey = "{own.key_file}"\nclient_ca = "{authority.file}"\n'
    listeners = [
        f'address = "127.0.0.1:{{port}}"\ntls = "{how}"\nask_certificate = true' for how in ("starttls", "implicit")
    ]
    pins = [shown[kind].fingerprint() for kind in ("pinned", "pinned and expired")]
    entries = [f'{{ certificate = "{value}" }}' for value in (NAME, *(f"sha256:{pin}" for pin in pins))]
    with ExitStack() as stack:
        hop = stack.enter_context(scripted())
        text = policy(next_hop("inner", at(hop.at)), listed=", ".join(entries))
        node = stack.enter_context(serving(tmp_path_factory.mktemp("node"), text, listeners, files))
        yield Asking(node, hop, shown)


def client(certificate: Certificate | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if certificate is not None:
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    return context


def delivered(asking: Asking, context: ssl.SSLContext) -> tuple[int, str]:
    """STARTTLS and a message; the answer to RCPT or to the message."""
    with Wire(asking.node.at) as wire:
        wire.say("EHLO client.test")
        wire.starttls(context)
        assert wire.say("EHLO client.test")[0] == 250
        return wire.message("a@elsewhere.example", ANNA)


def test_the_record_names_the_fingerprint(asking: Asking) -> None:
    certificate = asking.shown["other name"]
    assert delivered(asking, client(certificate))[0] == 550
    assert asking.node.wait_for(kind="decision")["certificate"] == f"sha256:{certificate.fingerprint()}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["good", "second name", "pinned", "pinned and expired"])
def test_an_entry_matches(asking: Asking, kind: str, version: ssl.TLSVersion) -> None:
    assert delivered(asking, client(asking.shown[kind], version))[0] == 250


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "kind", ["other name", "expired", "no client purpose", "self-signed", "of another authority", None]
)
def test_no_entry_matches_and_the_session_goes_on(asking: Asking, kind: str | None, version: ssl.TLSVersion) -> None:
    code, text = delivered(asking, client(asking.shown[kind] if kind else None, version))
    assert f"{code} {text}".startswith("550 5.7.1"), text


def test_without_tls_nothing_matches(asking: Asking) -> None:
    with Wire(asking.node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message("a@elsewhere.example", ANNA)[0] in {530, 550}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("kind", "code"), [("good", 250), ("self-signed", 550), ("pinned", 250)])
def test_a_resumed_session_is_worth_what_the_first_was(
    asking: Asking, kind: str, code: int, version: ssl.TLSVersion
) -> None:
    context = client(asking.shown[kind], version)
    session: ssl.SSLSession | None = None
    for _ in range(3):
        with Wire(asking.node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.say("STARTTLS")[0] == 220
            wire.sock = context.wrap_socket(wire.sock, session=session)
            assert isinstance(wire.sock, ssl.SSLSocket)
            wire.say("EHLO client.test")
            assert wire.message("a@elsewhere.example", ANNA)[0] == code
            session = wire.sock.session


@pytest.mark.peer("swaks")
def test_swaks_shows_its_certificate(asking: Asking) -> None:
    for kind, code in (("good", 0), ("other name", 24)):
        certificate = asking.shown[kind]
        files = ["--tls-cert", str(certificate.certificate_file), "--tls-key", str(certificate.key_file)]
        assert swaks(asking.node.at, "--to", ANNA, "--tls", *files).code == code


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("alpn", ["smtp", "h2"])
def test_alpn_on_a_listener_that_asks(asking: Asking, alpn: str) -> None:
    certificate = asking.shown["good"]
    files = ["-cert", str(certificate.certificate_file), "-key", str(certificate.key_file)]
    said = s_client(("127.0.0.1", asking.node.ports[1]), "-alpn", alpn, *files, given=b"QUIT\r\n")
    assert (said.code == 0) is (alpn == "smtp"), said.text
    assert ("ALPN protocol: smtp" in said.text) is (alpn == "smtp"), said.text


@pytest.mark.peer("postfix")
def test_postfix_shows_its_certificate(asking: Asking) -> None:
    for kind, arrives in (("good", True), ("self-signed", False)):
        before, certificate = len(asking.hop.messages), asking.shown[kind]
        inside = "/etc/client.pem"
        settings = {"smtp_tls_security_level": "encrypt", "smtp_tls_chain_files": inside, "bounce_queue_lifetime": "0"}
        with postfix.client(asking.node.at, settings=settings) as sender:
            (sender.folder.parents[1] / inside.lstrip("/")).write_bytes(certificate.chain_file.read_bytes())
            sender.send(MESSAGE, [ANNA])
            assert sender.drained()
        assert len(asking.hop.messages) == before + arrives
