"""Forgotten mappings in real routers (MiniUPnPd, both builds): named, deleted; strangers' packets before and after."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from arrowslit.rollout.mappings import audit
from arrowslit.rollout.mappings.audit import Found, delete, look
from arrowslit.rollout.mappings.pmp import speaks
from arrowslit.rollout.mappings.words import what
from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError
from tests.cli.command import REPOSITORY
from tests.docs.page import fits
from tests.peers import process
from tests.peers.home_router import Home, home_router
from tests.peers.netns import Host, network

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.peer("nftables", "miniupnpd", "miniupnpd-iptables", "upnpc"),
]
BUILDS = ["nftables", "iptables"]
PAGE = REPOSITORY / "docs" / "how-to" / "forgotten-mappings.md"


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


def arrowslit(host: Host, *words: str) -> Result:
    """The real command on one of the machines."""
    done = subprocess.run(
        [*host.prefix, sys.executable, "-m", "arrowslit.cli.main", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**process.environment(), "PYTHONPATH": str(REPOSITORY / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return Result(done.returncode, done.stdout, done.stderr)


def mappings(host: Host, *words: str) -> Result:
    return arrowslit(host, "target", "mappings", *words)


def found(host: Host, *ports: int) -> Found:
    return host.call(lambda: look(None, ports or (25,)))


@pytest.fixture(scope="module", params=BUILDS)
def a_home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with home_router(request.param) as made:
        yield made


@pytest.fixture
def home(a_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(audit, "_SEARCH", 0.5)
    yield a_home
    for line in a_home.upnpc("-l").splitlines():
        if there := re.match(r" *\d+ (TCP|UDP) +(\d+)->", line):
            a_home.upnpc("-d", there[2], there[1])


def test_a_forgotten_mapping_is_named_and_deleted(home: Home) -> None:
    home.upnpc("-a", Home.OTHER, "25", "25", "TCP")
    home.upnpc("-a", Home.OTHER, "465", "465", "TCP")
    assert (home.through(), home.through(465)) == ("220 other", "220 other")
    shown = mappings(home.inside)
    assert shown.code == 3
    assert "1  port 25 is also forwarded to 192.168.1.9\n" in shown.out
    assert 'router 192.168.1.1, which calls itself "Debian router": 2 mappings, 1 of port 25' in shown.err
    assert mappings(home.inside, "--delete", "1").code == 2  # nobody can be asked
    assert mappings(home.inside, "--delete", "1", "--dry-run").code == 3
    assert home.through() == "220 other"
    gone = mappings(home.inside, "--delete", "1", "--yes")
    assert (gone.code, gone.out.splitlines()[-1]) == (0, "1 is deleted")
    assert (home.through(), home.through(465)) == ("", "220 other")
    assert "465->" in (left := home.upnpc("-l"))
    assert " 25->" not in left
    assert mappings(home.inside, "--delete", "1", "--yes").code == 2
    again = mappings(home.inside, "--all", "--yes", "--json")
    assert (again.code, json.loads(again.out)["mappings"]) == (0, [])


def test_other_ports_and_ways_round(home: Home) -> None:
    home.upnpc("-a", Home.OTHER, "465", "465", "TCP", "3600")
    home.upnpc("-a", Home.INSIDE, "25", "2525", "TCP")
    home.upnpc("-a", Home.OTHER, "25", "25", "UDP")
    home.upnpc("-a", Home.OTHER, "8080", "8080", "TCP")
    assert home.through(2525) == "220 inside"
    seen = found(home.inside, 25, 465)
    assert [what(router, one, (25, 465)) for router, one in seen.of((25, 465))] == [
        "port 465 is also forwarded to 192.168.1.9",
        "port 2525 is forwarded to port 25 of 192.168.1.5 (this machine)",
    ]
    assert seen.routers[0].problem == ""
    for router, one in seen.of((25, 465)):
        home.inside.call(lambda router=router, one=one: delete(router, one))  # type: ignore[misc]
    assert (home.through(465), home.through(2525)) == ("", "")
    left = home.upnpc("-l")
    assert "UDP    25->" in left
    assert "8080->" in left


def test_a_remote_host_does_not_hide_a_mapping(home: Home) -> None:
    home.upnpc("-a", Home.OTHER, "25", "25", "TCP", "0", Home.STRANGER)
    assert home.through() == "220 other"
    there = found(home.inside).of((25,))
    assert [(one.port, one.to) for _, one in there] == [(25, Home.OTHER)]
    home.inside.call(lambda: delete(*there[0]))
    assert home.through() == ""


def test_a_name_does_not_hide_a_mapping(home: Home) -> None:
    home.upnpc("-e", "a \x1b[2J\x01 game", "-a", Home.OTHER, "25", "25", "TCP")
    home.upnpc("-e", "\xff\xfe <b> & ]]>", "-a", Home.OTHER, "26", "26", "TCP")
    shown = mappings(home.inside)
    assert shown.code == 3
    assert "\x1b" not in shown.out + shown.err
    assert mappings(home.inside, "--all", "--yes", "-q").code == 0
    assert home.through() == ""


def test_what_somebody_changed_meanwhile_is_left(home: Home) -> None:
    home.upnpc("-a", Home.OTHER, "25", "25", "TCP")
    seen = found(home.inside)
    home.upnpc("-d", "25", "TCP")
    home.upnpc("-a", Home.INSIDE, "25", "25", "TCP")
    with pytest.raises(ChangedMeanwhileError):
        home.inside.call(lambda: delete(*seen.of((25,))[0]))
    assert home.through() == "220 inside"
    late = mappings(home.inside, "--delete", "1", "--yes", "--token", seen.token((25,)))
    assert late.code == 4
    assert home.through() == "220 inside"


def test_a_mapping_by_natpmp_is_listed_where_the_router_lists_all(home: Home) -> None:
    asked = struct.pack("!BBHHHI", 0, 2, 0, 25, 25, 600)
    assert home.other.call(lambda: _natpmp(asked))[:4] == b"\x00\x82\x00\x00"
    assert home.through() == "220 other"
    seen = found(home.inside)
    assert home.inside.call(lambda: speaks(seen.routers[0].address, seen.routers[0].own)) == ("NAT-PMP", "PCP")
    home.inside.call(lambda: delete(*seen.of((25,))[0]))
    assert home.through() == ""


def _natpmp(asked: bytes) -> bytes:
    import socket  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(5)
        wire.sendto(asked, (Home.ROUTER, 5351))
        return wire.recv(100)


def test_a_firewall_that_keeps_states_does_not_hide_the_router(home: Home) -> None:
    nft = process.by_loader("nftables", "usr/sbin/nft")
    rules = """
