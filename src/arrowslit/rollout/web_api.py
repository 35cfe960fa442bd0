"""Requests with JSON to the API of a firewall over HTTPS: one server, one set of credentials, kept connections.

The server's certificate is verified (system authorities, or `ca_file`), or it is exactly the one of a SHA-256
fingerprint; before that nothing is sent. No proxy, no redirection, no cookie. Every answer is bounded in octets and
every request in time, whatever the server does. A request that changes something is never sent twice: where its answer
is lost, the caller has to look. Why `http.client`: docs/adr/0013-live-points-over-an-api.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from arrowslit.rollout.credentials import Credentials
from arrowslit.rollout.point import RolloutError

_SECONDS: Final = 120.0
_CONNECT: Final = 10.0
_LARGEST: Final = 64 * 1024 * 1024
_SHOWN: Final = 200


class AnswerError(RolloutError):
    """The server answered that it did not do it; `status` is the answer's."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class LostError(RolloutError):
    """No answer came: nobody knows whether it was done."""


@dataclass(slots=True)
class Server:
    """Where requests go. `fingerprint` is the SHA-256 of the certificate (DER) in hex, empty where a CA vouches."""

    url: str
    ca_file: Path | None = None
    fingerprint: str = ""
    seconds: float = _SECONDS
    connect_seconds: float = _CONNECT
    largest: int = _LARGEST


@dataclass(slots=True)
class WebApi:
    """The API of one server. `user` and `password` are names in the credentials."""

    server: Server
    credentials: Credentials
    user: str
    password: str
    _kept: http.client.HTTPConnection | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """The JSON that comes back; None where the answer is empty."""
        if query:
            path += "?" + urlencode(query)
        octets = None if body is None else json.dumps(body).encode()
        connection, over = self._connected(path), threading.Event()
        try:
            with _bounded(connection.sock, self.server.seconds, over):
                status, answer = self._exchanged(connection, method, path, octets)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            late = over.is_set() or isinstance(error, TimeoutError)
            says = f"no answer in {self.server.seconds:g} s" if late else _words(error)
            raise LostError(f"{self._named(path)}: {says}") from None
        except BaseException:
            self.close()
            raise
        return self._understood(path, status, answer)

    def close(self) -> None:
        """End the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __del__(self) -> None:
        """Points live for one question; what they were asked over ends with them."""
        self.close()

    # --- inside -------------------------------------------------------------------------------------------------

    def _connected(self, path: str) -> http.client.HTTPConnection:
        """A connection that the server has not ended: a request that is lost on such a one could not be repeated."""
        if self._kept is not None and self._kept.sock is not None and not _readable(self._kept.sock):
            return self._kept
        self.close()
        made = _connection(self.server)
        try:
            made.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            made.close()
            raise RolloutError(f"{self._named(path)}: {_words(error)}") from None
        self._kept = made
        return made

    def _exchanged(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes]:
        connection.request(method, urlsplit(self.server.url).path.rstrip("/") + path, body, self._headers(body))
        answer = connection.getresponse()
        try:
            octets = self._whole(answer)
        finally:
            answer.close()  # then the connection is free for the next request, or at its end
        if answer.will_close:
            self.close()
        return answer.status, octets

    def _whole(self, answer: http.client.HTTPResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := answer.read1(65_536):
            pieces.append(piece)
            size += len(piece)
            if size > self.server.largest:
                raise ValueError(f"its answer is larger than {self.server.largest // 1024 // 1024} MiB")
        if answer.length:  # fewer octets than were announced
            raise http.client.IncompleteRead(b"", answer.length)
        return b"".join(pieces)

    def _headers(self, body: bytes | None) -> dict[str, str]:
        both = f"{self.credentials.get(self.user)}:{self.credentials.get(self.password)}".encode()
        headers = {
            "Authorization": "Basic " + base64.b64encode(both).decode("ascii"),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Arrowslit",
        }
        return headers if body is None else {**headers, "Content-Type": "application/json"}

    def _understood(self, path: str, status: int, octets: bytes) -> Any:
        if status == 401:
            text = f"{self._named(path)}: it does not take the credentials in {self.credentials.path} (401)"
            raise AnswerError(text, status)
        if status == 403:
            raise AnswerError(f"{self._named(path)}: these credentials may not do that there (403)", status)
        if not 200 <= status < 300:
            said = self.credentials.without(_short(octets))
            raise AnswerError(f"{self._named(path)}: it answered {status}{': ' if said else ''}{said}", status)
        if not octets.strip():
            return None
        try:
            return json.loads(octets)
        except (ValueError, RecursionError):
            raise LostError(f"{self._named(path)}: its answer is no JSON") from None

    def _named(self, path: str) -> str:
        return f"{urlsplit(self.server.url).netloc}{path.partition('?')[0]}"


class _Pinned(http.client.HTTPSConnection):
    """Speaks only with whoever shows the certificate of the fingerprint."""

    fingerprint = ""

    def connect(self) -> None:
        super().connect()
        found = hashlib.sha256(self.sock.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found, self.fingerprint):
            self.close()
            raise ValueError("its certificate is not the one of the fingerprint in the settings")


def _connection(server: Server) -> http.client.HTTPConnection:
    parts = urlsplit(server.url)
    host = parts.hostname or ""
    if parts.scheme == "http":  # the settings allow it for this machine alone
        return http.client.HTTPConnection(host, parts.port, timeout=server.connect_seconds)
    context = ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not server.fingerprint:
        return http.client.HTTPSConnection(host, parts.port, timeout=server.connect_seconds, context=context)
    if server.ca_file is None:  # the fingerprint says more than any authority could
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    made = _Pinned(host, parts.port, timeout=server.connect_seconds, context=context)
    made.fingerprint = server.fingerprint
    return made


@contextmanager
def _bounded(sock: socket.socket, seconds: float, over: threading.Event) -> Iterator[None]:
    """Ends what is under way after so many seconds in all, even where octets come in one by one."""
    sock.settimeout(seconds)
    timer = threading.Timer(seconds, _ended(sock, over))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _readable(sock: socket.socket) -> bool:
    """True where something waits between two requests, which is the end of the connection or nonsense."""
    return bool(select.select([sock], [], [], 0)[0])


def _ended(sock: socket.socket, over: threading.Event) -> Callable[[], None]:
    def end() -> None:
        over.set()
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    return end


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as it should"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.HTTPException):
        return "its answer is no HTTP" if not isinstance(error, http.client.IncompleteRead) else "its answer broke off"
    return str(error) or type(error).__name__


def _short(octets: bytes) -> str:
    """What an answer says went wrong, in one line."""
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        return ""
    texts = [found.get(key) for key in ("message", "detail", "errorMessage")] if isinstance(found, dict) else []
    said = " ".join(" ".join(text.split()) for text in texts if isinstance(text, str))
    return "".join(character if character.isprintable() else "?" for character in said)[:_SHOWN]
