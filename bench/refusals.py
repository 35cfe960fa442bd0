"""Connections of strangers that are refused in a second: what a node bears while somebody tries the door.

Arrowslit refuses at connecting (554 and close), HAProxy by `tcp-request connection reject`, Postfix by
`smtpd_client_restrictions` with `smtpd_delay_reject = no`. A stranger comes from one of 1,250 addresses and hangs up
when it has heard. HAProxy says nothing and writes nothing; the others answer and keep a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.peers import haproxy, postfix
from tests.peers.certs import Certificate

from bench.loads import Clock, Measured, generate
from bench.ways import HAPROXY, PROXY_FILTER, Way, arrowslit

SESSIONS = 50


@contextmanager
def refusing(folder: Path, to: tuple[str, int], certificate: Certificate) -> Iterator[list[Way]]:
    """The ways, with nobody but 127.0.0.1 on their lists."""
    with ExitStack() as stack:
        front = stack.enter_context(haproxy.front(to, allow=["127.0.0.1"]))
        early = {"smtpd_delay_reject": "no"}
        server = stack.enter_context(postfix.filtering(to, queue=False, settings=early))
        ours = stack.enter_context(arrowslit(folder / "refusing", to, certificate, refuse_at="connect"))
        yield [
            Way(HAPROXY, (front.address, front.port), heads=[front.running.process.pid]),
            Way(PROXY_FILTER, server.at, heads=[server.running.process.pid]),
            ours,
        ]


def measure(ways: list[Way], rounds: int, seconds: float) -> dict[str, list[Measured]]:
    """Refused connections a second, by way and round."""
    result: dict[str, list[Measured]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            clock = Clock(way)
            told = generate("refused", way.at, seconds, sessions=SESSIONS)
            result[way.name].append(clock.stop(int(told["done"]), float(told["seconds"])))
    return result
