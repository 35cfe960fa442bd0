"""An import into RouterOS, line by line: it opens nothing on its way, and can be repeated (in the model: there is no
RouterOS to run)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.targets.target import Place, PlaceError
from tests.targets.models.mikrotik import Router
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, policy_of

CLIENTS = [ip_address(one) for one in ("198.51.100.7", "203.0.113.6", "2001:db8:bad::1", "192.0.2.1")]
SAMPLES = ["small", "everybody-but", "nobody", "ipv6-only", "expires"]


def run(router: Router, text: str) -> None:
    for _ in router.run(text):
        pass


@pytest.mark.parametrize("after", SAMPLES)
@pytest.mark.parametrize("before", SAMPLES)
def test_no_line_of_an_import_opens_or_cuts(before: str, after: str) -> None:
    clients = [ip_address(one) for name in (before, after) for one in edges(policy_of(POLICIES[name]), more=10)]
    router = Router()
    run(router, made("mikrotik", POLICIES[before]).text)
    old = {one for one in clients if router.admits(one)}
    seen = []
    for _ in router.run(made("mikrotik", POLICIES[after]).text):
        seen.append({one for one in clients if router.admits(one)})
    for now in seen:
        assert now <= old | seen[-1]
        assert now >= old & seen[-1]


def test_importing_twice_leaves_what_once_does() -> None:
    once, twice = Router(), Router()
    text = made("mikrotik", POLICIES["small"]).text
    run(once, text)
    run(twice, text)
    run(twice, text)
    assert once.tables == twice.tables


def test_undo_takes_away_all_that_is_ours_and_nothing_else() -> None:
    router = Router()
    theirs = {"list": "theirs", "address": "192.0.2.1"}
    router.tables["/ip firewall address-list"].append(theirs)
    compiled = made("mikrotik", POLICIES["small"])
    run(router, compiled.text)
    for line in compiled.body.undo:
        menu, _, command = line.rpartition(" remove ")
        run(router, f"{menu}\nremove {command}")
    assert router.tables["/ip firewall address-list"] == [theirs]
    assert not any(rows for menu, rows in router.tables.items() if menu != "/ip firewall address-list")


def test_after_an_interrupted_import_the_next_one_stops() -> None:
    text = made("mikrotik", POLICIES["everybody-but"]).text
    length = sum(1 for _ in Router().run(text))
    stopped = 0
    for lines in range(length):
        router = Router()
        run(router, text)
        for _, _ in zip(range(lines), router.run(text), strict=False):
            pass
        closed = {one for one in CLIENTS if not router.admits(one)}
        try:
            for _ in router.run(text):
                assert closed <= {one for one in CLIENTS if not router.admits(one)}
        except InterruptedError:
            stopped += 1
    assert stopped


@pytest.mark.parametrize("name", ["a b", 'a"', "a;b", "$x", "a\nb", "[find]", "-x"])
def test_an_interface_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(PlaceError):
        made("mikrotik", POLICIES["small"], Place(interface=name))


def test_a_server_with_a_public_address_is_the_destination() -> None:
    text = made("mikrotik", POLICIES["small"], Place(server=(ip_address("203.0.113.200"),))).text
    assert "dst-address=203.0.113.200" in text
    assert "in-interface-list=WAN" in text
    assert "dst-address-type=local" not in text
