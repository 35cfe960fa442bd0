"""Whether a router speaks NAT-PMP (RFC 6886) or PCP (RFC 6887), by questions that change nothing there.

Neither can list mappings, and a mapping is taken back only by the machine that made it (with PCP also only with the
nonce that it was made with). So all that can be done here is to say that there may be some.
"""

from __future__ import annotations

import socket
import time
from ipaddress import IPv4Address
from typing import Final

_PORT: Final = 5351
_TRIES: Final = 2
_EXTERNAL_ADDRESS: Final = b"\x00\x00"
_ANNOUNCE: Final = b"\x02\x00\x00\x00" + bytes(4)
_MAPPED: Final = bytes(10) + b"\xff\xff"
_ANSWER: Final = 0x80


def speaks(router: IPv4Address, own: IPv4Address | None, seconds: float = 0.5) -> tuple[str, ...]:
    """The names of those that it answers to; each try takes so long at most."""
    questions = {"NAT-PMP": (0, _EXTERNAL_ADDRESS)}
    if own is not None:
        questions["PCP"] = (2, _ANNOUNCE + _MAPPED + own.packed)
    return tuple(name for name, (version, said) in questions.items() if _answers(router, version, said, seconds))


def _answers(router: IPv4Address, version: int, said: bytes, seconds: float) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        try:
            wire.connect((str(router), _PORT))
            for _ in range(_TRIES):
                wire.send(said)
                if _heard(wire, version, time.monotonic() + seconds):
                    return True
        except OSError:
            return False  # nobody listens there
    return False


def _heard(wire: socket.socket, version: int, until: float) -> bool:
    while (left := until - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            data = wire.recv(1_100)
        except TimeoutError:
            return False
        # Without success too: NAT-PMP has no external address while the line is down.
        if data[:2] == bytes((version, _ANSWER)):
            return True
    return False
