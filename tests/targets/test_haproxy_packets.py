"""The compiled HAProxy configuration in a real HAProxy: whom it lets through, and whom the server behind sees."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers import process
from tests.peers.outside import Outside, outside
from tests.targets.behind import PLACE, greeted, long_list, mail_server
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("haproxy")]


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, mail_server(found):
        yield found


@contextmanager
def front(net: Outside, folder: Path, text: str) -> Iterator[None]:
    """HAProxy with an administrator's own file and ours, as the text says to start it."""
    own = folder / "haproxy.cfg"
    own.write_text(f"global\n\tmaxconn 4000\n\tstats socket {folder}/admin.sock\n")
    ours = folder / "arrowslit.cfg"
    ours.write_text(text)
    haproxy = process.by_loader("haproxy", "usr/sbin/haproxy", "-f", str(own), "-f", str(ours))
    checked = process.output([*haproxy, "-c"], host=net.machine)
    assert checked.returncode == 0, checked.stderr
    assert "[WARNING]" not in checked.stderr, checked.stderr
    ready = process.answers(net.ADDRESS4, 25, host=net.machine)
    with process.started(process.unique("haproxy"), [*haproxy, "-db"], folder / "log", ready, host=net.machine):
        yield


SIX_TO_FOUR = ["2002:cb00:7101::1", "2002:c633:640a::1", "2002:c633:64ff::1", "::cb00:7101", "64:ff9b::cb00:7101"]
"""Addresses that hold one of IPv4, listed (203.0.113.1, 198.51.100.10) or refused (198.51.100.255)."""


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_clients_get_through_as_the_policy_says(net: Outside, tmp_path: Path, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    clients = [*edges(policy, more=400), *SIX_TO_FOUR]
    with front(net, tmp_path, made("haproxy", POLICIES[sample], PLACE).text):
        heard = greeted(net, clients)
    assert heard == {one: f"220 {one}" if may_connect(policy, one) else "" for one in heard}


@pytest.mark.parametrize(("mode", "seed"), [("only_listed", 1), ("all_except_listed", 2)])
def test_a_long_list_is_kept_to_the_letter(net: Outside, tmp_path: Path, mode: str, seed: int) -> None:
    text = long_list(mode, seed)
    policy = policy_of(text)
    with front(net, tmp_path, made("haproxy", text, PLACE).text):
        heard = greeted(net, edges(policy, seed, more=500))
    assert len(heard) > 2000
    assert heard == {one: f"220 {one}" if may_connect(policy, one) else "" for one in heard}


def test_everybody_of_one_family_is_nobody_of_the_other(net: Outside, tmp_path: Path) -> None:
    text = POLICIES["ipv6-only"].replace("2001:db8:25::/48", "::/0")
    with front(net, tmp_path, made("haproxy", text, PLACE).text):
        heard = greeted(net, ["203.0.113.1", "2001:db8::1"])
    assert heard == {"203.0.113.1": "", "2001:db8::1": "220 2001:db8::1"}


def test_ten_thousand_ranges_load(net: Outside, tmp_path: Path) -> None:
    listed = ", ".join(f'"10.{n // 256}.{n % 256}.0/25"' for n in range(10_000))
    text = POLICIES["small"].replace('"2001:db8:25::/48"', listed)
    with front(net, tmp_path, made("haproxy", text, PLACE).text):
        heard = greeted(net, ["10.39.15.127", "10.39.15.128"])
    assert heard == {"10.39.15.127": "220 10.39.15.127", "10.39.15.128": ""}


def _asked(at: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(at))
        one.sendall(command.encode() + b"\n")
        with one.makefile() as stream:
            return stream.read()


def test_to_observe_is_to_remember_who_would_be_refused(net: Outside, tmp_path: Path) -> None:
    with front(net, tmp_path, made("haproxy", POLICIES["observe"], PLACE).text):
        greeted(net, ["203.0.113.1", "203.0.113.78", "2001:db8:25::1", "2001:db8:99::1"])
        tables = [_asked(tmp_path / "admin.sock", f"show table arrowslit{version}") for version in (4, 6)]
    kept = [line.split()[1] for line in "".join(tables).splitlines() if "key=" in line]
    assert [one for one in kept if one != f"key={net.ADDRESS4}"] == ["key=203.0.113.78", "key=2001:db8:99::1"]
