"""The live enforcement point AWS against a recorded protocol (`fake_aws`), and its calls against moto.

moto has no restore of a version and checks no sizes: that is what the recorded protocol is for. What moto adds is that
boto3 itself takes the calls and their parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.rollout.aws import AwsPoint
from arrowslit.rollout.aws_api import AwsApi, ec2
from arrowslit.rollout.credentials import read_credentials
from arrowslit.rollout.kept import KeptFile
from arrowslit.rollout.point import ChangedMeanwhileError, HalfMadeError, RolloutError
from arrowslit.targets.target import Place
from tests.rollout.fake_aws import GROUP, FakeAws, RefusedError
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
    Killed,
    many,
    rules,
)
from tests.targets.samples import SMALL
from tests.targets.truth import edges, may_connect, policy_of

PLACE = Place()
ALL = set(CLIENTS)
DENY = SMALL.replace("[virtual_servers.default.connection_control]\nonly_listed", "[virtual_servers.default."
                     "connection_control]\nall_except_listed")  # fmt: skip


def opened() -> FakeAws:
    fake = FakeAws()
    fake.open(25, CidrIpv4="0.0.0.0/0", Description="mail")
    fake.open(25, CidrIpv6="::/0")
    fake.open(443, CidrIpv4="0.0.0.0/0")
    return fake


@dataclass
class Site:
    folder: Path
    fake: FakeAws = field(default_factory=opened)

    def point(self, close: bool = True) -> AwsPoint:
        api = AwsApi(self.fake, GROUP, wait=lambda _: None)
        return AwsPoint(api, KeptFile(self.folder / "kept.json"), close=close)

    def apply(self, text: str, seconds: int | None = None, close: bool = True) -> None:
        point = self.point(close)
        point.apply(rules(text), PLACE, point.look().token, seconds)

    def reached(self) -> set[str]:
        return {client for client in CLIENTS if self.fake.reaches(client)}

    def fresh(self, first: str | None) -> set[str]:
        self.fake = opened()
        (self.folder / "kept.json").unlink(missing_ok=True)
        if first:
            self.apply(first)
        self.fake.written.clear()
        return self.reached()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_rules_hold_for_good_and_undo_brings_back_what_was_closed(site: Site) -> None:
    before = {(row["FromPort"], row.get("CidrIpv4"), row.get("Description")) for row in site.fake.rows.values()}
    point = site.point()
    assert not point.look().holds
    seen = point.apply(rules(SMALL), PLACE, point.look().token, None)
    assert (seen.holds, seen.wide) == (True, ())
    assert seen.listed == rules(SMALL).connect.listed
    assert not point.differs(rules(SMALL), PLACE)
    policy = policy_of(SMALL)
    for client in edges(policy):
        assert site.fake.reaches(client) is may_connect(policy, client), client
    site.apply(NARROW)
    assert site.reached() == {FILTER, FILTER6}
    assert not point.undo().holds
    assert site.reached() == ALL
    assert not site.fake.lists
    assert before == {(row["FromPort"], row.get("CidrIpv4"), row.get("Description")) for row in site.fake.rows.values()}


def test_wide_rules_are_only_named_unless_they_should_go(site: Site) -> None:
    site.fake.open(0, "sg-0bb", last=65535, CidrIpv4="0.0.0.0/0")
    site.fake.open(25, "sg-0bb", CidrIpv4="10.0.0.0/8")
    site.fake.open(20, last=30, CidrIpv4="198.51.0.0/16")
    site.apply(SMALL, close=False)
    assert site.reached() == ALL
    assert [one.partition(" (")[0] for one in site.point(close=False).look().wide] == [
        "port 25 is also open to 0.0.0.0/0",
        "port 25 is also open to ::/0",
        "port 25 is also open to 198.51.0.0/16",
        "port 25 is also open to 0.0.0.0/0",
    ]
    assert "port 25 is open to everybody" in site.point().differs(rules(SMALL), PLACE).says
    site.apply(SMALL)
    assert site.reached() == {FILTER, BRANCH, FILTER6}
    assert len(site.point().look().wide) == 2


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
    site.apply(SMALL)
    site.apply(text)
    assert site.reached() == reached
    assert not site.point().differs(rules(text), PLACE)


def test_who_may_not_is_written_as_everybody_else(site: Site) -> None:
    site.fake.quota = 1000
    site.apply(DENY)
    policy = policy_of(DENY)
    for client in edges(policy):
        assert site.fake.reaches(client) is may_connect(policy, client), client


def test_to_observe_is_refused(site: Site) -> None:
    with pytest.raises(RolloutError, match="can't only count"):
        site.apply(OBSERVING)
    assert not site.fake.written


@pytest.mark.parametrize("first", [None, SMALL])
def test_what_nobody_confirms_is_taken_back_and_only_once(site: Site, first: str | None) -> None:
    before = site.fresh(first)
    site.apply(NARROW, 600)
    with pytest.raises(RolloutError, match="undo it first"):
        site.apply(SMALL)
    for _ in range(3):
        assert site.point().take_back().holds is (first is not None)
        assert site.reached() == before
    with pytest.raises(RolloutError, match="nothing is pending"):
        site.point().confirm()


def test_what_is_confirmed_stays(site: Site) -> None:
    site.apply(SMALL, 600)
    assert site.point().confirm().holds
    site.point().take_back()
    assert site.reached() == {FILTER, BRANCH, FILTER6}
    site.point().undo()
    assert site.reached() == ALL


def test_more_than_the_quota_changes_nothing(site: Site) -> None:
    site.apply(SMALL)
    with pytest.raises(RolloutError, match=r"RulesPerSecurityGroupLimitExceeded.*undone at once"):
        site.apply(many(100))
    assert site.reached() == {FILTER, BRANCH, FILTER6}


def test_a_list_of_a_thousand_changes_by_hundreds_and_cuts_nobody_off(site: Site) -> None:
    site.fake.quota = 10_000
    site.apply(SMALL)
    site.apply(many(1000))
    moments = []
    site.fake.after = lambda operation: moments.append(site.reached())
    # The filter stays listed, by another prefix.
    site.apply(NARROW.replace("83.245.15.239", "83.245.15.0/24"), 600)
    assert len(moments) > 9
    assert all({FILTER, FILTER6} <= moment <= {FILTER, FILTER6} for moment in moments)
    site.point().take_back()
    assert site.fake.reaches("11.0.0.2")
    assert site.fake.written.count("restore_managed_prefix_list_version") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda fake: next(iter(fake.lists.values()))["versions"].append({f"{STRANGER}/32"}),
        lambda fake: fake.rows.pop(next(id for id, row in fake.rows.items() if "PrefixListId" in row)),
        lambda fake: fake.open(25, CidrIpv4="0.0.0.0/0"),
    ],
)
def test_a_change_of_somebody_else_is_drift_and_not_overwritten(site: Site, change: Any) -> None:
    site.apply(SMALL)
    token = site.point().look().token
    change(site.fake)
    assert site.point().differs(rules(SMALL), PLACE)
    site.fake.written.clear()
    with pytest.raises(ChangedMeanwhileError):
        site.point().apply(rules(NARROW), PLACE, token, None)
    assert not site.fake.written


def test_a_list_that_somebody_made_anew_is_not_guessed_at(site: Site) -> None:
    site.apply(SMALL)
    site.apply(NARROW, 600)
    id = next(iter(site.fake.lists))
    site.fake.lists["pl-new"] = {**site.fake.lists.pop(id), "PrefixListId": "pl-new"}
    for row in site.fake.rows.values():
        row.update({"PrefixListId": "pl-new"} if row.get("PrefixListId") == id else {})
    with pytest.raises(RolloutError, match="is gone"):
        site.point().take_back()
    (site.folder / "kept.json").unlink()
    with pytest.raises(RolloutError, match="nobody knows what was there before"):
        site.point().undo()


# --- faults at every step ---------------------------------------------------------------------------------------


def _at(
    site: Site, number: int, error: Callable[[], BaseException], *, for_good: bool = False
) -> Callable[[str], None]:
    def now(_: str) -> None:
        count = len(site.fake.written)
        if count == number or (for_good and count > number):
            raise error()

    return now


@pytest.mark.parametrize("first", [None, SMALL])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_agent_that_dies_at_any_step_lets_nobody_in_and_its_successor_goes_back(
    site: Site, first: str | None, when: str
) -> None:
    for at in range(1, 100):
        before = site.fresh(first)
        setattr(site.fake, when, _at(site, at, Killed))
        try:
            site.apply(OTHER, 600)
        except Killed:
            setattr(site.fake, when, lambda operation: None)
            assert site.reached() <= before | {STRANGER}
            assert site.reached() >= {FILTER, FILTER6}
            site.point().take_back()
            assert site.reached() == before, f"call {at}"
            site.apply(NARROW)
            assert site.reached() == {FILTER, FILTER6}
        else:
            break
    assert at > (7 if first is None else 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("first", [None, SMALL])
def test_an_agent_that_dies_while_it_goes_back_is_no_harm(site: Site, when: str, first: str | None) -> None:
    for at in range(1, 100):
        before = site.fresh(first)
        site.apply(NARROW, 600)
        site.fake.written.clear()
        setattr(site.fake, when, _at(site, at, Killed))
        try:
            site.point().take_back()
        except Killed:
            setattr(site.fake, when, lambda operation: None)
            assert {FILTER, FILTER6} <= site.reached() <= before
            site.point().take_back()
        else:
            break
        assert site.reached() == before
    assert at > 1


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("first", [None, SMALL])
@pytest.mark.parametrize("error", [TimeoutError, lambda: RefusedError("UnauthorizedOperation")])
def test_a_fault_at_any_step_is_undone_at_once_or_later(
    site: Site, error: Callable[[], BaseException], first: str | None, for_good: bool
) -> None:
    for at in range(1, 100):
        before = site.fresh(first)
        site.fake.before = _at(site, at, error, for_good=for_good)
        try:
            site.apply(NARROW, 600)
        except HalfMadeError:
            assert for_good
            assert site.reached() >= {FILTER, FILTER6}
            site.fake.before = lambda operation: None
            site.point().take_back()
        except RolloutError as found:
            assert "undone at once" in str(found)
        else:
            break
        assert site.reached() == before
    assert at > 1


# --- boto3 ------------------------------------------------------------------------------------------------------


def test_without_boto3_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(RolloutError, match="boto3 is not installed"):
        ec2("eu-central-1", "", None, None)


def test_the_calls_are_those_of_boto3(tmp_path: Path) -> None:
    moto = pytest.importorskip("moto", reason="needs the packages of the development group: moto")
    credentials = tmp_path / "credentials"
    credentials.write_text("aws_access_key_id=AKIAEXAMPLE\naws_secret_access_key=a very secret word\n")
    credentials.chmod(0o600)
    with moto.mock_aws():
        client = ec2("eu-central-1", "", None, read_credentials(credentials))
        group = client.create_security_group(GroupName="mail", Description="mail")["GroupId"]
        everybody = {"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                     "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}  # fmt: skip
        client.authorize_security_group_ingress(GroupId=group, IpPermissions=[everybody])
        point = AwsPoint(AwsApi(_Restoring(client), group), KeptFile(tmp_path / "kept.json"), close=True)
        point.apply(rules(SMALL), PLACE, point.look().token, None)
        seen = point.look()
        assert (seen.listed, seen.wide) == (rules(SMALL).connect.listed, ())
        point.apply(rules(NARROW), PLACE, seen.token, 600)
        assert point.look().listed == rules(NARROW).connect.listed
        assert point.take_back().listed == rules(SMALL).connect.listed
        assert not point.undo().holds
        assert len(point.look().wide) == 2


class _Restoring:
    """moto does not know how to restore a version: botocore checks the parameters, and a change of entries does it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._versions: dict[tuple[str, int], set[str]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def modify_managed_prefix_list(self, **told: Any) -> Any:
        key = told["PrefixListId"], told.get("CurrentVersion", 0)
        self._versions[key] = self._now(told["PrefixListId"])
        name = self._client.describe_managed_prefix_lists(PrefixListIds=[told["PrefixListId"]])
        return self._client.modify_managed_prefix_list(
            **told, PrefixListName=name["PrefixLists"][0]["PrefixListName"]  # moto forgets the name otherwise
        )  # fmt: skip

    def restore_managed_prefix_list_version(self, **told: Any) -> Any:
        model = self._client.meta.service_model.operation_model("RestoreManagedPrefixListVersion")
        assert told.keys() <= model.input_shape.members.keys()
        id, wanted = told["PrefixListId"], self._versions[told["PrefixListId"], told["PreviousVersion"]]
        now = self._now(id)
        return self.modify_managed_prefix_list(
            PrefixListId=id,
            CurrentVersion=told["CurrentVersion"],
            AddEntries=[{"Cidr": cidr} for cidr in wanted - now],
            RemoveEntries=[{"Cidr": cidr} for cidr in now - wanted],
        )

    def _now(self, id: str) -> set[str]:
        found = self._client.get_managed_prefix_list_entries(PrefixListId=id)["Entries"]
        return {entry["Cidr"] for entry in found}


def test_an_error_of_aws_holds_no_secret(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("aws_access_key_id=AKIAEXAMPLE\naws_secret_access_key=a very secret word\n")
    credentials.chmod(0o600)
    fake = opened()
    found = read_credentials(credentials)
    api = AwsApi(fake, GROUP, found)
    fake.before = lambda operation: (_ for _ in ()).throw(RefusedError("AuthFailure", "no a very secret word"))
    with pytest.raises(RolloutError, match=r"AuthFailure: no \.\.\.$"):
        api.authorise(25, {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]})
    assert address_set([parse_range("192.0.2.1")]) != api.rules([GROUP])
    assert "secret word" not in repr(api)
