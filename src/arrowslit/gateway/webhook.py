"""One POST of JSON to a web address, in a thread of its own, since `urllib` waits.

The certificate is verified, a redirection is a failure (the address was told to nobody else), the answer's body is
not read. The address may hold a secret, in any part of it: it stands in no text that comes from here but by its host.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

_SECONDS: Final = 10.0
_IN_ALL: Final = 30.0


class WebhookError(Exception):
    """It was not taken; the text has no secret."""


class Webhook:
    """One web address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._thread: threading.Thread | None = None

    async def post(self, body: bytes) -> None:
        """Returns once the other end has said 2xx. Raises WebhookError; takes half a minute at most."""
        if self._thread is not None and self._thread.is_alive():
            raise WebhookError(f"{self._host}: the last request is still under way")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()

        def run() -> None:
            fault = _post(self._address, body)
            try:
                loop.call_soon_threadsafe(_settle, done, fault)
            except RuntimeError:
                return  # the node has ended meanwhile

        self._thread = threading.Thread(target=run, daemon=True, name="webhook")
        self._thread.start()
        try:
            fault = await asyncio.wait_for(done, _IN_ALL)
        except TimeoutError:
            fault = "no answer in time"
        if fault:
            raise WebhookError(f"{self._host}: {fault}")

    @property
    def _host(self) -> str:
        return urlsplit(self._address).hostname or ""


def _settle(done: asyncio.Future[str], fault: str) -> None:
    if not done.done():
        done.set_result(fault)


def _post(address: str, body: bytes) -> str:
    """Why it was not taken, in words without a secret; empty when it was."""
    try:
        with _opener().open(_request(address, body), timeout=_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        return _words(error.reason)
    except Exception as error:  # http.client has many, and their texts repeat parts of the address
        return _words(error)


def _words(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        return error.strerror
    return type(error).__name__


def _request(address: str, body: bytes) -> urllib.request.Request:
    parts = urlsplit(address)
    name, mark, place = parts.netloc.rpartition("@")
    headers = {"Content-Type": "application/json", "User-Agent": "Arrowslit"}
    if mark:
        username, _, password = name.partition(":")
        both = f"{unquote(username)}:{unquote(password)}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(both).decode("ascii")
    url = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http and https only, by the settings


def _opener() -> urllib.request.OpenerDirector:
    """Without a handler of redirections: what is told here is meant for one address, and that may be a secret."""
    opener = urllib.request.OpenerDirector()
    handlers: list[Callable[[], urllib.request.BaseHandler]] = [
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        lambda: urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
    ]
    for make in handlers:
        opener.add_handler(make())
    return opener
