"""The server side of SASL PLAIN (RFC 4616) and LOGIN, as lines: responses in, challenges or credentials out.

Never checks a password and never shows one.
"""

from __future__ import annotations

import binascii
from typing import Final

from arrowslit.smtp import replies
from arrowslit.smtp.events import Credentials, Fault

MECHANISMS: Final = frozenset({"PLAIN", "LOGIN"})
_EMPTY_CHALLENGE: Final = b"334 \r\n"
_USERNAME: Final = b"334 VXNlcm5hbWU6\r\n"  # "Username:"
_PASSWORD: Final = b"334 UGFzc3dvcmQ6\r\n"  # "Password:"


class Exchange:
    """One exchange. `start` once, then `line` for each line until it gives something else than octets."""

    __slots__ = ("_initial", "_username", "mechanism")

    def __init__(self, mechanism: str, initial: bytes | None) -> None:
        self.mechanism = mechanism
        self._initial = initial
        self._username: str | None = None

    def start(self) -> bytes | Credentials | Fault:
        """The first challenge to send, or the end where the initial response was all there is to say."""
        if self._initial is None:
            return _EMPTY_CHALLENGE if self.mechanism == "PLAIN" else _USERNAME
        initial = b"" if self._initial == b"=" else self._initial
        return self.line(initial)

    def line(self, line: bytes) -> bytes | Credentials | Fault:
        """The next challenge, or the end, after the client's `line` (without CR LF)."""
        if line == b"*":
            return replies.AUTH_CANCELLED
        try:
            response = binascii.a2b_base64(line, strict_mode=True).decode("utf-8")
        except ValueError:  # binascii.Error and UnicodeDecodeError
            return replies.AUTH_MALFORMED
        return self._plain(response) if self.mechanism == "PLAIN" else self._login(response)

    def _plain(self, response: str) -> Credentials | Fault:
        parts = response.split("\0")
        if len(parts) != 3:
            return replies.AUTH_MALFORMED
        return _credentials("PLAIN", *parts)

    def _login(self, response: str) -> bytes | Credentials | Fault:
        if self._username is None:
            self._username = response
            return _PASSWORD
        return _credentials("LOGIN", "", self._username, response)


def _credentials(mechanism: str, authorisation: str, username: str, password: str) -> Credentials | Fault:
    if not username or not (username + authorisation).isprintable() or "\0" in password or not password:
        return replies.AUTH_MALFORMED
    return Credentials(mechanism, authorisation, username, password)