table inet own {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
	}
}
"""
    home.upnpc("-a", Home.OTHER, "25", "25", "TCP")
    home.inside.run([*nft, "-f", "-"], given=rules.encode())
    try:
        assert len(found(home.inside).of((25,))) == 1
    finally:
        home.inside.run([*nft, "flush", "ruleset"])


_LIAR = """
import socket, struct
member = struct.pack('4s4si', socket.inet_aton('239.255.255.250'), b'', socket.if_nametoindex('eth0'))
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind(('', 1900))
wire.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
print('ready', flush=True)
while True:
    _, asker = wire.recvfrom(2048)
    for number in range(300):
        place = ('192.168.1.1:5000', '192.168.1.9', '127.0.0.1:22')[number % 3]
        wire.sendto(f'HTTP/1.1 200 OK\\r\\nLOCATION: http://{place}/{number}\\r\\n\\r\\n'.encode(), asker)
        wire.sendto(b'\\xff' * 1000, asker)
"""


def test_a_machine_that_answers_for_the_router_hides_nothing(home: Home) -> None:
    home.upnpc("-a", Home.OTHER, "25", "25", "TCP")
    with home.other.popen([sys.executable, "-c", _LIAR], stdout=subprocess.PIPE) as liar:
        try:
            assert liar.stdout is not None
            assert liar.stdout.readline() == b"ready\n"
            seen = found(home.inside)
        finally:
            liar.kill()
    assert [(str(router.address), one.to) for router, one in seen.of((25,))] == [(Home.ROUTER, Home.OTHER)]
    said = " ".join(seen.unread)
    assert "192.168.1.9: it points to 192.168.1.1, another machine, which is not asked" in said
    assert "192.168.1.9: Connection refused" in said
    assert seen.routers[0].problem == ""


def test_a_router_that_lets_each_machine_delete_only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_SEARCH", 0.5)
    with home_router("nftables", secure=True) as home:
        home.upnpc("-a", Home.OTHER, "25", "25", "TCP", of="other")
        assert home.through() == "220 other"
        there = found(home.inside).of((25,))
        assert len(there) == 1
        with pytest.raises(RolloutError, match=r"606.*only 192\.168\.1\.9 delete it"):
            home.inside.call(lambda: delete(*there[0]))
        assert home.through() == "220 other"
        home.other.call(lambda: delete(*there[0]))
        assert home.through() == ""


def test_nobody_answers() -> None:
    with network({"alone": ["192.168.1.5"]}) as hosts:
        seen = mappings(hosts["alone"], "--interface", "eth0", "-q")
        assert (seen.code, seen.out) == (5, "")
        assert "no router answers to UPnP" in seen.err
        none = mappings(hosts["alone"], "--interface", "eth7")
        assert (none.code, none.err) == (2, 'error: there is no interface "eth7"\n')


@contextmanager
def _page_home() -> Iterator[Home]:
    with ExitStack() as stack:
        home = stack.enter_context(home_router("iptables"))
        home.upnpc("-e", "old mail server", "-a", Home.OTHER, "25", "25", "TCP", "0")
        home.upnpc("-e", "test", "-a", Home.OTHER, "25", "2525", "TCP", "3600")
        yield home


def test_the_commands_of_the_page() -> None:
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"^```console no-run\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    steps = [part for block in blocks for part in block.removeprefix("$ ").split("\n$ ")]
    assert len(steps) >= 4
    with _page_home() as home:
        for step in steps:
            command, _, output = step.partition("\n")
            command, _, code = command.partition("  # exit ")
            said = arrowslit(home.inside, *command.split()[1:])
            told = f"{command}\n{said.out}{said.err}"
            assert said.code == int(code or 0), told
            assert fits(output.strip("\n"), said.out + said.err), told
        assert home.through() == ""
