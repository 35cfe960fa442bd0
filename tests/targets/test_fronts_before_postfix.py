"""Both fronts before a real Postfix that trusts the network they stand in: with the PROXY header it sees the client.

Without it a listed client may relay, which is what the texts warn of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.peers import postfix
from tests.peers.outside import Outside, outside
from tests.targets import test_haproxy_packets, test_nginx_packets
from tests.targets.behind import PLACE, SERVER
from tests.targets.samples import SMALL, made

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix", "haproxy", "nginx")]

CLIENTS = ["203.0.113.1", "2001:db8:25::1"]
RELAYED = ["EHLO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<b@elsewhere.test>"]
TRUSTING = {"mynetworks": "198.18.0.0/30", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"}


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


def front(name: str, net: Outside, folder: Path, text: str) -> AbstractContextManager[object]:
    start = {"haproxy": test_haproxy_packets.front, "nginx": test_nginx_packets.front}[name]
    return start(net, folder, text)


def relayed(net: Outside, settings: dict[str, str], name: str, folder: Path, text: str) -> set[str]:
    """The codes that clients get for a recipient elsewhere."""
    greets = b"" if "smtpd_upstream_proxy_protocol" in settings else b"220"
    server = postfix.instance(settings, host=net.clients, address=SERVER, port=25, greets=greets)
    with server as running, front(name, net, folder, text):
        heard = net.answers(CLIENTS, RELAYED)
        log = running.running.log_text()
    assert all(f"[{client}]" in log for client in CLIENTS) is not bool(greets)
    return {lines[-1][:3] for lines in heard.values()}


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
def test_with_the_header_nobody_relays(net: Outside, tmp_path: Path, name: str) -> None:
    settings = {**TRUSTING, "smtpd_upstream_proxy_protocol": "haproxy"}
    assert relayed(net, settings, name, tmp_path, made(name, SMALL, PLACE).text) == {"554"}


@pytest.mark.parametrize(("name", "header"), [("haproxy", " send-proxy-v2"), ("nginx", "\tproxy_protocol on;\n")])
def test_without_it_everybody_who_gets_through_relays(net: Outside, tmp_path: Path, name: str, header: str) -> None:
    text = made(name, SMALL, PLACE).text.replace(header, "")
    assert relayed(net, TRUSTING, name, tmp_path, text) == {"250"}
