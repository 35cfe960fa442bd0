"""The sessions that are open now: for `arrowslit session list`, and closing one by its id.

In a worker `described` and `leave` look at its own; in the parent `NodeSessions` asks all workers. A session that is to
be closed hears 421 once nothing is under way in it, as at the end of a node; `at_once` ends it where it stands. What is
listed has a limit, since strangers open sessions and choose what they say of themselves: the oldest are named, all are
counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

from arrowslit.gateway.connection import Connection
from arrowslit.gateway.control import Verb
from arrowslit.gateway.pool import WorkerPool
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import WorkerFailedError

MOST: Final = 2500
"""How many are listed. With the longest names and paths, all escaped, they fit the control socket's answer."""

_SECONDS: Final = 5.0
_AT_NEXT_HOP: Final = ("verify", "deliver")


# --- in a worker ----------------------------------------------------------------------------------------------------


def described(connections: Collection[Connection], now: float) -> dict[str, Any]:
    """The oldest, and how many are open, in the types that JSON has; `now` is the loop's time."""
    found = [one for one in connections if not one.session.closed]
    found.sort(key=lambda one: one.begun)
    return {"sessions": [_described(one, now) for one in found[:MOST]], "open": len(found)}


def _described(connection: Connection, now: float) -> dict[str, Any]:
    session = connection.session
    transaction = session.transaction
    return {
        "id": session.id,
        "client_address": str(session.client_address),
        "client_port": session.client_port,
        "client_name": session.client_name if isinstance(session.client_name, str) else None,
        "helo_name": session.helo_name or None,
        "virtual_server": session.virtual_server,
        "listener": session.listener.address,
        "tls": session.tls or None,
        "authenticated_as": session.authenticated_as,
        "since": time.time() - (now - connection.begun),
        "state": _state(connection),
        "waits_for": session.awaiting or None,
        "transactions": session.transactions,
        "octets": connection.octets,
        "transaction": transaction.id if transaction is not None else None,
        "reverse_path": transaction.mail.reverse_path.text if transaction is not None else None,
        "recipients": len(transaction.accepted) if transaction is not None else 0,
    }


def _state(connection: Connection) -> str:
    """What is under way: with the next hop, a command that is being answered, a message, a transaction, or nothing."""
    session = connection.session
    if session.awaiting:
        return "next-hop" if session.awaiting in _AT_NEXT_HOP else "command"
    if connection.taking_in:
        return "data"
    return "idle" if session.transaction is None else "transaction"


def leave(connections: Iterable[Connection], id: str, *, at_once: bool) -> list[Connection]:
    """Close the session of that id, or the one whose transaction bears it; gives those that are still to go."""
    found = [one for one in connections if id in _ids(one)]
    for one in found:
        one.session.asked_to_leave = True
        if at_once:
            one.kill()
        else:
            one.drain()
    return found


def _ids(connection: Connection) -> tuple[str, ...]:
    transaction = connection.session.transaction
    return (connection.session.id,) if transaction is None else (connection.session.id, transaction.id)


# --- in the parent --------------------------------------------------------------------------------------------------


class NodeSessions:
    """Answers commands for all workers of `pool`. Workers are asked one thing at a time, whoever asks meanwhile."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._asking = asyncio.Lock()

    def verbs(self) -> dict[str, Verb]:
        """For the control socket."""
        return {"sessions": self._sessions, "close-session": self._close}

    async def _sessions(self, _request: Message) -> Message:
        """{"sessions", "open", "silent"}: the oldest first, how many are open, how many workers did not answer."""
        answers, silent = await self._ask({"do": "sessions"})
        found = [one for answer in answers for one in answer["sessions"]]
        found.sort(key=lambda one: float(one["since"]))
        return {"sessions": found[:MOST], "open": sum(answer["open"] for answer in answers), "silent": silent}

    async def _close(self, request: Message) -> Message:
        """{"closed", "silent"}."""
        message = {"do": "close", "session": str(request.get("session")), "at_once": bool(request.get("at_once"))}
        answers, silent = await self._ask(message)
        return {"closed": sum(answer["closed"] for answer in answers), "silent": silent}

    async def _ask(self, message: Message) -> tuple[list[Message], int]:
        """What workers answer, and how many don't: one may be dying, and is started again."""
        async with self._asking:
            asked = [worker.ask(message, (), _SECONDS) for worker in self._pool.ready()]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, WorkerFailedError):
                raise answer
        found = [answer for answer in answers if not isinstance(answer, BaseException)]
        return found, len(answers) - len(found)
