"""Traffic of many kinds to any server, as data: who comes, how he greets, what he asks; and what he was answered.

Terms: a *session* is one connection with its transactions; an *asked* is one recipient that a session named, with the
facts of the session as the client knows them and the server's reply: the truth that a log is held against. A *site* is
who may do what on the server: whoever sets the server up makes it say the same.

Knows nothing of the server but its address and port. Clients come from loopback addresses of their own, which need no
setting up.
"""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import BinaryIO

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """`paths` are asked for one after the other; the message follows where one was accepted and `sends` is true."""

    reverse_path: str
    paths: tuple[str, ...]
    sends: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """One connection. Where the server does not take `helo_name`, PLAIN_HELO is said in its place."""

    client_address: str
    helo_name: str
    transactions: tuple[Transaction, ...]
    tls: bool = False
    sign_in: tuple[str, str] | None = None
    quits: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """One recipient; `path` is None where the session or the transaction was refused before one was named.

    `taken`: the message was asked for and answered with 2yz.
    """

    client_address: str
    helo_name: str
    tls: bool
    authenticated_as: str
    reverse_path: str | None
    path: str | None
    reply: str
    taken: bool = False

    @property
    def accepted(self) -> bool:
        """The recipient was answered 2yz."""
        return self.path is not None and self.reply.startswith("2")


PLAIN_HELO = "plain.example"
BODY = b"Subject: mixed\r\nFrom: x@sender.example\r\n\r\nfor you, H=evil.example [192.0.2.99] to=<x@y.example>\r\n.\r\n"


