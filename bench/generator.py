"""The generator for what smtp-source cannot do: TLS, connections that are refused, sessions that idle.

    python -m bench.generator mail ADDRESS PORT --size 4096 --keep --tls starttls --sessions 20 --seconds 2
    python -m bench.generator refused ADDRESS PORT --sessions 50 --seconds 2
    python -m bench.generator idle ADDRESS PORT --sessions 5000 --tls off

One process, one epoll; a session is a Python generator that yields what it waits for. Like smtp-source it waits for
each reply before it says the next command. What it measured goes to stdout as JSON. `idle` prints a line when all
sessions stand, and keeps them until its stdin ends. Certificates are not checked: only loopback is spoken to.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

_READ = select.EPOLLIN
_WRITE = select.EPOLLOUT
_BLOCK = 65_536
_LINE = b"The quick brown fox jumps over the lazy dog, and the dog does not mind at all.\r\n"

Waits: TypeAlias = Generator[int, None, None]


class LoadError(Exception):
    """The other end said something else than it should have."""


@dataclass(slots=True)
class Load:
    """What is to be done, and what has been done so far."""

    place: tuple[str, int]
    size: int
    keep: bool
    tls: str
    until: float
    message: bytes = b""
    done: int = 0
    faults: list[str] = field(default_factory=list)
    context: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def __post_init__(self) -> None:
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        head = b"From: sender@example.org\r\nTo: anna@example.test\r\nSubject: load\r\n\r\n"
        lines = _LINE * (max(self.size - len(head), 0) // len(_LINE) + 1)
        self.message = head + lines[: max(self.size - len(head) - 2, 0)] + b"\r\n.\r\n"

    @property
    def over(self) -> bool:
        """Whether no further message is to be begun."""
        return time.monotonic() >= self.until


class Conversation:
    """One connection, without blocking: `yield from` its methods."""

    __slots__ = ("sock",)

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def connect(self, place: tuple[str, int]) -> Waits:
        """Connect; raises OSError where that fails."""
        try:
            self.sock.connect(place)
        except BlockingIOError:
            yield _WRITE
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect") from None

    def start_tls(self, context: ssl.SSLContext) -> Waits:
        """Do the handshake."""
        tls = context.wrap_socket(self.sock, do_handshake_on_connect=False)
        self.sock = tls
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                yield _READ
            except ssl.SSLWantWriteError:
                yield _WRITE
            else:
                return

    def send(self, data: bytes) -> Waits:
        """Send all of it."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view[:_BLOCK]) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield _WRITE
            except ssl.SSLWantReadError:
                yield _READ

    def reply(self, code: bytes) -> Waits:
        """Wait for a whole reply; raises LoadError where it has another code."""
        said = b""
        while not said.endswith(b"\r\n") or said[said.rfind(b"\n", 0, -1) + 4 :][:1] == b"-":
            yield _READ
            try:
                more = self.sock.recv(_BLOCK)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            if not more:
                raise LoadError(f"closed after {said[-200:]!r}")
            said += more
        if not said.startswith(code):
            raise LoadError(f"said {said[:200]!r}")

    def ask(self, command: bytes, code: bytes) -> Waits:
        """Say a command and wait for its reply."""
        yield from self.send(command)
        yield from self.reply(code)


def _greeted(conversation: Conversation, load: Load) -> Waits:
    yield from conversation.connect(load.place)
    if load.tls == "implicit":
        yield from conversation.start_tls(load.context)
    yield from conversation.reply(b"220")
    yield from conversation.ask(b"EHLO client.example.org\r\n", b"250")
    if load.tls == "starttls":
        yield from conversation.ask(b"STARTTLS\r\n", b"220")
        yield from conversation.start_tls(load.context)
        yield from conversation.ask(b"EHLO client.example.org\r\n", b"250")


def _mail(conversation: Conversation, load: Load) -> Waits:
    yield from _greeted(conversation, load)
    while True:
        yield from conversation.ask(b"MAIL FROM:<sender@example.org>\r\n", b"250")
        yield from conversation.ask(b"RCPT TO:<anna@example.test>\r\n", b"250")
        yield from conversation.ask(b"DATA\r\n", b"354")
        yield from conversation.ask(load.message, b"250")
        load.done += 1
        if not load.keep or load.over:
            break
    yield from conversation.send(b"QUIT\r\n")


