"""The sessions that are open now: for `arrowslit session list`, and closing one by its id.

In a worker `described` and `leave` look at its own; in the parent `of_node` asks all workers. A session that is to be
closed hears 421 once nothing is under way in it, as at the end of a node; `at_once` ends it where it stands.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from arrowslit.gateway.connection import Connection
from arrowslit.gateway.pool import WorkerPool
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import WorkerFailedError

_MOST: Final = 5000
_SECONDS: Final = 5.0


def described(connections: Iterable[Connection], now: float) -> list[dict[str, Any]]:
    """Each in the types that JSON has, the oldest first; `now` is the loop's time."""
    found = sorted((one for one in connections if not one.session.closed), key=lambda one: one.begun)[:_MOST]
    return [_described(one, now) for one in found]


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
        "state": "transaction" if transaction is not None else "idle",
        "waits_for": session.awaiting or None,
        "transaction": transaction.id if transaction is not None else None,
        "reverse_path": transaction.mail.reverse_path.text if transaction is not None else None,
        "recipients": len(transaction.accepted) if transaction is not None else 0,
    }


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


async def of_node(pool: WorkerPool, message: Message) -> list[Message]:
    """What all workers answer; one that can't is left out, since it starts again."""
    asked = [worker.ask(message, (), _SECONDS) for worker in pool.ready()]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, WorkerFailedError):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]
