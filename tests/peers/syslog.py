"""A place that programs in a peer's root log to as to the machine's syslog, and the file that it keeps.

    with syslog.collected(folder) as collected:
        argv = collected.before("exim", argv)      # starts the program where /dev/log is this one
        collected.text()

Lines are written as syslogd writes them to a file (RFC 3164): without the priority, with a server name. The socket
lies over the root's /dev/log in a mount namespace that ends with the program. Needs root (mounts).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from tests.peers import install

# $1 socket, $2 what it lies over, then the command.
_OVER = 'mount --make-rprivate / && mount --bind "$1" "$2" && shift 2 && exec "$@"'
_PRIORITY = re.compile(rb"<\d+>(?P<stamp>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) ")
_CONTROLS = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
_END = b"\0end"


@dataclass(frozen=True, slots=True)
class Collected:
    """The file and the socket."""

    file: Path
    socket: Path

    def before(self, peer: str, argv: Sequence[str]) -> list[str]:
        """The command that starts `argv` where /dev/log is this one."""
        over = install.root(peer) / "dev" / "log"
        over.touch()
        return ["unshare", "--mount", "sh", "-c", _OVER, "sh", str(self.socket), str(over), *argv]

    def text(self) -> str:
        """What was logged so far."""
        return self.file.read_text(errors="surrogateescape") if self.file.exists() else ""


@contextmanager
def collected(folder: Path, server_name: str = "mx") -> Iterator[Collected]:
    """Take what is logged, until the end of the block."""
    made = Collected(folder / "syslog", folder / "log.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(made.socket))
        made.socket.chmod(0o666)
        thread = Thread(target=_write, args=(listener, made.file, server_name.encode()))
        thread.start()
        try:
            yield made
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(_END, str(made.socket))
            thread.join()


def _write(listener: socket.socket, file: Path, server_name: bytes) -> None:
    with file.open("ab", buffering=0) as out:
        while (message := listener.recv(65_536)) != _END:
            line = _PRIORITY.sub(rb"\g<stamp> " + server_name + b" ", message.rstrip(b"\n\0"), count=1)
            out.write(_CONTROLS.sub(lambda one: b"#%03o" % one[0][0], line) + b"\n")
