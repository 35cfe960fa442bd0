"""Another program takes over without losing a connection: the next parent gets our listening sockets, then we drain.

Terms: the *next* parent is a new process, started from the files that are on disk by now. It says that it is ready
on a pipe; until then, and if it never does, this one goes on as before. The sockets stay open throughout, so what
waits in their queues is accepted by one or the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final

from arrowslit.gateway.listeners import INHERITED

_READY_FD: Final = "ARROWSLIT_UPGRADE_FD"
_READY: Final = b"ready"
_SECONDS: Final = 60.0


class UpgradeError(Exception):
    """The next parent did not take over; the text says why."""


async def start_next(argv: Sequence[str] | None, sockets: Mapping[str, int], seconds: float = _SECONDS) -> int:
    """Start the next parent with these sockets (name to file descriptor); its process id once it is ready.

    `argv` None: the way this process was started. Raises UpgradeError, and then no next parent is left over.
    """
    reader, writer = os.pipe()
    environment = {**os.environ, INHERITED: json.dumps(dict(sockets)), _READY_FD: str(writer)}
    command = list(argv) if argv is not None else [sys.executable, *sys.orig_argv[1:]]
    try:
        process = subprocess.Popen(  # noqa: S603  the plan's command or our own
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[*sockets.values(), writer]
        )
    except OSError as error:
        os.close(reader)
        raise UpgradeError(f"{command[0]} could not be started: {os.strerror(error.errno or 0)}") from error
    finally:
        os.close(writer)
    try:
        await _wait_until_ready(reader, seconds)
    except UpgradeError:
        process.kill()
        process.wait()
        raise
    finally:
        os.close(reader)
    # It lives on when we are gone: nobody is to wait for it here.
    process.returncode = 0
    return process.pid


async def _wait_until_ready(reader: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bytes] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(reader)
        if not said.done():
            said.set_result(os.read(reader, len(_READY)))

    loop.add_reader(reader, readable)
    try:
        if await asyncio.wait_for(said, seconds) != _READY:
            raise UpgradeError("the next process ended before it was ready; its own messages say why")
    except TimeoutError:
        raise UpgradeError(f"the next process was not ready within {seconds:g} s") from None
    finally:
        loop.remove_reader(reader)


class Predecessor:
    """The parent before us, where there is one; made from `environment`, and struck out there."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        number = environment.pop(_READY_FD, "")
        self._fd = int(number) if number.isdecimal() else -1
        if self._fd >= 0:
            os.set_inheritable(self._fd, False)

    def tell_ready(self) -> None:
        """It may drain now."""
        if self._fd >= 0:
            with contextlib.suppress(BrokenPipeError):  # it has gone already
                os.write(self._fd, _READY)
            os.close(self._fd)
            self._fd = -1