class _Line:
    """Commands and replies of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.stream: BinaryIO = connection.makefile("rb")

    def reply(self) -> str:
        lines = []
        while True:
            line = self.stream.readline().decode("utf-8", "replace").rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def ask(self, command: str) -> str:
        self.connection.sendall(command.encode() + b"\r\n")
        return self.reply()

    def start_tls(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.connection = context.wrap_socket(self.connection)
        self.stream = self.connection.makefile("rb")


def carry_out(
    address: str, port: int, sessions: Sequence[Session], *, at_once: int = 4, first: bytes = b""
) -> list[Asked]:
    """Hold these sessions, some at once; what each of their recipients was answered. `first` is sent before all else."""
    with ThreadPoolExecutor(at_once) as pool:
        return [one for asked in pool.map(lambda one: _hold(address, port, one, first), sessions) for one in asked]


def _hold(address: str, port: int, session: Session, first: bytes) -> list[Asked]:
    source = (session.client_address, 0)
    with socket.create_connection((address, port), SECONDS, source) as connection:
        line = _Line(connection)
        if first:
            connection.sendall(first)
        asked = _talk(line, session)
        with suppress(OSError):
            if session.quits:
                line.ask("QUIT")
            line.connection.close()
        return asked


def _talk(line: _Line, session: Session) -> list[Asked]:
    asked: list[Asked] = []
    helo, tls, user = session.helo_name, False, ""

    def put(reverse_path: str | None, path: str | None, reply: str) -> None:
        asked.append(Asked(session.client_address, helo, tls, user, reverse_path, path, reply))

    greeting = line.reply()
    if not greeting.startswith("220"):
        put(None, None, greeting)
        return asked
    if not (greeted := line.ask(f"EHLO {helo}")).startswith("250"):
        helo = PLAIN_HELO
        greeted = line.ask(f"EHLO {helo}")
    if session.tls and line.ask("STARTTLS").startswith("220"):
        line.start_tls()
        tls = True
        greeted = line.ask(f"EHLO {helo}")
    if not greeted.startswith("250"):
        put(None, None, greeted)
        return asked
    if session.sign_in:
        words = "\0".join(("", *session.sign_in)).encode()
        if line.ask(f"AUTH PLAIN {base64.b64encode(words).decode()}").startswith("235"):
            user = session.sign_in[0]
    for one in session.transactions:
        mail = line.ask(f"MAIL FROM:<{one.reverse_path}>")
        if not mail.startswith("250"):
            put(one.reverse_path, None, mail)
            continue
        begin = len(asked)
        for path in one.paths:
            put(one.reverse_path, path, line.ask(f"RCPT TO:<{path}>"))
        if one.sends and any(found.accepted for found in asked[begin:]):
            asked[begin:] = _message(line, asked[begin:])
        else:
            line.ask("RSET")
    return asked


def _message(line: _Line, asked: list[Asked]) -> list[Asked]:
    if not line.ask("DATA").startswith("354"):
        return asked
    line.connection.sendall(BODY)
    taken = line.reply().startswith("250")
    return [
        Asked(
            one.client_address,
            one.helo_name,
            one.tls,
            one.authenticated_as,
            one.reverse_path,
            one.path,
            one.reply,
            taken and one.accepted,
        )
        for one in asked
    ]


@dataclass(frozen=True, slots=True)
class Site:
    """Who may do what: the filter's addresses may deliver to `mailboxes`, the printers' addresses also relay, whoever
    signed in may do both; nobody else may do anything. Addresses are prefixes with a dot at their end.
    """

    filter: str = "127.0.2."
    printers: str = "127.0.4."
    strangers: str = "127.0.3."
    domains: tuple[str, ...] = ("example.test", "sub.example.test")
    mailboxes: tuple[str, ...] = ("anna@example.test", "ben@example.test", "carl@sub.example.test")
    user: tuple[str, str] = ("ursula", "word-1")

    def may_deliver(self, one: Asked) -> bool:
        """Who may write to us."""
        return one.client_address.startswith((self.filter, self.printers)) or bool(one.authenticated_as)

    def permits(self, one: Asked) -> bool:
        """Whether access is given: that the mailbox exists is not asked."""
        if one.path is not None and self.ours(one.path):
            return self.may_deliver(one)
        return one.client_address.startswith(self.printers) or bool(one.authenticated_as)

    def ours(self, path: str) -> bool:
        """Whether it is in a domain of ours."""
        return path.rpartition("@")[2].lower() in self.domains

    def unknown(self, path: str) -> bool:
        """Whether it is a mailbox of ours that is not there."""
        return self.ours(path) and path.lower() not in self.mailboxes


SITE = Site()

OWN_ADDRESS = "[{}]"
HELO_NAMES = (
    "mx.filter.example",
    "mx.filter.example",
    "mx.filter.example",
    "[192.0.2.77]",
    OWN_ADDRESS,
    "w) [198.51.100.1]",
    "w [198.51.100.1]",
    "a.example[198.51.100.7]",
    "helo=<y> from=<z@x.example> to=<q@example.test>",
    "y>; from=<z@x.example> to=<q@example.test> proto=ESMTP helo=<y",
    "H=good.example [198.51.100.9] F=<z@x.example>",
    "relay=good.example [192.0.2.7], reject=550 5.7.1 x",
    "a, relay=[192.0.2.7]",
    "x command=address=192.0.2.7 result=550",
    '"quoted"',
    "%n%s%x",
    "b\u00fccher.example",
    "a_b.example",
    "disconnected reason=quit",
    "[2001:db8::1]",
    "x" * 200,
)
REVERSE_PATHS = (
    "",
    "",
    "boss@example.test",
    '"a> to=<q@example.test"@sender.example',
    '"x for q@example.test"@sender.example',
    '"H=[198.51.100.9] F=<z"@sender.example',
    '"a, size=1, nrcpts=7"@sender.example',
    "o'neill+tag=1@sender.example",
)
STRANGE_RECIPIENTS = (
    '"q> proto=ESMTP helo=<z"@elsewhere.example',
    '"q]: relay not permitted H=[198.51.100.9"@elsewhere.example',
    '"a, relay=[192.0.2.7], reject=250 x"@elsewhere.example',
    "o'neill%elsewhere.example@elsewhere.example",
)


def sessions(seed: int, number: int, *, site: Site = SITE, tls: bool = False, sign_in: bool = False) -> list[Session]:
    """So many sessions of all kinds; the same for the same `seed`. One transaction names no recipient twice."""
    random = Random(seed)
    return [_session(random, site, one, tls=tls, sign_in=sign_in) for one in range(number)]


def _session(random: Random, site: Site, number: int, *, tls: bool, sign_in: bool) -> Session:
    prefix = random.choice((site.filter, site.filter, site.strangers, site.strangers, site.printers))
    # Few addresses for the filter, many for strangers.
    address = f"{prefix}{number % 3 + 1 if prefix == site.filter else number % 200 + 1}"
    in_tls = tls and random.random() < 0.5
    word = None
    if in_tls and sign_in and random.random() < 0.5:
        word = site.user if random.random() < 0.8 else (site.user[0], "wrong")
    several = tuple(_transaction(random, site, f"{number}-{one}") for one in range(random.choice((1, 1, 1, 2, 3))))
    helo_name = random.choice(HELO_NAMES)
    if helo_name == OWN_ADDRESS:
        helo_name = OWN_ADDRESS.format(address)
    return Session(address, helo_name, several, in_tls, word, random.random() < 0.9)


def _transaction(random: Random, site: Site, name: str) -> Transaction:
    path = random.choice((*REVERSE_PATHS, *(f"s{name}@sender.example" for _ in range(6))))
    known = list(site.mailboxes)
    pool = [
        *known,
        *known,
        f"{known[0].partition('@')[0].upper()}@{known[0].partition('@')[2]}",
        f"nobody{name}@{site.domains[0]}",
        f"victim{name}@elsewhere.example",
        f"victim@{name}.elsewhere.example",
        random.choice(STRANGE_RECIPIENTS),
    ]
    chosen = random.sample(pool, random.choice((1, 1, 2, 3, 4)))
    distinct = {one.lower(): one for one in chosen}
    return Transaction(path, tuple(distinct.values()), random.random() < 0.9)
