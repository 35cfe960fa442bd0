"""A next hop for the crash test, as a process that may be killed at any moment.

`python crash_sink.py PORT FILE`: takes every message; its X-Number is in FILE, by one write, before 250 goes out.
"""

from __future__ import annotations

import os
import socketserver
import sys

OFFER = b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Talk until QUIT or the end."""
        self.wfile.write(b"220 sink.test ESMTP\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(OFFER)
            elif verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                if not self._message():
                    return
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")

    def _message(self) -> bool:
        number = b""
        while line := self.rfile.readline():
            if line == b".\r\n":
                os.write(self.server.record, number + b"\n")  # type: ignore[attr-defined]
                self.wfile.write(b"250 2.0.0 Ok\r\n")
                return True
            if line.startswith(b"X-Number: "):
                number = line[10:].strip()
        return False


class Sink(socketserver.ThreadingTCPServer):
    """The server."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that hangs up is no news."""


if __name__ == "__main__":
    with Sink(("127.0.0.1", int(sys.argv[1])), Conversation) as sink:
        sink.record = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # type: ignore[attr-defined]
        sink.serve_forever()
