"""A message of our own, handed to a next hop: a walk over its addresses, one transaction, the null reverse-path.

For notices of the node itself, which are written in the parent; no message of a client comes this way. Terms: a
recipient is *left* when it was not taken: by a refusal for now or for good (`Left.final`), or since no address could
be used. The way is that of every message (TLS, AUTH, PROXY header as the next hop's settings say), without pool, cap
and breaker. Never tries twice: that is the caller's.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway import maildir
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.endpoints import Endpoints
from arrowslit.gateway.link import Endpoint, Link, TlsPlan
from arrowslit.gateway.search import ADDRESSES, WISHES, server_name
from arrowslit.gateway.tls import client_context
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox
from arrowslit.mail.reply import Reply
from arrowslit.policy.model import NextHop
from arrowslit.smtp.client import ClientSettings, TlsWish
from arrowslit.smtp.events import Mail
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Ready, Step
from arrowslit.smtp.proxy import encode_v2

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Way:
    """To one next hop. `folder` is what its files are relative to; `own_name` is said in EHLO."""

    hop: NextHop
    own_name: str
    folder: Path
    times: NextHopSettings
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Left:
    """Recipients that were not taken, and why, in words without anything that could be a command of a screen."""

    recipients: tuple[Mailbox, ...]
    why: str
    final: bool = False


class _BrokenError(Exception):
    def __init__(self, broken: Broken) -> None:
        super().__init__()
        self.broken = broken


class Submission:
    """Hands messages in, on one event loop. Its owner turns `deadlines` once a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deadlines: Deadlines) -> None:
        self._loop, self._deadlines = loop, deadlines
        self._endpoints = Endpoints(loop)

    async def hand_in(self, way: Way, recipients: Sequence[Mailbox], message: bytes) -> list[Left]:
        """Hand `message` (lines end in CR LF, ASCII) to the next hop; who was left. Empty when all is well."""
        everybody = tuple(recipients)
        if way.hop.address[0].scheme == "maildir":
            return await self._to_maildir(way, everybody, message)
        why = "its name can't be resolved"
        for endpoint in (await self._resolve(way))[:ADDRESSES]:
            try:
                return await self._try(way, endpoint, everybody, message)
            except _BrokenError as error:
                why = f"{endpoint.name} at {error.broken.step.value}: {_said(error.broken)}"
                if error.broken.step is Step.DOT:  # it may have taken the message: no other address gets it now
                    break
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                why = f"its client certificate can't be used: {type(error).__name__}"
        return [Left(everybody, f"next hop {way.hop.name}: {why}")]

    async def _to_maildir(self, way: Way, recipients: tuple[Mailbox, ...], message: bytes) -> list[Left]:
        folder = way.folder / way.hop.address[0].target
        unique = f"{int(time.time())}.P{os.getpid()}A{next(_numbers)}.{way.own_name.replace('/', '_')}"
        fault = await self._loop.run_in_executor(None, maildir.deliver, folder, unique, [_stuffed(message)])
        return [] if fault is None else [Left(recipients, f"next hop {way.hop.name}: {fault.text}")]

    async def _resolve(self, way: Way) -> list[Endpoint]:
        found: asyncio.Future[list[Endpoint]] = self._loop.create_future()
        self._endpoints.of(way.hop.address, lambda endpoints: None if found.done() else found.set_result(endpoints))
        return await found

    async def _try(self, way: Way, endpoint: Endpoint, recipients: tuple[Mailbox, ...], message: bytes) -> list[Left]:
        """One address; where opportunistic TLS breaks, once more without, as for every message."""
        wish = WISHES.get(way.hop.tls, TlsWish.DEMANDED)
        try:
            return await self._converse(way, endpoint, wish, recipients, message)
        except _BrokenError as error:
            if error.broken.step is not Step.TLS or way.hop.tls != "opportunistic" or way.hop.username:
                raise
        return await self._converse(way, endpoint, TlsWish.OFF, recipients, message)

    async def _converse(
        self, way: Way, endpoint: Endpoint, wish: TlsWish, recipients: tuple[Mailbox, ...], message: bytes
    ) -> list[Left]:
        conversation = _Conversation(self._link(way, endpoint, wish), way)
        try:
            return await conversation.run(recipients, message)
        finally:
            conversation.close()

    def _link(self, way: Way, endpoint: Endpoint, wish: TlsWish) -> Link:
        hop = way.hop
        settings = ClientSettings(
            ehlo_name=way.own_name,
            own_name=way.own_name,
            lmtp=hop.address[0].scheme.startswith("lmtp"),
            tls=wish,
            username=hop.username or None,
            password=way.password,
        )
        plan = TlsPlan() if wish is TlsWish.OFF else _tls_plan(way, endpoint)
        preamble = encode_v2(None, None) if hop.identify_client == "proxy-v2" else b""
        return Link(self._loop, self._deadlines, endpoint, settings, plan, way.times, preamble)


