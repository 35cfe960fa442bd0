"""A bare SMTP client for tests: octets out, replies in, nothing helpful in between."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType


class Wire:
    """One connection. Replies come as (code, text of all lines)."""

    def __init__(self, to: tuple[str, int], source: str | None = None, *, greeting: bool = True) -> None:
        self.sock = socket.create_connection(to, timeout=30, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held = b""
        self.greeting = self.reply() if greeting else (0, "")

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self, octets: bytes) -> None:
        """Octets as they are."""
        self.sock.sendall(octets)

    def reply(self) -> tuple[int, str]:
        """The next reply; (0, "") where the other end closed."""
        lines: list[str] = []
        while True:
            line = self._line()
            if line is None:
                return 0, "\n".join(lines)
            lines.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    def say(self, line: str | bytes) -> tuple[int, str]:
        """A command line and its reply; (0, "") where the other end is gone."""
        octets = line.encode() if isinstance(line, str) else line
        try:
            self.send(octets + b"\r\n")
            return self.reply()
        except (ConnectionError, ssl.SSLError):
            return 0, ""

    def starttls(self, context: ssl.SSLContext | None = None) -> None:
        """STARTTLS and the handshake."""
        code, text = self.say("STARTTLS")
        assert code == 220, (code, text)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def message(self, sender: str, recipient: str, body: bytes = b"Subject: test\r\n\r\nhello\r\n") -> tuple[int, str]:
        """MAIL, RCPT, DATA and the message; the first refusal, or the answer to the message."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            code, text = self.say(line)
            if code >= 400 or code == 0:
                return code, text
        self.send(body + b".\r\n")
        return self.reply()

    def at_end(self, seconds: float = 10.0) -> bool:
        """Whether the other end closes within that time."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(4096):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _line(self) -> str | None:
        while b"\r\n" not in self._held:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._held += data
        line, _, self._held = self._held.partition(b"\r\n")
        return line.decode()
