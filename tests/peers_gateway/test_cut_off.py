"""An administrator who cuts himself off: his session ends with the network, and the old policy is back in time.

He sits on a host of his own and works on the gateway's through a control connection that the policy does not touch;
what is tried is that nothing he does after the apply is needed, and that the clock of the machine does not matter.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from arrowslit.store.database import open_database
from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.wire import Wire
from tests.peers import netns
from tests.peers.netns import Host
from tests.peers.process import until

pytestmark = pytest.mark.namespaces

GATEWAY, ADMIN = "192.0.2.1", "192.0.2.77"
OPEN, SHUT = loopback(9, client=ADMIN), loopback(9, client="192.0.2.78")


@pytest.fixture
def hosts() -> Iterator[dict[str, Host]]:
    with netns.network({"gateway": [GATEWAY], "admin": [ADMIN]}) as made:
        yield made


def comes_in(admin: Host) -> bool:
    """Whether the administrator's host may deliver."""

    def ask() -> int:
        with Wire((GATEWAY, 25)) as wire:
            wire.say("EHLO admin.test")
            wire.say("MAIL FROM:<a@elsewhere.test>")
            return wire.say("RCPT TO:<bob@example.org>")[0]

    return admin.call(ask) != 550


def test_the_old_policy_is_back_without_anybody_and_whatever_the_clock_says(
    tmp_path: Path, hosts: dict[str, Host]
) -> None:
    with ExitStack() as stack:
        node: RunningNode = stack.enter_context(
            serving(tmp_path, OPEN, [f'address = "{GATEWAY}:25"'], prefix=hosts["gateway"].prefix)
        )
        assert comes_in(hosts["admin"])
        with closing(open_database(tmp_path / "state" / "store.sqlite", timeout=5.0)) as store:
            # As an apply whose machine had another time than the node's: a day ahead, and an hour behind.
            for shift in (86_400.0, -3600.0):
                now = time.time() + shift
                store.revisions._clock = lambda now=now: now  # type: ignore[attr-defined]
                head = store.revisions.head()
                assert head is not None
                store.revisions.apply(
                    SHUT, expected=head.revision, kind="apply", author="x", message="", confirm_within=4.0
                )
                begin = time.monotonic()
                assert until(lambda: not comes_in(hosts["admin"]), 5)
                assert until(lambda: comes_in(hosts["admin"]), 10)
                assert 2 < time.monotonic() - begin < 8
                revisions = store.revisions
                assert until(lambda revisions=revisions: revisions.history(1)[0].kind == "timer")
        assert node.process.poll() is None


def test_the_network_goes_away_with_the_administrator(tmp_path: Path, hosts: dict[str, Host]) -> None:
    with serving(tmp_path, OPEN, [f'address = "{GATEWAY}:25"'], prefix=hosts["gateway"].prefix):
        with closing(open_database(tmp_path / "state" / "store.sqlite")) as store:
            store.revisions.apply(SHUT, expected=1, kind="apply", author="x", message="", confirm_within=4.0)
        assert until(lambda: not comes_in(hosts["admin"]), 5)
        link = ["ip", "-n", hosts["admin"].namespace, "link", "set", "eth0"]
        subprocess.run([*link, "down"], check=True)
        time.sleep(4)
        subprocess.run([*link, "up"], check=True)
        subprocess.run(["ip", "-n", hosts["admin"].namespace, "route", "add", "default", "dev", "eth0"], check=True)
        assert until(lambda: comes_in(hosts["admin"]), 10)
