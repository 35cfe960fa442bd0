"""Numbers of the node, counted by several processes in the same memory."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.gateway.counters import FAILURE_WINDOW, CountersPlace, SharedCounters

_WORKER = """
import json, sys
from arrowslit.gateway.counters import CountersPlace, SharedCounters
counters = SharedCounters(CountersPlace.from_message(json.loads(sys.argv[1])), int(sys.argv[2]))
taken = 0
slot = counters.slot("exchange")
for turn in range(20_000):
    counters.open(b"\\1\\2\\3\\4")
    counters.spool_add(10)
    counters.spool_sub(4)
    if counters.acquire(slot, 15):
        taken += 1
        assert counters.next_hop_connections(slot) <= 15 + 1
        if taken > 3:
            counters.release(slot)
            taken -= 1
counters.session_opened()
print(json.dumps([slot, taken]))
"""


@pytest.fixture
def counters() -> SharedCounters:
    return SharedCounters.create(4)


def other(counters: SharedCounters, worker: int) -> SharedCounters:
    """The same counters as another worker sees them."""
    return SharedCounters(CountersPlace.from_message(counters.place.as_message()), worker)


def test_two_processes_lose_no_count(counters: SharedCounters) -> None:
    arguments = [sys.executable, "-c", _WORKER, json.dumps(counters.place.as_message())]
    workers = [
        subprocess.Popen([*arguments, str(n)], pass_fds=[counters.place.fd], stdout=subprocess.PIPE) for n in (1, 2)
    ]
    said = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert counters.connections(b"\1\2\3\4") == 40_000
    assert counters.spool_total() == 2 * 20_000 * 6
    assert counters.sessions() == [0, 1, 1, 0]
    slot = counters.slot("exchange")
    assert [slot, slot] == [said[0][0], said[1][0]]
    assert counters.next_hop_connections(slot) == said[0][1] + said[1][1] <= 15


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=4, max_size=8)), max_size=60))
def test_a_sketch_never_says_too_little_and_here_not_too_much(opened: list[tuple[int, bytes]]) -> None:
    parent = SharedCounters.create(4)
    columns = [other(parent, number) for number in range(4)]
    truth: Counter[bytes] = Counter()
    for worker, source in opened:
        truth[source] += 1
        assert columns[worker].open(source) == truth[source]
    for worker, source in opened:
        columns[worker].close(source)
    assert all(parent.connections(source) == 0 for source in truth)


def test_many_sources_stay_nearly_right(counters: SharedCounters) -> None:
    sources = [number.to_bytes(4, "big") for number in range(20_000)]
    for source in sources:
        counters.open(source)
    said = [counters.connections(source) for source in sources[:2000]]
    assert min(said) >= 1
    assert max(said) < 10
    for source in sources:
        counters.close(source)
    assert counters.connections(sources[0]) == 0


def test_a_cap_holds_over_all_workers(counters: SharedCounters) -> None:
    one, two = other(counters, 1), other(counters, 2)
    slot = one.slot("exchange")
    assert two.slot("exchange") == slot != one.slot("postfix")
    assert [one.acquire(slot, 3), two.acquire(slot, 3), one.acquire(slot, 3)] == [True, True, True]
    assert not two.acquire(slot, 3)
    assert counters.next_hop_connections(slot) == 3
    one.release(slot)
    assert two.acquire(slot, 3)


def test_more_next_hops_than_slots_share_them(counters: SharedCounters) -> None:
    slots = {counters.slot(f"next hop {number}") for number in range(4096)}
    assert slots == set(range(4096))
    assert counters.slot("one more") in slots


def test_a_dead_worker_gives_back_what_it_had_open(counters: SharedCounters) -> None:
    dead, living = other(counters, 1), other(counters, 2)
    slot = dead.slot("exchange")
    for worker in (dead, living):
        worker.open(b"\1\2\3\4")
        worker.spool_add(100)
        worker.session_opened()
        assert worker.acquire(slot, 15)
    dead.sign_in_failed(5.0, b"jan", b"\1\2\3\4")
    counters.forget(1)
    assert counters.connections(b"\1\2\3\4") == 1
    assert counters.spool_total() == 100
    assert counters.sessions() == [0, 0, 1, 0]
    assert counters.next_hop_connections(slot) == 1
    assert living.sign_in_failures(5.0, b"jan", b"?") == (1, 0), "a crash gives an attacker new tries"


def test_failed_sign_ins_count_by_login_and_by_source(counters: SharedCounters) -> None:
    one, two = other(counters, 1), other(counters, 2)
    assert one.sign_in_failed(5.0, b"jan", b"\1\1\1\1") == (1, 1)
    assert two.sign_in_failed(6.0, b"jan", b"\2\2\2\2") == (2, 1)
    assert two.sign_in_failed(6.0, b"eva", b"\2\2\2\2") == (1, 2)
    assert counters.sign_in_failures(7.0, b"jan", b"\2\2\2\2") == (2, 2)


def test_a_login_named_like_a_source_is_another_name(counters: SharedCounters) -> None:
    counters.sign_in_failed(5.0, b"\1\1\1\1", b"x")
    assert counters.sign_in_failures(5.0, b"y", b"\1\1\1\1") == (0, 0)


def test_failed_sign_ins_are_forgotten_after_two_windows_by_every_worker(counters: SharedCounters) -> None:
    one, two = other(counters, 1), other(counters, 2)
    for worker in (one, two):
        worker.sign_in_failed(5.0, b"jan", b"s")
    assert one.sign_in_failures(FAILURE_WINDOW + 5, b"jan", b"s") == (2, 2)
    assert one.sign_in_failed(2 * FAILURE_WINDOW + 5, b"jan", b"s") == (1, 1)
    assert two.sign_in_failures(2 * FAILURE_WINDOW + 5, b"jan", b"s") == (1, 1)
    assert two.sign_in_failures(9 * FAILURE_WINDOW, b"jan", b"s") == (0, 0)


def test_spool_and_sessions(counters: SharedCounters) -> None:
    one, two = other(counters, 1), other(counters, 2)
    assert one.spool_add(1000) == 1000
    assert two.spool_add(10) == 1010
    one.spool_sub(1000)
    assert counters.spool_total() == 10
    assert one.session_opened() == 1
    assert two.session_opened() == 2
    one.session_closed()
    assert counters.sessions() == [0, 0, 1, 0]


def test_no_column_for_that_worker(counters: SharedCounters) -> None:
    with pytest.raises(ValueError, match="worker 4 has no column among 4"):
        other(counters, 4)