class _Conversation:
    """One transaction on a link of its own."""

    def __init__(self, link: Link, way: Way) -> None:
        self._link, self._way, self._times = link, way, way.times
        self._said: asyncio.Queue[Outcome] = asyncio.Queue()
        link.on_outcome = self._said.put_nowait

    def close(self) -> None:
        """Say QUIT where that can be said."""
        self._link.on_outcome = None
        self._link.end(polite=True)

    async def run(self, recipients: tuple[Mailbox, ...], message: bytes) -> list[Left]:
        """See `Submission.hand_in`. Raises _BrokenError."""
        self._link.connect()
        outcome = await self._said.get()
        if not isinstance(outcome, Ready):
            raise _broken(outcome)
        taken, left = await self._envelope(recipients, len(message))
        if taken:
            left += await self._body(taken, message)
        return left

    async def _envelope(self, recipients: tuple[Mailbox, ...], octets: int) -> tuple[list[Mailbox], list[Left]]:
        engine, taken = self._link.engine, list[Mailbox]()
        left: list[Left] = []
        international = any(recipient.needs_smtputf8 for recipient in recipients)
        engine.mail(Mail(NULL_REVERSE_PATH, octets, smtputf8=international), recipients[0])
        reply = await self._answer(self._times.command)
        if not reply.positive:
            return [], [self._refused(recipients, reply)]
        for number, recipient in enumerate(recipients):
            if number:
                engine.rcpt(recipient)
            reply = await self._answer(self._times.command)
            if reply.positive:
                taken.append(recipient)
            else:
                left.append(self._refused((recipient,), reply))
        return taken, left

    async def _body(self, taken: list[Mailbox], message: bytes) -> list[Left]:
        link = self._link
        link.engine.data()
        reply = await self._answer(self._times.data)
        if reply.code != 354:
            return [self._refused(tuple(taken), reply)]
        dot = link.engine.dot()
        if dot and link.channel is not None:
            link.channel.write(_stuffed(message) + dot)
        lmtp = self._way.hop.address[0].scheme.startswith("lmtp")
        replies = [(part, await self._answer(self._times.dot)) for part in (taken if lmtp else [taken])]
        return [
            self._refused((part,) if isinstance(part, Mailbox) else tuple(part), reply)
            for part, reply in replies
            if not reply.positive
        ]

    async def _answer(self, seconds: float) -> Reply:
        self._link.go(seconds)
        outcome = await self._said.get()
        if not isinstance(outcome, Answered):
            raise _broken(outcome)
        return outcome.reply

    def _refused(self, recipients: tuple[Mailbox, ...], reply: Reply) -> Left:
        return Left(recipients, f"next hop {self._way.hop.name}: {reply.code} {reply.text}", reply.permanent)


def _broken(outcome: Outcome) -> _BrokenError:
    """What else but an answer ends a conversation. A link tells of nothing that was not asked for."""
    return _BrokenError(outcome if isinstance(outcome, Broken) else Broken(Step.IDLE, Fault.UNEXPECTED))


def _said(broken: Broken) -> str:
    if broken.reply is not None:
        return f"{broken.reply.code} {broken.reply.text}"
    return broken.detail or (broken.fault.value if broken.fault else "no answer")


def _tls_plan(way: Way, endpoint: Endpoint) -> TlsPlan:
    hop = way.hop
    files = [str(way.folder / name) if name else None for name in (hop.tls_certificate, hop.tls_key)]
    pins = hop.tls_fingerprints if hop.tls == "fingerprint" else ()
    return TlsPlan(client_context(hop.tls, hop.tls_profile, *files), server_name(endpoint), pins)


def _stuffed(message: bytes) -> bytes:
    """In transparent form (RFC 5321 4.5.2)."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
