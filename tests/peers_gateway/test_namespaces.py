"""The small office of the examples, each host in a network namespace of its own: on port 25, by IPv4 and IPv6.

The filter is a Postfix with a queue, the server behind another one, the outbound server an Exim that wants a
password. Addresses are those of the example, and IPv6 ones of the range for documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrowslit.documents import users
from tests.gateway.node import RunningNode, serving
from tests.peers import exim, netns, nsd, postfix
from tests.peers.certs import Authority
from tests.peers.exim import Exim
from tests.peers.netns import Host
from tests.peers.postfix import Postfix
from tests.peers.swaks import Said, swaks

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix", "exim", "swaks", "nsd")]

GATEWAY, GATEWAY6, INNER_SIDE = "192.0.2.1", "2001:db8::1", "192.168.0.2"
FILTER, FILTER6 = "83.245.15.239", "2001:db8:25::239"
STRANGER, STRANGER6 = "203.0.113.9", "2001:db8:bad::9"
OFFICE, SCANNER, EXCHANGE = "192.168.0.30", "192.168.0.40", "192.168.0.5"
LEEDS, YORK, USER = "198.51.100.20", "198.51.100.30", "198.51.100.99"
HOSTS = {
    "gateway": [GATEWAY, GATEWAY6, INNER_SIDE],
    "filter": [FILTER, FILTER6],
    "stranger": [STRANGER, STRANGER6],
    "office": [OFFICE],
    "scanner": [SCANNER],
    "leeds": [LEEDS],
    "york": [YORK],
    "user": [USER],
    "exchange": [EXCHANGE],
}
NAMES = [
    nsd.reverse(YORK, "york.branches.example.org"),
    f"york.branches.example.org. A {YORK}",
    nsd.reverse(STRANGER, "forged.branches.example.org"),
    f"forged.branches.example.org. A {YORK}",
]
BOB, ALIAS, OUTSIDE = "bob@example.org", "bob@example.net", "someone@elsewhere.example"
LISTENERS = [
    'address = "[::]:25"\ntls = "starttls"',
    'address = "[::]:587"\nvirtual_server = "submission"\ntls = "starttls"',
]
EXAMPLE = Path(__file__).parents[2] / "examples" / "small-office" / "policy.toml"


@dataclass(slots=True)
class Office:
    """All that runs."""

    hosts: Mapping[str, Host]
    node: RunningNode
    exchange: Postfix
    outbound: Exim
    filter: Postfix
    filter6: Postfix

    def swaks(self, host: str, to: str, *options: str, at: str = GATEWAY, port: int = 25) -> Said:
        """One try of that host."""
        return swaks((at, port), "--to", to, "--from", "x@sender.example", *options, host=self.hosts[host])


def policy() -> str:
    """The example, with an IPv6 address for the filter, who is told who the clients are, and later telling."""
    text = EXAMPLE.read_text("utf-8")
    for before, after in (
        ('["83.245.15.239"]', f'["{FILTER}", "2001:db8:25::/48"]'),
        ('identify_client = "none"', 'identify_client = "xforward"'),
        ('refuse_at = "connect" ', 'refuse_at = "recipient" '),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Office]:
    """The whole site."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "state").mkdir()
    users.write_users(folder / "state" / "users", {"bob": users.hash_password("secret")})
    (folder / "exchange.password").write_text("hop-secret")
    (folder / "exchange.password").chmod(0o600)
    with ExitStack() as stack:
        hosts = stack.enter_context(netns.network(HOSTS))
        inside = {"host": hosts["exchange"], "address": EXCHANGE}
        exchange = stack.enter_context(
            postfix.next_hop([BOB, ALIAS], xforward_from=[GATEWAY, INNER_SIDE], port=25, **inside)  # type: ignore[arg-type]
        )
        certificate = authority.issue(EXCHANGE)
        outbound = stack.enter_context(
            exim.next_hop([OUTSIDE], users={"arrowslit": "hop-secret"}, certificate=certificate, port=587, **inside)  # type: ignore[arg-type]
        )
        stack.enter_context(nsd.authoritative(NAMES, host=hosts["gateway"], port=53))
        more = '[dns]\nservers = ["127.0.0.1"]\n'
        node = stack.enter_context(serving(folder, policy(), LISTENERS, more, prefix=hosts["gateway"].prefix))
        filters = [
            stack.enter_context(postfix.client((to, 25), host=hosts["filter"], settings=source))
            for to, source in (
                (GATEWAY, {"smtp_bind_address": FILTER, "inet_protocols": "ipv4"}),
                (GATEWAY6, {"smtp_bind_address6": FILTER6, "inet_protocols": "all"}),
            )
        ]
        yield Office(hosts, node, exchange, outbound, *filters)


