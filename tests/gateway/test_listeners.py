"""Listening sockets: opened with errors that help, taken over by address, both families on one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest

from arrowslit.gateway.listeners import INHERITED, ListenerError, Listeners, split_address
from arrowslit.gateway.plan import ListenerPlan
from tests.gateway import descriptors


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    listeners = Listeners()
    yield listeners
    listeners.close()


def opened(listeners: Listeners, *addresses: str) -> list[str]:
    """Open these, close all others; where each key is bound."""
    added, removed = listeners.prepare([ListenerPlan(address) for address in addresses])
    listeners.commit(added, removed)
    return [listeners.open[key].bound for key in listeners.open]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.1:25", ("192.0.2.1", 25)),
        ("[2001:DB8::1]:25", ("2001:db8::1", 25)),
        ("[::]:0", ("::", 0)),
        ("*:25", ("::", 25)),
    ],
)
def test_addresses(text: str, wanted: tuple[str, int]) -> None:
    assert split_address(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "25", "192.0.2.1", "mx.example.net:25", "192.0.2.1:65536", "192.0.2.1:-1", ":25", "1.2.3.4:²"]
)
def test_what_is_no_address_says_what_to_write(text: str) -> None:
    with pytest.raises(ListenerError, match="write ADDRESS:PORT"):
        split_address(text)


def test_port_0_gets_a_real_port_each_time(listeners: Listeners) -> None:
    first, second = opened(listeners, "127.0.0.1:0", "127.0.0.1:0")
    assert first != second
    assert list(listeners.open) == ["127.0.0.1:0", "127.0.0.1:0#2"]
    assert opened(listeners, "127.0.0.1:0", "127.0.0.1:0") == [first, second], "what is open stays"
    assert opened(listeners, "127.0.0.1:0") == [first]


def test_an_address_that_stands_twice(listeners: Listeners) -> None:
    with pytest.raises(ListenerError, match="stands twice"):
        opened(listeners, "127.0.0.1:2525", "127.0.0.1:2525")


def test_one_that_fails_leaves_all_as_it_was(listeners: Listeners) -> None:
    before = opened(listeners, "127.0.0.1:0")
    before_open = descriptors.count()
    with pytest.raises(ListenerError, match="does not have the address"):
        opened(listeners, "127.0.0.1:0", "127.0.0.1:0", "203.0.113.1:0")
    assert [at.bound for at in listeners.open.values()] == before
    assert descriptors.count() == before_open


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_both_families_on_one_socket_or_on_two(listeners: Listeners) -> None:
    port = free_port()
    assert opened(listeners, f"[::]:{port}") == [f"[::]:{port}"]
    for address in ("127.0.0.1", "::1"):
        socket.create_connection((address, port), 5).close()
    opened(listeners)
    assert opened(listeners, f"[::]:{port}", f"0.0.0.0:{port}") == [f"[::]:{port}", f"0.0.0.0:{port}"]


def test_a_port_in_use_names_who_has_it(listeners: Listeners) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenerError) as error:
            opened(listeners, f"127.0.0.1:{port}")
    assert f'listener "127.0.0.1:{port}": port {port} is in use: the program "' in str(error.value)
    assert f"(process {os.getpid()}) listens there" in str(error.value)


def test_sockets_of_a_parent_before_us_are_taken_and_the_rest_is_named(listeners: Listeners) -> None:
    one, other = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    port = one.getsockname()[1]
    passed_on = {"127.0.0.1:0": one.detach(), "127.0.0.9:25": other.detach()}
    environment = {INHERITED: json.dumps(passed_on), "OTHER": "x"}
    listeners.adopt(environment)
    assert environment == {"OTHER": "x"}
    assert opened(listeners, "127.0.0.1:0") == [f"127.0.0.1:{port}"]
    assert listeners.drop_spare() == ["127.0.0.9:25"]


def test_sockets_meant_for_another_process_are_not_ours(listeners: Listeners) -> None:
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDNAMES": "smtp"}
    listeners.adopt(environment)
    assert environment == {}
    assert listeners.drop_spare() == []


def test_other_settings_are_seen_and_keep_the_socket(listeners: Listeners) -> None:
    opened(listeners, "127.0.0.1:0")
    before = listeners.open["127.0.0.1:0"]
    (changed,) = listeners.changed([ListenerPlan("127.0.0.1:0", {"tls": "implicit"})])
    assert changed.socket is before.socket
    assert changed.as_message()["settings"] == {"tls": "implicit"}
    assert listeners.changed([ListenerPlan("127.0.0.1:0")]) == []
