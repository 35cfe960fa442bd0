"""Somebody who knows all passwords, as Postfix asks Dovecot: its authentication protocol, version 1, PLAIN only.

with accounts({"anna": "word"}) as port:
    settings = {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": f"inet:127.0.0.1:{port}"}
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread


@contextmanager
def accounts(users: Mapping[str, str]) -> Iterator[int]:
    """Listen on a port of 127.0.0.1 until the end of the block; users' passwords by name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_accept, args=(listener, users), daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, users: Mapping[str, str]) -> None:
    while True:
        try:
            one, _ = listener.accept()
        except OSError:
            return
        Thread(target=_serve, args=(one, users), daemon=True).start()


def _serve(one: socket.socket, users: Mapping[str, str]) -> None:
    with one, one.makefile("rwb", buffering=0) as stream:
        stream.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tc\nDONE\n")
        while line := stream.readline():
            words = line.decode().rstrip("\n").split("\t")
            if words[0] != "AUTH":
                continue
            response = next(word for word in words if word.startswith("resp="))
            _, name, word = base64.b64decode(response[5:]).decode().split("\0")
            known = users.get(name) == word
            stream.write(f"{'OK' if known else 'FAIL'}\t{words[1]}\tuser={name}\n".encode())
