"""Delivery into a Maildir: tmp, fsync, rename to new, fsync of the folder, and only then 250 (gateway-behaviour 1).

Lines end in LF there, as readers of a Maildir expect, and dot-stuffing is undone; nothing else is changed. Blocking:
runs in a thread. https://cr.yp.to/proto/maildir.html
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from arrowslit.mail.reply import Reply, reply
from arrowslit.session import replies

_MAILBOX_FAULT = reply(451, "4.2.0", "The mailbox cannot be written to for now")


def deliver(folder: Path, unique: str, blocks: Iterable[bytes]) -> Reply | None:
    """Write one message; None when it is safe, else the reply that says why not. `unique` names the file."""
    try:
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary, final = folder / "tmp" / unique, folder / "new" / unique
        try:
            _write(temporary, blocks)
            temporary.rename(final)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(folder / "new")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return replies.SPOOL_FULL if full else _MAILBOX_FAULT
    return None


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for line in unstuffed(blocks):
            file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def unstuffed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a message in transparent form, without stuffing, ended by LF."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\r\n")
        for line in lines:
            yield (line[1:] if line.startswith(b".") else line) + b"\n"
    if rest:
        yield (rest[1:] if rest.startswith(b".") else rest) + b"\n"
