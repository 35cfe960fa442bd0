"""The live enforcement point OPNsense against a recorded protocol (`fake_opnsense`), over real HTTPS on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.rollout.credentials import read_credentials
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.opnsense import OpnsensePoint
from arrowslit.rollout.opnsense_api import OpnsenseApi
from arrowslit.rollout.point import ChangedMeanwhileError, HalfMadeError, RolloutError
from arrowslit.rollout.web_api import Server, WebApi
from arrowslit.targets.target import Place
from tests.peers.certs import Authority
from tests.rollout.api_server import ApiServer, Asked, serving
from tests.rollout.fake_opnsense import FORWARD, PASS6, SERVER6, FakeOpnsense, forward, passing, state
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
    STRANGER6,
    V4_ONLY,
    V6_ONLY,
    Dying,
    Killed,
    many,
    rules,
)
from tests.targets.samples import EVERYBODY_BUT, SMALL
from tests.targets.truth import edges, may_connect, policy_of

PLACE = Place(interface="wan")
ALL = set(CLIENTS)


@dataclass
class Site:
    fake: FakeOpnsense
    server: ApiServer
    folder: Path
    ca: Path
    opened: list[WebApi] = field(default_factory=list)

    def point(self, web: type[WebApi] = WebApi, seconds: float = 10.0, **more: Any) -> OpnsensePoint:
        credentials = read_credentials(self.folder / "credentials")
        api = web(Server(self.server.url, self.ca, seconds=seconds), credentials, "key", "secret", **more)
        self.opened.append(api)
        return OpnsensePoint(OpnsenseApi(api), KeptFile(self.folder / "kept.json"), "SMTP", interface="wan",
                             wait=lambda _: None)  # fmt: skip

    def apply(self, text: str, seconds: int | None = None) -> None:
        point = self.point()
        point.apply(rules(text), PLACE, point.look().token, seconds)

    def reached(self) -> set[str]:
        return {client for client in CLIENTS if self.fake.reaches(client)}

    def fail(self, fault: str, at: int, *, reads: bool = False) -> None:
        """Let the request of that number from now on go wrong."""
        begin = len(self.server.asked) if reads else len(self.server.written())
        done = [False]

        def now(_: int, asked: Asked) -> str:
            count = len(self.server.asked) if reads else len(self.server.written())
            if not done[0] and (reads or asked.writes) and count - begin == at:
                done[0] = True
                return fault
            return ""

        self.server.fault = now


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[Site]:
    credentials = tmp_path / "credentials"
    credentials.write_text("key=key\nsecret=a very secret word\n")
    credentials.chmod(0o600)
    fake = FakeOpnsense()
    with serving(ApiServer(fake), authority.issue("127.0.0.1")) as server:
        made = Site(fake, server, tmp_path, authority.file)
        yield made
        for api in made.opened:
            api.close()


def test_rules_hold_for_good_after_they_were_read_back(site: Site) -> None:
    point = site.point()
    seen = point.look()
    assert not seen.holds
    seen = point.apply(rules(SMALL), PLACE, seen.token, None)
    assert (seen.holds, seen.wide) == (True, ())
    assert seen.listed == rules(SMALL).connect.listed
    assert not point.differs(rules(SMALL), PLACE)
    policy = policy_of(SMALL)
    for client in edges(policy):
        assert site.fake.reaches(client) is may_connect(policy, client), client
    assert site.fake.forwards[FORWARD] == {**forward(), "source.network": "arrowslit_a"}
    assert site.fake.filters[PASS6] == {**passing(), "source_net": "arrowslit_a"}
    assert not point.undo().holds
    assert site.reached() == ALL
    assert (site.fake.forwards[FORWARD], site.fake.filters[PASS6]) == (forward(), passing())
    assert not site.fake.aliases
    assert not site.fake.tables
    assert not (site.folder / "kept.json").exists()


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        (SMALL, {FILTER, BRANCH, FILTER6}),
        (V4_ONLY, {FILTER, BRANCH}),
        (V6_ONLY, {FILTER6}),
        (NOBODY, set()),
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


def test_to_observe_is_refused(site: Site) -> None:
    with pytest.raises(RolloutError, match="can't only count"):
        site.apply(OBSERVING)
    assert site.reached() == ALL


@pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
def test_what_nobody_confirms_is_taken_back_and_only_once(site: Site, first: str | None) -> None:
    if first:
        site.apply(first)
    before = site.reached()
    site.apply(NARROW, 600)
    assert site.reached() == {FILTER, FILTER6}
    for _ in range(3):  # an agent that died between the undo and its record asks again
        seen = site.point().take_back()
        assert site.reached() == before
        assert seen.holds is (first is not None)
    with pytest.raises(RolloutError, match="nothing is pending"):
        site.point().confirm()


def test_what_is_confirmed_stays_and_undo_then_removes_ours(site: Site) -> None:
    site.apply(SMALL)
    site.apply(NARROW, 600)
    assert site.point().confirm().holds
    assert [one["name"] for one in site.fake.aliases.values()] == ["arrowslit_b"]
    site.point().take_back()
    assert site.reached() == {FILTER, FILTER6}
    assert not site.point().undo().holds
    assert site.reached() == ALL
    site.point().undo()
    assert site.reached() == ALL


def test_a_second_change_waits_for_the_first(site: Site) -> None:
    site.apply(SMALL, 600)
    with pytest.raises(RolloutError, match="undo it first"):
        site.apply(NARROW)
    assert site.reached() == {FILTER, BRANCH, FILTER6}


def test_connections_of_clients_that_were_cut_off_end(site: Site) -> None:
    site.fake.states = [
        state(FILTER, number=1),
        state(STRANGER, number=2),
        state(STRANGER, port="443", number=3),
        state("192.168.99.7", number=4, translated=False),
        state(STRANGER6, SERVER6, number=5, translated=False),
        state(FILTER6, SERVER6, number=6, translated=False),
    ]
    site.apply(SMALL)
    assert [row["id"][15] for row in site.fake.states] == ["1", "3", "4", "6"]


def test_who_may_not_see_states_changes_nothing(site: Site) -> None:
    site.server.forbidden = lambda path: "diagnostics" in path
    with pytest.raises(RolloutError, match=r"may not do that there \(403\)"):
        site.apply(SMALL)
    assert not site.server.written()
    assert not (site.folder / "kept.json").exists()


def test_a_hundred_thousand_entries(site: Site) -> None:
    point = site.point(seconds=100)
    point.apply(rules(many(100_000)), PLACE, point.look().token, None)
    assert [site.fake.reaches(one) for one in ("11.0.0.2", "11.0.0.3", "11.3.12.0", STRANGER)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_table_that_was_not_loaded_is_loaded_again(site: Site) -> None:
    site.fake.busy = 2
    site.apply(SMALL)
    assert site.reached() == {FILTER, BRANCH, FILTER6}


@pytest.mark.parametrize("trouble", [{"busy": 99}, {"full": True}])
def test_a_table_that_cannot_be_loaded_changes_nothing(site: Site, trouble: dict[str, Any]) -> None:
    site.apply(SMALL)
    for name, value in trouble.items():
        setattr(site.fake, name, value)
    with pytest.raises(RolloutError, match="it was undone at once"):
        site.apply(NARROW)
    assert site.reached() == {FILTER, BRANCH, FILTER6}
    assert not site.point().differs(rules(SMALL), PLACE)


# --- somebody else ----------------------------------------------------------------------------------------------


def _another_source(fake: FakeOpnsense) -> None:
    fake.forwards[FORWARD]["source.network"] = "lan"


def _another_target(fake: FakeOpnsense) -> None:
    fake.forwards[FORWARD]["target"] = "192.168.10.6"


def _another_entry(fake: FakeOpnsense) -> None:
    alias = next(iter(fake.aliases.values()))
    alias["content"] += f"\n{STRANGER}"
    fake._load_tables()


def _only_in_the_table(fake: FakeOpnsense) -> None:
    fake.tables["arrowslit_a"] = fake.tables["arrowslit_a"].union(address_set([parse_range(STRANGER)]))


def _gone(fake: FakeOpnsense) -> None:
    del fake.filters[PASS6]


@pytest.mark.parametrize("change", [_another_source, _another_target, _another_entry, _only_in_the_table, _gone])
def test_a_change_of_somebody_else_is_not_overwritten(site: Site, change: Any) -> None:
    site.apply(SMALL)
    point = site.point()
    token = point.look().token
    change(site.fake)
    written = len(site.server.written())
    with pytest.raises(ChangedMeanwhileError):
        point.apply(rules(NARROW), PLACE, token, None)
    assert len(site.server.written()) == written


@pytest.mark.parametrize(
    ("change", "says", "removed"),
    [
        (_another_source, 'a rule has the source "lan", and not all of them have the same', ""),
        (_another_entry, "", STRANGER),
        (_only_in_the_table, "the alias arrowslit_a has other addresses than its table", STRANGER),
    ],
)
def test_drift_is_named(site: Site, change: Any, says: str, removed: str) -> None:
    site.apply(SMALL)
    change(site.fake)
    difference = site.point().differs(rules(SMALL), PLACE)
    assert difference
    assert says in " ".join(difference.says)
    assert not removed or difference.removed == address_set([parse_range(removed)])


def test_a_rule_that_is_gone_when_it_is_undone_is_not_made_anew(site: Site) -> None:
    site.apply(SMALL, 600)
    del site.fake.filters[PASS6]
    site.point().take_back()
    assert not site.fake.filters
    assert site.reached() == {FILTER, BRANCH, STRANGER}


def test_a_source_that_somebody_set_meanwhile_is_left(site: Site) -> None:
    site.apply(SMALL, 600)
    site.fake.forwards[FORWARD]["source.network"] = "198.51.100.0/24"
    site.fake._load_rules()
    site.point().take_back()
    assert site.fake.forwards[FORWARD]["source.network"] == "198.51.100.0/24"


def test_wide_rules_of_others_are_named_and_left(site: Site) -> None:
    site.fake.forwards["x"] = forward(descr="old", target="192.168.1.9")
    site.fake.forwards["y"] = forward(descr="off", disabled="1")
    site.fake.forwards["z"] = forward(descr="narrow", **{"source.network": "198.51.100.0/24"})
    site.fake.filters["v"] = passing(description="all of it", destination_port="1:1024", protocol="any")
    site.fake.filters["w"] = passing(description="inside", interface="lan")
    site.apply(SMALL)
    wide = site.point().look().wide
    assert wide == (
        'port 25 is also forwarded to 192.168.1.9 (Firewall: Destination NAT, "old", x)',
        'port 25 is also let in from anywhere (Firewall: Rules, "all of it", v)',
    )
    assert site.fake.forwards["x"] == forward(descr="old", target="192.168.1.9")


def test_no_rule_of_that_description(site: Site) -> None:
    for rule in (*site.fake.forwards.values(), *site.fake.filters.values()):
        rule.update({"descr": "mail", "description": "mail"})
    with pytest.raises(RolloutError, match='no rule that is enabled and described as "SMTP"'):
        site.apply(SMALL)
    assert site.point().differs(rules(SMALL), PLACE)


def test_what_was_there_before_is_never_guessed(site: Site) -> None:
    site.apply(SMALL)
    (site.folder / "kept.json").unlink()
    with pytest.raises(RolloutError, match="nobody knows what was there before"):
        site.point().undo()
    assert site.reached() == {FILTER, BRANCH, FILTER6}
    (site.folder / "kept.json").write_text("{")
    with pytest.raises(RolloutError, match="can't be read"):
        site.apply(NARROW)
    assert site.reached() == {FILTER, BRANCH, FILTER6}


# --- faults at every step ---------------------------------------------------------------------------------------


def _steps(site: Site, text: str, first: str | None) -> int:
    """How many requests change something when it is applied, the reading back apart."""
    site.fake.__init__()  # type: ignore[misc]
    (site.folder / "kept.json").unlink(missing_ok=True)
    if first:
        site.apply(first)
    return len(site.server.written())


@pytest.mark.parametrize("first", [None, SMALL, EVERYBODY_BUT])
@pytest.mark.parametrize("after", [False, True])
def test_an_agent_that_dies_at_any_step_lets_nobody_in_and_its_successor_goes_back(
    site: Site, first: str | None, after: bool
) -> None:
    for at in range(1, 100):
        _steps(site, OTHER, first)
        before = site.reached()
        dying = site.point(Dying, at=at, after=after)
        try:
            dying.apply(rules(OTHER), PLACE, site.point().look().token, 600)
        except Killed:
            now = site.reached()
            assert now in (before, {FILTER, STRANGER, FILTER6}), f"request {at}"
            seen = site.point().take_back()
            assert site.reached() == before, f"request {at}"
            assert seen.holds is (first is not None)
            site.apply(NARROW)  # nothing that was left behind is in the way
            assert site.reached() == {FILTER, FILTER6}
        else:
            break
    assert at > 4


@pytest.mark.parametrize("after", [False, True])
def test_an_agent_that_dies_while_it_goes_back_is_no_harm(site: Site, after: bool) -> None:
    for at in range(1, 100):
        _steps(site, SMALL, SMALL)
        site.apply(NARROW, 600)
        try:
            site.point(Dying, at=at, after=after).take_back()
        except Killed:
            assert site.reached() in ({FILTER, BRANCH, FILTER6}, {FILTER, FILTER6})
            site.point().take_back()
        else:
            break
        assert site.reached() == {FILTER, BRANCH, FILTER6}
        assert site.point().undo()
        assert site.reached() == ALL
    assert at > 3


@pytest.mark.parametrize("fault", ["hang", "lost before", "lost after", "500", "403", "garbage", "other json", "short"])
@pytest.mark.parametrize("first", [None, SMALL])
def test_a_fault_at_any_step_is_undone_at_once(site: Site, fault: str, first: str | None) -> None:
    for at in range(1, 40):
        _steps(site, NARROW, first)
        before = site.reached()
        token = site.point().look().token
        site.fail(fault, at)
        try:
            site.point(seconds=0.3).apply(rules(NARROW), PLACE, token, 600)
        except HalfMadeError:
            raise AssertionError("the next request went well") from None
        except RolloutError as error:
            assert "undone at once" in str(error)
            assert "secret" not in str(error)
            assert site.reached() == before, f"request {at}"
        else:
            break
        finally:
            site.server.fault = lambda number, asked: ""
    assert at > 4


@pytest.mark.parametrize("first", [None, SMALL])
def test_a_firewall_that_goes_away_is_undone_as_soon_as_it_is_back(site: Site, first: str | None) -> None:
    for at in range(1, 40):
        _steps(site, NARROW, first)
        before = site.reached()
        token = site.point().look().token
        begin = len(site.server.written())
        site.server.fault = lambda number, asked: (
            "503" if len(site.server.written()) - begin >= at else ""  # noqa: B023
        )
        try:
            site.point().apply(rules(NARROW), PLACE, token, 600)
        except HalfMadeError:
            assert site.reached() in (before, {FILTER, FILTER6})
            with pytest.raises(RolloutError):
                site.point().take_back()
            site.server.fault = lambda number, asked: ""
            site.point().take_back()
            assert site.reached() == before
        else:
            break
        finally:
            site.server.fault = lambda number, asked: ""
    assert at > 4


@pytest.mark.parametrize("fault", ["hang", "403", "garbage", "other json", "deep"])
def test_a_fault_before_anything_is_changed_changes_nothing(site: Site, fault: str) -> None:
    site.apply(SMALL)
    written = len(site.server.written())
    for at in range(1, 8):
        site.fail(fault, at, reads=True)
        point = site.point(seconds=0.3)
        try:
            point.look()
        except RolloutError:
            assert len(site.server.written()) == written
        else:
            break
    assert at > 4