@pytest.mark.parametrize(("which", "source"), [("filter", FILTER), ("filter6", FILTER6)])
def test_the_filter_delivers(office: Office, which: str, source: str) -> None:
    sender: Postfix = getattr(office, which)
    before = len(office.exchange.messages(BOB))
    sender.send(f"Subject: from {source}\r\n\r\nText.\r\n".encode(), [BOB], "anna@sender.example")
    assert f"Subject: from {source}".encode() in b"".join(office.exchange.messages(BOB, before + 1))
    assert f"[{source}]" in office.exchange.log()  # told by XFORWARD
    record = next(row for row in office.node.records(kind="delivery") if row["client_address"] == source)
    assert record["action"] == "permit"


def test_the_filter_delivers_to_declared_aliases_and_relays_nothing(office: Office) -> None:
    assert office.swaks("filter", ALIAS).code == 0
    said = office.swaks("filter", OUTSIDE)
    assert said.code == 24
    assert "550 5.7.1" in said.text
    assert office.swaks("filter", "bob@undeclared.example").code == 24


@pytest.mark.parametrize(("at", "source"), [(GATEWAY, STRANGER), (GATEWAY6, STRANGER6)])
@pytest.mark.parametrize("to", [BOB, OUTSIDE])
def test_a_stranger_gets_nothing_in_nor_through(office: Office, at: str, source: str, to: str) -> None:
    said = office.swaks("stranger", to, at=at)
    assert said.code == 24
    assert f"550 5.7.1 {source} may not deliver here" in said.text
    record = office.node.wait_for(client_address=source, action="reject")
    assert (record["reason"], record["virtual_server"]) == ("may-not-connect", "default")
    assert record["rule"] == "default/connection_control/only_listed/end-of-list"
    assert f"[{source}]" not in office.exchange.log()


def test_a_forged_name_does_not_make_a_branch_of_a_stranger_but_a_true_one_does(office: Office) -> None:
    assert office.swaks("york", BOB).code == 0
    assert office.swaks("leeds", BOB).code == 0
    record = office.node.wait_for(client_address=YORK, kind="delivery")
    assert record["client_name"] == "york.branches.example.org"


def test_the_office_delivers_and_only_the_scanner_relays(office: Office) -> None:
    assert office.swaks("office", BOB).code == 0
    assert office.swaks("office", OUTSIDE).code == 24
    before = len(office.outbound.messages(OUTSIDE))
    assert office.swaks("scanner", OUTSIDE).code == 0
    assert len(office.outbound.messages(OUTSIDE, before + 1)) == before + 1
    assert "A=plain:arrowslit" in office.outbound.running.log_text()
    record = office.node.wait_for(client_address=SCANNER, kind="delivery")
    assert record["next_hop"] == "exchange_outbound"


def test_a_user_outside_signs_in_and_sends_anywhere(office: Office) -> None:
    sign_in = ("--auth", "PLAIN", "--auth-user", "bob", "--tls")
    before = len(office.outbound.messages(OUTSIDE))
    assert office.swaks("user", OUTSIDE, *sign_in, "--auth-password", "secret", port=587).code == 0
    assert len(office.outbound.messages(OUTSIDE, before + 1)) == before + 1
    wrong = office.swaks("user", OUTSIDE, *sign_in, "--auth-password", "wrong", port=587)
    assert wrong.code == 28
    assert "535 5.7.8" in wrong.text
    without = office.swaks("user", OUTSIDE, "--tls", port=587)
    assert without.code == 23
    assert "530 5.7.0" in without.text
    assert office.swaks("user", OUTSIDE, *sign_in, "--auth-password", "secret").code != 0  # not on port 25
