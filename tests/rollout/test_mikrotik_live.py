"""The live enforcement point MikroTik against a recorded protocol (`fake_mikrotik`), over real HTTPS on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from arrowslit.rollout.credentials import read_credentials
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.mikrotik import MikrotikPoint
from arrowslit.rollout.mikrotik_api import MikrotikApi
from arrowslit.rollout.point import ChangedMeanwhileError, HalfMadeError, RolloutError
from arrowslit.rollout.web_api import Server, WebApi
from arrowslit.targets.target import Place
from tests.peers.certs import Authority
from tests.rollout.api_server import ApiServer, Asked, serving
from tests.rollout.fake_mikrotik import FakeMikrotik
from tests.rollout.remote_points import (
    BRANCH,
    CLIENTS,
    FILTER,
    FILTER6,
    NARROW,
    NOBODY,
    OBSERVING,
    OTHER,
    STRANGER,
    V4_ONLY,
    V6_ONLY,
    Dying,
    Killed,
    many,
    rules,
)
from tests.targets.samples import EVERYBODY_BUT, SMALL
from tests.targets.truth import edges, may_connect, policy_of

PLACE = Place()
ALL = set(CLIENTS)


@dataclass
class Site:
    fake: FakeMikrotik
    server: ApiServer
    folder: Path
    ca: Path
    opened: list[WebApi] = field(default_factory=list)

    def point(self, web: type[WebApi] = WebApi, seconds: float = 10.0, **more: Any) -> MikrotikPoint:
        credentials = read_credentials(self.folder / "credentials")
        api = web(Server(self.server.url, self.ca, seconds=seconds), credentials, "user", "password", **more)
        self.opened.append(api)
        return MikrotikPoint(MikrotikApi(api), KeptFile(self.folder / "kept.json"))

    def apply(self, text: str, seconds: int | None = None) -> None:
        point = self.point()
        point.apply(rules(text), PLACE, point.look().token, seconds)

    def reached(self) -> set[str]:
        return {client for client in CLIENTS if self.fake.reaches(client)}

    def fresh(self, first: str | None) -> None:
        self.server.fault = lambda number, asked: ""
        self.fake.__init__()  # type: ignore[misc]
        (self.folder / "kept.json").unlink(missing_ok=True)
        if first:
            self.apply(first)

    def fail(self, fault: str, at: int, *, for_good: bool = False) -> None:
        begin = len(self.server.written())

        def now(_: int, asked: Asked) -> str:
            count = len(self.server.written()) - begin
            return fault if asked.writes and (count == at or (for_good and count > at)) else ""

        self.server.fault = now


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[Site]:
    credentials = tmp_path / "credentials"
    credentials.write_text("user=key\npassword=a very secret word\n")
    credentials.chmod(0o600)
    fake = FakeMikrotik()
    with serving(ApiServer(fake), authority.issue("127.0.0.1")) as server:
        made = Site(fake, server, tmp_path, authority.file)
        yield made
        for api in made.opened:
            api.close()


def test_rules_hold_for_good_after_they_were_read_back(site: Site) -> None:
    point = site.point()
    assert not point.look().holds
    seen = point.apply(rules(SMALL), PLACE, point.look().token, None)
    assert (seen.holds, seen.wide) == (True, ())
    assert seen.listed == rules(SMALL).connect.listed
    assert not point.differs(rules(SMALL), PLACE)
    policy = policy_of(SMALL)
    for client in edges(policy):
        assert site.fake.reaches(client) is may_connect(policy, client), client
    assert not point.undo().holds
    assert site.reached() == ALL
    assert site.fake == FakeMikrotik(_numbers=site.fake._numbers)


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (SMALL, {FILTER, BRANCH, FILTER6}),
        (V4_ONLY, {FILTER, BRANCH}),
        (V6_ONLY, {FILTER6}),
        (NOBODY, set()),
        (OBSERVING, ALL),
    ],
)
def test_a_family_without_addresses_is_nobody(site: Site, text: str, reached: set[str]) -> None:
    site.apply(text)
    assert site.reached() == reached
    assert not site.point().differs(rules(text), PLACE)


def test_everybody_but_some(site: Site) -> None:
    site.apply(SMALL)
    site.apply(EVERYBODY_BUT)
    policy = policy_of(EVERYBODY_BUT)
    for client in edges(policy):
        assert site.fake.reaches(client) is may_connect(policy, client), client
    site.apply(NARROW)
    assert site.reached() == {FILTER, FILTER6}


def test_no_moment_of_a_change_is_wider_or_cuts_off_who_is_listed(site: Site) -> None:
    site.apply(SMALL)
    moments = set()
    site.fake.watch = lambda: moments.add(frozenset(site.reached()))
    site.apply(OTHER, 600)
    assert moments == {frozenset({FILTER, BRANCH, FILTER6}), frozenset({FILTER, FILTER6}),
                       frozenset({FILTER, FILTER6, STRANGER})} | ({frozenset({FILTER, BRANCH, FILTER6})})  # fmt: skip
    moments.clear()
    site.point().take_back()
    assert all({FILTER, FILTER6} <= moment for moment in moments)


def test_a_rule_before_ours_and_a_dummy_of_the_router(site: Site) -> None:
    site.fake.raw["ip"] = [
        {".id": "*1", "chain": "prerouting", "action": "passthrough", "dynamic": "true", "packets": "0"},
        {".id": "*2", "chain": "prerouting", "action": "accept", "dynamic": "false", "packets": "0"},
    ]
    site.apply(SMALL)
    assert site.reached() == {FILTER, BRANCH, FILTER6}
    site.fake.raw["ip"].reverse()
    assert STRANGER in site.reached()
    assert site.point().look().wide == ("a raw rule above ours accepts before it (IPv4 firewall, raw, *2)",)


def test_forwards_that_do_not_come_by_our_rule_are_named(site: Site) -> None:
    site.fake.nat.append({**site.fake.nat[0], ".id": "*2", "dst-port": "20-30", "to-addresses": "192.168.1.9",
                          "in-interface-list": "DSL"})  # fmt: skip
    site.fake.nat.append({**site.fake.nat[0], ".id": "*3", "src-address-list": "known"})
    site.apply(SMALL)
    wide = site.point().look().wide
    assert "port 25 is also forwarded to 192.168.1.9 (IP firewall, nat, *2)" in wide
    assert not any("*3" in one for one in wide)


def test_the_rule_is_for_a_public_server_and_not_for_one_inside(site: Site) -> None:
    point = site.point()
    place = Place(server=(ip_address("203.0.113.25"), ip_address("2001:db8:10::5")))
    point.apply(rules(SMALL), place, point.look().token, None)
    assert [site.fake.raw[family][0].get("dst-address") for family in ("ip", "ipv6")] == [
        "203.0.113.25",
        "2001:db8:10::5",
    ]
    point.undo()
    place = Place(server=(ip_address("192.168.10.5"),))
    point.apply(rules(SMALL), place, point.look().token, None)
    assert site.fake.raw["ip"][0]["dst-address-type"] == "local"
    assert site.fake.raw["ip"][0]["in-interface-list"] == "WAN"


@pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
def test_what_nobody_confirms_is_taken_back_and_only_once(site: Site, first: str | None) -> None:
    if first:
        site.apply(first)
    before = site.reached()
    site.apply(NARROW, 600)
    assert site.reached() == {FILTER, FILTER6}
    with pytest.raises(RolloutError, match="undo it first"):
        site.apply(SMALL)
    for _ in range(3):
        seen = site.point().take_back()
        assert site.reached() == before
        assert seen.holds is (first is not None)
    with pytest.raises(RolloutError, match="nothing is pending"):
        site.point().confirm()


def test_what_is_confirmed_stays_and_undo_then_removes_ours(site: Site) -> None:
    site.apply(SMALL)
    site.apply(NARROW, 600)
    assert site.point().confirm().holds
    assert len(site.fake.raw["ip"]) == 1
    site.point().take_back()
    assert site.reached() == {FILTER, FILTER6}
    assert not site.point().undo().holds
    assert site.reached() == ALL


def test_rules_before_that_somebody_removed_let_nobody_in(site: Site) -> None:
    site.apply(SMALL)
    site.apply(NARROW, 600)
    site.fake.raw["ip"] = [rule for rule in site.fake.raw["ip"] if rule["disabled"] == "false"]
    with pytest.raises(RolloutError, match="the rules before are gone"):
        site.point().take_back()
    assert site.reached() == {FILTER, FILTER6}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda fake: fake.raw["ip"][0].update({"src-address-list": "!other"}), "has another src-address-list"),
        (lambda fake: fake.raw["ip"][0].update({"time": "8h-17h"}), "has another time"),
        (lambda fake: fake.raw["ip"][0].update({"disabled": "true"}), "our rules do not hold in both families"),
        (lambda fake: fake.interfaces.clear(), "is invalid: is its interface there?"),
        (lambda fake: next(iter(fake.entries["ip"].values())).update({"disabled": "true"}), "is disabled"),
        (lambda fake: fake.raw["ipv6"].clear(), "our rules do not hold in both families"),
    ],
)
def test_drift_is_named_and_not_overwritten(site: Site, change: Any, says: str) -> None:
    site.apply(SMALL)
    token = site.point().look().token
    change(site.fake)
    assert says in " ".join(site.point().differs(rules(SMALL), PLACE).says)
    if "interface" in says:
        return  # what is not there is no change of a rule
    written = len(site.server.written())
    with pytest.raises(ChangedMeanwhileError):
        site.point().apply(rules(NARROW), PLACE, token, None)
    assert len(site.server.written()) == written


def test_a_list_with_something_else_is_nobodys_guess(site: Site) -> None:
    site.apply(SMALL)
    next(iter(site.fake.entries["ip"].values()))["address"] = "mail.example.org"
    with pytest.raises(RolloutError, match="no address"):
        site.point().look()


def test_a_few_thousand_entries_change_by_what_differs(site: Site) -> None:
    site.apply(many(2000))
    assert [site.fake.reaches(one) for one in ("11.0.0.2", "11.0.0.3", STRANGER)] == [True, False, False]
    site.apply(many(2001))
    site.apply(many(2002))
    begin = len(site.server.written())
    site.apply(many(2003))
    assert len(site.server.written()) - begin < 20


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_hundred_thousand_entries(site: Site) -> None:
    point = site.point(seconds=60)
    point.apply(rules(many(100_000)), PLACE, point.look().token, None)
    assert [site.fake.reaches(one) for one in ("11.0.0.2", "11.0.0.3", STRANGER)] == [True, False, False]


# --- faults at every step ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
@pytest.mark.parametrize("after", [False, True])
def test_an_agent_that_dies_at_any_step_lets_nobody_in_and_its_successor_goes_back(
    site: Site, first: str | None, after: bool
) -> None:
    for at in range(1, 200):
        site.fresh(first)
        before = site.reached()
        try:
            site.point(Dying, at=at, after=after).apply(rules(OTHER), PLACE, site.point().look().token, 600)
        except Killed:
            assert site.reached() <= before | {STRANGER}, f"request {at}"
            assert site.reached() >= before & {FILTER, FILTER6}
            seen = site.point().take_back()
            assert site.reached() == before, f"request {at}"
            assert seen.holds is (first is not None)
            site.apply(NARROW)
            assert site.reached() == {FILTER, FILTER6}
        else:
            break
    assert at > 10


@pytest.mark.parametrize("after", [False, True])
def test_an_agent_that_dies_while_it_goes_back_is_no_harm(site: Site, after: bool) -> None:
    for at in range(1, 200):
        site.fresh(SMALL)
        site.apply(NARROW, 600)
        try:
            site.point(Dying, at=at, after=after).take_back()
        except Killed:
            assert site.reached() in ({FILTER, BRANCH, FILTER6}, {FILTER, FILTER6})
            site.point().take_back()
        else:
            break
        assert site.reached() == {FILTER, BRANCH, FILTER6}
        site.point().undo()
        assert site.reached() == ALL
    assert at > 4


@pytest.mark.parametrize("fault", ["hang", "lost before", "lost after", "400", "401", "garbage"])
@pytest.mark.parametrize("first", [None, SMALL])
def test_a_fault_at_any_step_is_undone_at_once_or_later(site: Site, fault: str, first: str | None) -> None:
    for for_good in (False, True):
        for at in (1, 2, 5, 10, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30):
            site.fresh(first)
            before = site.reached()
            token = site.point().look().token
            site.fail(fault, at, for_good=for_good)
            try:
                site.point(seconds=0.3).apply(rules(NARROW), PLACE, token, 600)
            except HalfMadeError:
                assert for_good
                assert site.reached() in (before, {FILTER, FILTER6}, before - {BRANCH, STRANGER})
                site.server.fault = lambda number, asked: ""
                site.point().take_back()
            except RolloutError as error:
                assert "undone at once" in str(error)
                assert "secret" not in str(error)
            else:
                site.point().take_back()
            assert site.reached() == before, f"request {at}"