def _refused(conversation: Conversation, load: Load) -> Waits:
    """Connect and hang up as soon as the other end has said no, by a reply or by closing."""
    try:
        yield from conversation.connect(load.place)
        yield _READ
        if conversation.sock.recv(4)[:1] == b"2":
            raise LoadError("was let in")
    except ConnectionResetError:
        pass
    load.done += 1


def _idle(conversation: Conversation, load: Load) -> Waits:
    yield from _greeted(conversation, load)
    load.done += 1
    while True:
        yield _READ
        if not conversation.sock.recv(_BLOCK):
            raise LoadError("an idle session was closed")


KINDS: dict[str, Callable[[Conversation, Load], Waits]] = {"mail": _mail, "refused": _refused, "idle": _idle}


class Runner:
    """Runs sessions side by side; `sources` are the addresses that they come from, in turn."""

    def __init__(self, load: Load, kind: str, sources: list[str]) -> None:
        self._load, self._kind, self._sources = load, KINDS[kind], sources
        self._epoll = select.epoll()
        self._running: dict[int, tuple[Conversation, Waits, int]] = {}
        self._begun = 0

    def begin(self) -> None:
        """Start one more session."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        sock.bind((self._sources[self._begun % len(self._sources)], 0))
        self._begun += 1
        conversation = Conversation(sock)
        session = self._kind(conversation, self._load)
        self._running[sock.fileno()] = conversation, session, 0
        self._epoll.register(sock.fileno(), 0)
        self._step(sock.fileno())

    def turn(self, seconds: float) -> None:
        """Go on with every session that can."""
        for fd, _events in self._epoll.poll(seconds, 1024):
            self._step(fd)

    @property
    def running(self) -> int:
        """How many sessions are open."""
        return len(self._running)

    def _step(self, fd: int) -> None:
        conversation, session, waits = self._running[fd]
        try:
            wanted = next(session)
        except StopIteration:
            self._end(fd, conversation)
        except (OSError, LoadError) as error:
            self._load.faults.append(str(error))
            self._end(fd, conversation)
        else:
            if wanted != waits:
                self._epoll.modify(fd, wanted)
                self._running[fd] = conversation, session, wanted

    def _end(self, fd: int, conversation: Conversation) -> None:
        del self._running[fd]
        with suppress(OSError):
            self._epoll.unregister(fd)
        conversation.sock.close()


def _run_for(runner: Runner, load: Load, sessions: int) -> float:
    """Keep `sessions` going until the time is over, let them finish, and return the seconds that it took."""
    began = time.monotonic()
    last = load.until + 30
    while not load.over and len(load.faults) < 100:
        while runner.running < sessions and not load.over:
            runner.begin()
        runner.turn(0.1)
    while runner.running and time.monotonic() < last:
        runner.turn(0.1)
    return time.monotonic() - began


def _stand(runner: Runner, load: Load, sessions: int) -> None:
    for number in range(sessions):
        runner.begin()
        while number - load.done > 100 and not load.faults and not load.over:
            runner.turn(0.1)
    while load.done < sessions and not load.faults and not load.over:
        runner.turn(0.1)
    print(json.dumps({"done": load.done, "faults": load.faults[:3]}), flush=True)
    sys.stdin.read()


def sources(kind: str) -> list[str]:
    """The addresses that sessions of this kind come from: mail from the listed one, the others from many."""
    if kind == "mail":
        return ["127.0.0.1"]
    return [f"127.0.{high}.{low}" for high in range(1, 6) for low in range(1, 251)]


def main(arguments: list[str] | None = None) -> int:
    """Run one load; 1 where the other end did not do what it should."""
    parser = argparse.ArgumentParser(prog="bench.generator")
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--tls", choices=["off", "starttls", "implicit"], default="off")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    told = parser.parse_args(arguments)
    if not ipaddress.ip_address(told.address).is_loopback:
        parser.error("only loopback is spoken to")
    load = Load((told.address, told.port), told.size, told.keep, told.tls, time.monotonic() + told.seconds)
    runner = Runner(load, told.kind, sources(told.kind))
    if told.kind == "idle":
        _stand(runner, load, told.sessions)
    else:
        seconds = _run_for(runner, load, told.sessions)
        print(json.dumps({"done": load.done, "seconds": seconds, "faults": load.faults[:3]}))
    return 1 if load.faults else 0


if __name__ == "__main__":
    sys.exit(main())
