"""A list of addresses behind a web address: JSON, in which every text that is an address or range counts, or text with
one a line.

Only https, with a verified certificate, over redirections too. Bounded in octets and time whatever the server does; a
compressed answer is not taken. Blocking: runs in a thread. The system's authorities are trusted, or SSL_CERT_FILE.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, Any, Final

from arrowslit.mail.address_range import parse_range, read_ranges
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks.found import Answer, Failed, Found

LARGEST: Final = 8 * 1024 * 1024
_PIECE: Final = 65_536
_REDIRECTIONS: Final = 5
_SHOWN: Final = 3


def addresses_at(url: str, seconds: float) -> Answer:
    """What the list has; `seconds` is for all of it."""
    try:
        return _read(_fetch(url, seconds))
    except _RefusedError as error:
        return Failed(f"{url}: {error}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Failed(f"{url}: {_words(error)}")


class _RefusedError(Exception):
    """We do not take that answer."""


class _Redirections(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTIONS

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise _RefusedError("it redirects to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, seconds: float) -> bytes:
    if not url.startswith("https://"):
        raise _RefusedError("only https is taken")
    end = time.monotonic() + seconds
    handler = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(handler, _Redirections())
    request = urllib.request.Request(url, headers={"User-Agent": "Arrowslit", "Accept-Encoding": "identity"})  # noqa: S310
    with opener.open(request, timeout=seconds) as response:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _RefusedError("it is compressed, though we did not ask for that")
        data = b""
        while piece := response.read1(_PIECE):
            data += piece
            if len(data) > LARGEST:
                raise _RefusedError(f"it is larger than {LARGEST // 1024 // 1024} MiB")
            if time.monotonic() > end:
                raise _RefusedError(f"it took more than {seconds:g} s")
        return data


def _read(data: bytes) -> Answer:
    text = data.decode("utf-8-sig")
    if text.lstrip()[:1] in ("{", "["):
        ranges = list(_texts(json.loads(text)))
        found = AddressSet.from_ranges([(one.first, one.last) for one in ranges])
        return Found(found) if ranges else Failed("the JSON has no address")
    addresses, problems = read_ranges(text.splitlines())
    fatal = [f"line {problem.line}: {problem.says}" for problem in problems if problem.fatal]
    if fatal:
        raise _RefusedError("; ".join(fatal[:_SHOWN]))
    if not len(addresses):
        raise _RefusedError("it has no address")
    return Found(addresses)


def _texts(value: Any) -> Iterator[Any]:
    """Every address or range that is a text anywhere in it."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, str):
            try:
                yield parse_range(one)
            except ValueError:
                continue


def _words(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"{getattr(reason, 'strerror', None) or reason}"
