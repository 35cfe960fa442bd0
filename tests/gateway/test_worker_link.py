"""Messages and sockets between the parent and a worker, in any pieces."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from arrowslit.gateway.worker_link import ENVIRONMENT, WorkerLink
from tests.gateway import descriptors


@pytest.fixture
def loop() -> Any:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def until(loop: asyncio.AbstractEventLoop, holds: Callable[[], object]) -> None:
    async def wait() -> None:
        while not holds():
            await asyncio.sleep(0.005)

    loop.run_until_complete(asyncio.wait_for(wait(), 10))


def test_messages_both_ways_in_order(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = map(WorkerLink, WorkerLink.pair())
    heard: dict[str, list[Any]] = {"ours": [], "theirs": []}
    ours.send({"do": "start", "early": True})
    ours.start(loop, heard["ours"].append)
    theirs.start(loop, heard["theirs"].append)
    for number in range(100):
        ours.send({"do": number})
        theirs.send({"is": number, "text": "é" * 2000})
    until(loop, lambda: len(heard["ours"]) == 100 and len(heard["theirs"]) == 101)
    assert [message["do"] for message in heard["theirs"]] == ["start", *range(100)]
    assert [message["is"] for message in heard["ours"]] == list(range(100))
    ours.close()
    theirs.close()


def test_one_octet_at_a_time(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = WorkerLink.pair()
    heard: list[Any] = []
    link = WorkerLink(theirs)
    link.start(loop, heard.append)
    for octet in b"\0\0\0\x0c" + b'{"do": "x"} ' + b"\0\0\0\x02{}":
        ours.send(bytes([octet]))
        loop.run_until_complete(asyncio.sleep(0.001))
    until(loop, lambda: len(heard) == 2)
    assert heard == [{"do": "x"}, {}]
    link.close()
    ours.close()


def test_sockets_travel_with_their_message(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = map(WorkerLink, WorkerLink.pair())
    heard: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        for number, message_fds in enumerate([[one.fileno()], [], [two.fileno(), one.fileno()]]):
            ours.send({"n": number}, message_fds)
        ours.start(loop, print)
        theirs.start(loop, heard.append)
        until(loop, lambda: len(heard) == 3)
        assert "fds" not in heard[1]
        got = [socket.socket(fileno=fd) for message in (heard[0], heard[2]) for fd in message["fds"]]
        assert [sock.getsockname() for sock in got] == [one.getsockname(), two.getsockname(), one.getsockname()]
        for sock in got:
            assert not sock.get_inheritable()
            sock.close()
    ours.close()
    theirs.close()


def test_what_is_not_read_is_kept_up_to_a_limit(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = WorkerLink.pair()
    link = WorkerLink(ours)
    link.start(loop, print)
    sent = 0
    while link.send({"text": "x" * 100_000}):
        sent += 1
        assert sent < 1000
    heard: list[Any] = []
    reader = WorkerLink(theirs)
    reader.start(loop, heard.append)
    until(loop, lambda: len(heard) == sent)
    assert link.send({"again": True})
    until(loop, lambda: heard[-1] == {"again": True})
    link.close()
    reader.close()


def test_the_others_death_is_told_once_after_its_last_words(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = WorkerLink.pair()
    heard: list[Any] = []
    link, other = WorkerLink(ours), WorkerLink(theirs)
    link.start(loop, heard.append, lambda: heard.append("gone"))
    other.send({"last": "words"})
    other.start(loop, print)
    other.close()
    until(loop, lambda: "gone" in heard)
    assert heard == [{"last": "words"}, "gone"]
    assert link.closed
    assert not link.send({"anybody": "there"})


def test_a_handler_that_fails_does_not_hold_up_the_next_message(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = map(WorkerLink, WorkerLink.pair())
    heard: list[int] = []
    reported: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))

    def handle(message: dict[str, Any]) -> None:
        heard.append(message["n"])
        raise KeyError("handler")

    theirs.start(loop, handle)
    ours.start(loop, print)
    ours.send({"n": 1})
    ours.send({"n": 2})
    until(loop, lambda: heard == [1, 2])
    assert [type(error) for error in reported] == [KeyError, KeyError]
    ours.close()
    theirs.close()


def test_a_frame_that_is_too_long_ends_the_link(loop: asyncio.AbstractEventLoop) -> None:
    ours, theirs = WorkerLink.pair()
    heard: list[str] = []
    link = WorkerLink(theirs)
    link.start(loop, print, lambda: heard.append("gone"))
    ours.send(b"\xff\xff\xff\xff")
    until(loop, lambda: heard)
    ours.close()


def test_descriptors_that_nobody_took_are_closed(loop: asyncio.AbstractEventLoop) -> None:
    before = descriptors.count()
    ours, theirs = map(WorkerLink, WorkerLink.pair())
    with socket.create_server(("127.0.0.1", 0)) as one:
        ours.send({"n": 1}, [one.fileno()])
        ours.close()
    theirs.close()
    assert descriptors.count() == before


def test_a_worker_started_by_hand_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(RuntimeError, match="not by hand"):
        WorkerLink.inherited()
