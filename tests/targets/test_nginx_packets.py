"""The compiled stream server in a real nginx: whom it lets through, and whom the server behind sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arrowslit.targets.nginx import LOG
from tests.peers import nginx
from tests.peers.outside import Outside, outside
from tests.targets.behind import PLACE, greeted, long_list, mail_server
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, may_connect, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nginx")]


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, mail_server(found):
        yield found


@contextmanager
def front(net: Outside, folder: Path, text: str) -> Iterator[Path]:
    """nginx with the text in its stream block; the log that it writes in `observe`."""
    log = folder / "seen.log"
    with nginx.stream(text.replace(LOG, str(log)), net.machine, (net.ADDRESS4, 25)):
        yield log


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_clients_get_through_as_the_policy_says(net: Outside, tmp_path: Path, sample: str) -> None:
    policy = policy_of(POLICIES[sample])
    with front(net, tmp_path, made("nginx", POLICIES[sample], PLACE).text):
        heard = greeted(net, [*edges(policy, more=400), "2002:cb00:7101::1"])
    assert heard == {one: f"220 {one}" if may_connect(policy, one) else "" for one in heard}


@pytest.mark.parametrize(("mode", "seed"), [("only_listed", 1), ("all_except_listed", 2)])
def test_a_long_list_is_kept_to_the_letter(net: Outside, tmp_path: Path, mode: str, seed: int) -> None:
    text = long_list(mode, seed)
    policy = policy_of(text)
    with front(net, tmp_path, made("nginx", text, PLACE).text):
        heard = greeted(net, edges(policy, seed, more=500))
    assert len(heard) > 2000
    assert heard == {one: f"220 {one}" if may_connect(policy, one) else "" for one in heard}


def test_everybody_of_one_family_is_nobody_of_the_other(net: Outside, tmp_path: Path) -> None:
    text = POLICIES["ipv6-only"].replace("2001:db8:25::/48", "::/0")
    with front(net, tmp_path, made("nginx", text, PLACE).text):
        heard = greeted(net, ["203.0.113.1", "2001:db8::1"])
    assert heard == {"203.0.113.1": "", "2001:db8::1": "220 2001:db8::1"}


def test_to_observe_is_to_log_who_would_be_refused(net: Outside, tmp_path: Path) -> None:
    with front(net, tmp_path, made("nginx", POLICIES["observe"], PLACE).text) as log:
        greeted(net, ["203.0.113.1", "203.0.113.78", "2001:db8:25::1", "2001:db8:99::1"])
    lines = log.read_text().splitlines()  # the one that waited for nginx is among them
    assert sorted({line.split()[1] for line in lines} - {net.ADDRESS4}) == ["2001:db8:99::1", "203.0.113.78"]
