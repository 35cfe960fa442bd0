"""Who the client is, for Postfix behind: XFORWARD, XCLIENT and PROXY v2, and clients that are never mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.inside import Inside, inside
from tests.gateway.wire import Wire
from tests.peers import exim, postfix
from tests.peers.postfix import Postfix
from tests.peers_gateway.site import ANNA, ELSEWHERE, MESSAGE, at, next_hop, policy

pytestmark = pytest.mark.peer("postfix")

FIRST, SECOND = "127.0.0.21", "127.0.0.22"
LISTED = f'{{ computer = "{FIRST}" }}, {{ computer = "{SECOND}" }}'
ORDER = [FIRST, SECOND, FIRST, SECOND, SECOND, FIRST]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Postfix]]:
    """A Postfix for each identity mode."""
    with ExitStack() as stack:
        yield {
            "none": stack.enter_context(postfix.next_hop([ANNA])),
            "xforward": stack.enter_context(postfix.next_hop([ANNA], xforward_from=["127.0.0.1"])),
            "xclient": stack.enter_context(postfix.next_hop([ANNA], xclient_from=["127.0.0.1"])),
            "proxy-v2": stack.enter_context(postfix.next_hop([ANNA], proxy_protocol=True)),
        }


def site(server: Postfix, mode: str) -> str:
    """A policy with this server in this mode, for two clients."""
    hop = next_hop("inner", at(server.at), f'identify_client = "{mode}"')
    return policy(hop, listed=LISTED)


def send(node: Inside, client: str, helo: str = "client.test") -> None:
    """One message from this address."""
    with Wire(node.at, client) as wire:
        wire.say(f"EHLO {helo}")
        body = f"Subject: from {client}\r\n".encode() + MESSAGE
        assert wire.message("a@elsewhere.example", ANNA, body)[0] == 250


def said_in_log(server: Postfix, since: int) -> list[str]:
    """The clients that Postfix's log names for its messages, in order."""
    lines = server.log()[since:].splitlines()
    return [line.partition("client=")[2] for line in lines if ": client=" in line]


def connections(server: Postfix, since: int) -> int:
    """The connections that Postfix's log tells of."""
    return server.log()[since:].count(": connect from")


@pytest.mark.parametrize("mode", ["xforward", "xclient", "proxy-v2"])
def test_each_message_bears_its_own_client(tmp_path: Path, servers: dict[str, Postfix], mode: str) -> None:
    server = servers[mode]
    before, since = len(server.messages(ANNA)), len(server.log())
    with inside(tmp_path, site(server, mode)) as node:
        for number, client in enumerate(ORDER):
            send(node, client, f"helo{number}.test")
        assert not node.alarms
    messages = server.messages(ANNA, before + len(ORDER))[before:]
    logged = said_in_log(server, since)
    # The log names the real client for each message, in the order in which they came.
    assert len(messages) == len(logged) == len(ORDER)
    for number, (client, line) in enumerate(zip(ORDER, logged, strict=True)):
        assert client in line, (number, logged)
        other = FIRST if client == SECOND else SECOND
        assert other not in line
    if mode != "xforward":
        for message in messages:
            client = FIRST if b"Subject: from " + FIRST.encode() in message else SECOND
            received = message.partition(b"by postfix.test")[0]
            assert f"[{client}]".encode() in received


@pytest.mark.parametrize(("mode", "links"), [("none", 1), ("xforward", 1), ("xclient", 6), ("proxy-v2", 6)])
def test_links_that_a_client_sticks_to_are_never_used_again(
    tmp_path: Path, servers: dict[str, Postfix], mode: str, links: int
) -> None:
    server = servers[mode]
    before, since = len(server.messages(ANNA)), len(server.log())
    with inside(tmp_path, site(server, mode)) as node:
        for client in ORDER:
            send(node, client)
    assert len(server.messages(ANNA, before + len(ORDER))) == before + len(ORDER)
    # XCLIENT and PROXY make Postfix log the real client as the one that connects.
    assert connections(server, since) == links, server.log()[since:]


def test_without_an_identity_postfix_sees_the_gateway(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    server = servers["none"]
    since = len(server.log())
    with inside(tmp_path, site(server, "none")) as node:
        send(node, FIRST)
    assert all("[127.0.0.1]" in line for line in said_in_log(server, since))


@pytest.mark.parametrize("mode", ["xforward", "xclient"])
def test_a_server_that_does_not_trust_us_is_our_misconfiguration(
    tmp_path: Path, servers: dict[str, Postfix], mode: str
) -> None:
    with inside(tmp_path, site(servers["none"], mode)) as node:
        with Wire(node.at, FIRST) as wire:
            wire.say("EHLO client.test")
            code, text = wire.message("a@elsewhere.example", ANNA)
        if mode == "xforward":  # a courtesy: who does not ask for it is not told
            assert code == 250
        else:
            assert f"{code} {text}".startswith("451 4.3.5")
            assert {name for name, _ in node.alarms} == {"next-hop-misconfigured"}


@pytest.mark.parametrize("mode", ["xforward", "xclient", "proxy-v2"])
def test_two_sessions_at_once_are_not_mixed(tmp_path: Path, servers: dict[str, Postfix], mode: str) -> None:
    server = servers[mode]
    before, since = len(server.messages(ANNA)), len(server.log())
    with inside(tmp_path, site(server, mode)) as node, Wire(node.at, FIRST) as one, Wire(node.at, SECOND) as two:
        for wire in (one, two):
            wire.say("EHLO client.test")
            wire.say("MAIL FROM:<a@elsewhere.example>")
        assert two.say(f"RCPT TO:<{ANNA}>")[0] == one.say(f"RCPT TO:<{ANNA}>")[0] == 250
        assert one.say("DATA")[0] == two.say("DATA")[0] == 354
        two.send(b"Subject: two\r\n\r\n.\r\n")
        assert two.reply()[0] == 250
        one.send(b"Subject: one\r\n\r\n.\r\n")
        assert one.reply()[0] == 250
    messages = server.messages(ANNA, before + 2)[before:]
    assert sorted(address for line in said_in_log(server, since) for address in ORDER[:2] if address in line) == [
        FIRST,
        SECOND,
    ]
    for message in messages:
        client = FIRST if b"Subject: one" in message else SECOND
        assert f"[{client}]".encode() in message


def test_the_gateways_address_gives_no_relay_right(tmp_path: Path, servers: dict[str, Postfix]) -> None:
    server = servers["xclient"]
    with Wire(server.at) as wire:
        wire.say("EHLO gateway.test")
        assert wire.message("a@elsewhere.example", ELSEWHERE)[0] == 554
        wire.say("RSET")
        assert wire.message("a@elsewhere.example", ANNA)[0] == 250


@pytest.mark.peer("exim")
def test_exim_reads_the_proxy_header(tmp_path: Path, running: ExitStack) -> None:
    server = running.enter_context(exim.next_hop([ANNA], proxy_from=["127.0.0.1"]))
    hop = next_hop("inner", at(server.at), 'identify_client = "proxy-v2"')
    with inside(tmp_path, policy(hop, listed=LISTED)) as node:
        send(node, FIRST)
        send(node, SECOND)
    heads = [message.partition(b"Arrowslit")[0] for message in server.messages(ANNA, 2)]
    # Exim delivers both at once, in any order; each bears its own client's address, in Exim's line and in ours.
    assert sorted(head.count(FIRST.encode()) for head in heads) == [0, 2]
    assert sorted(head.count(SECOND.encode()) for head in heads) == [0, 2]
