"""The control socket: how `arrowslit status` and other commands speak with a running node.

A Unix socket that only the node's own account (and root) can open; one JSON object on a line each way. Terms: a
*verb* is the value of "do"; an answer has "ok" true, or false and "error". Never listens on a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

_LONGEST: Final = 1024 * 1024
_SECONDS: Final = 10.0
_AT_ONCE: Final = 20

Verb = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NodeUnreachable(Exception):  # noqa: N818  the command line's own word for it
    """No node answers at that socket; the text says why."""


class ControlServer:
    """Answers at `path` from `start` to `close`. A verb raises ValueError for a request that it refuses.

    `for_everybody`: every account of the machine may ask, so the verbs must be harmless.
    """

    def __init__(self, path: Path, verbs: Mapping[str, Verb], *, for_everybody: bool = False) -> None:
        self._path, self._mask = path, 0o111 if for_everybody else 0o177
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open = 0

    async def start(self) -> None:
        """Take the socket's place, also from a parent before us. Raises OSError."""
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        new.unlink(missing_ok=True)
        before = os.umask(self._mask)
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(str(new))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_LONGEST)
        self._inode = new.stat().st_ino
        new.replace(self._path)

    def close(self) -> None:
        """Stop answering. The file goes only where it is still ours."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _AT_ONCE:
                line = await asyncio.wait_for(reader.readline(), _SECONDS)
                if line:
                    writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                    await asyncio.wait_for(writer.drain(), _SECONDS)
        except (OSError, ValueError, TimeoutError):
            # A command that hung up, asked too much or too slowly: it sees that its connection ends.
            return
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            verb = self._verbs.get(str(request.get("do"))) if isinstance(request, dict) else None
            if verb is None:
                raise ValueError(f"this node knows {', '.join(sorted(self._verbs))}")  # noqa: TRY301
            return {"ok": True, **await verb(request)}
        except ValueError as error:
            return {"ok": False, "error": str(error)}


def request(path: Path, message: dict[str, Any], timeout: float = 10.0) -> dict[str, Any]:
    """Ask the node at `path`; its answer. Waits `timeout` seconds at most. Raises NodeUnreachable."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps(message).encode() + b"\n")
            return _read_answer(sock, path)
        except FileNotFoundError:
            raise NodeUnreachable(f"no node runs here: there is no {path}") from None
        except ConnectionRefusedError:
            raise NodeUnreachable(f"no node runs here: nobody answers at {path}") from None
        except PermissionError:
            raise NodeUnreachable(f"{path} is not yours to open: use the node's account or root") from None
        except TimeoutError:
            raise NodeUnreachable(f"the node at {path} did not answer within {timeout:g} s") from None
        except OSError as error:
            raise NodeUnreachable(f"{path}: {os.strerror(error.errno or 0)}") from error


def _read_answer(sock: socket.socket, path: Path) -> dict[str, Any]:
    with sock.makefile("rb") as file:
        line = file.readline(_LONGEST * 16)
    if not line.endswith(b"\n"):
        raise NodeUnreachable(f"the node at {path} hung up without an answer")
    answer: dict[str, Any] = json.loads(line)
    return answer
