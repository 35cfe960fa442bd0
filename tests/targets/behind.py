"""A mail server behind a front: it greets each client by the address that the PROXY header told it.

It stands where the clients are, so that a front on the machine finds it at `SERVER`, and the front may have the port on
all addresses of the machine.
"""

from __future__ import annotations

import random
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from arrowslit.targets.target import Place
from tests.peers.outside import Outside, _socket
from tests.targets.samples import POLICIES

SERVER = "198.18.0.1"
PLACE = Place(server=(ip_address(SERVER),))
BATCH = 400

PROGRAM = r"""
import asyncio, ipaddress, struct, sys

async def serve(reader, writer):
    try:
        first = await reader.readexactly(12)
        if first == b"\r\n\r\n\x00\r\nQUIT\n":
            kind, family, length = struct.unpack("!BBH", await reader.readexactly(4))
            body = await reader.readexactly(length)
            client = ipaddress.ip_address(body[: 4 if family >> 4 == 1 else 16])
        else:
            client = (first + await reader.readline()).decode().split()[2]
        writer.write(f"220 {client}\r\n".encode())
        await writer.drain()
    except Exception as error:
        writer.write(f"550 {error!r}\r\n".encode())
    writer.close()

async def main():
    async with await asyncio.start_server(serve, sys.argv[1], 25, backlog=4096) as server:
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def mail_server(net: Outside) -> Iterator[None]:
    """Run it until the end of the block."""
    with net.clients.popen([sys.executable, "-c", PROGRAM, SERVER], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def greeted(net: Outside, sources: Sequence[str]) -> dict[str, str]:
    """Each client and what it hears first: "220 " and its address as the server sees it, or "" """
    found: dict[str, str] = {}
    for start in range(0, len(sources), BATCH):
        batch = sources[start : start + BATCH]
        found |= net.clients.call(lambda batch=batch: _heard(batch))  # type: ignore[misc]
    return found


def _heard(sources: Sequence[str]) -> dict[str, str]:
    selector, found = selectors.DefaultSelector(), dict.fromkeys(sources, "")
    with ExitStack() as stack:
        for source in sources:
            one = stack.enter_context(_socket(source))
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect((Outside.ADDRESS6 if ":" in source else Outside.ADDRESS4, 25))
            selector.register(one, selectors.EVENT_READ, source)
        until = time.monotonic() + 20
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                with suppress(OSError):
                    found[str(key.data)] = key.fileobj.recv(200).decode().strip()  # type: ignore[union-attr]
        assert not selector.get_map(), "somebody hears nothing at all"
    return found


def long_list(mode: str, seed: int, count: int = 300) -> str:
    """A policy with a long list of random entries of both families, some within others."""
    chance = random.Random(seed)
    entries = []
    for _ in range(count):
        four = chance.random() < 0.6
        bits, low, high = (32, 1 << 24, 224 << 24) if four else (128, 1 << 125, (1 << 125) + (1 << 124))
        address = (IPv4Address if four else IPv6Address)(chance.randrange(low, high))
        entries.append(f'{{ group = "{address}/{chance.choice([bits, bits, bits - 1, bits - 8, bits * 3 // 4])}" }}')
    return POLICIES["nobody"].replace("only_listed = []", f'mode = "{mode}"\n{mode} = [ {", ".join(entries)} ]')
