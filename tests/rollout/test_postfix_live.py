"""The live enforcement point Postfix with a real one: applied, drifted, undone, killed, changed by others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout import agent as agents
from arrowslit.rollout.agent import Agent
from arrowslit.rollout.in_force import InForce
from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError, Seen
from arrowslit.rollout.postfix import PostfixPoint
from arrowslit.targets import postfix_script
from arrowslit.targets.rules import Rules, rules_of
from arrowslit.targets.target import Place
from tests.peers import install
from tests.peers.outside import outside
from tests.rollout.killed import Covers, covers
from tests.rollout.rights import rights_of_the_unit
from tests.rollout.test_agent import SETTINGS
from tests.targets.mail_samples import MAIL_POLICIES
from tests.targets.postfix_machine import PATH, PEER, Machine, compare, machine
from tests.targets.samples import POLICIES
from tests.targets.samples import made as compiled
from tests.targets.truth import TODAY, edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

SMALL = POLICIES["small"]
BRANCH, STRANGER, LISTED = "203.0.113.77", "192.0.2.99", "203.0.113.2"
NARROW = SMALL.replace('  { computer = "203.0.113.77", note = "branch in Leeds" },\n', "")
WIDER = SMALL.replace('"203.0.113.77"', '"203.0.113.99"')
PLACE = Place()
TO = ["anna@example.org"]


def rules(text: str) -> Rules:
    return rules_of(policy_of(text), "default", TODAY)


@pytest.fixture
def mail() -> Iterator[Machine]:
    with outside() as net, machine(net) as found:
        yield found


def made(mail: Machine) -> PostfixPoint:
    def connect(address: str, port: int, seconds: float) -> socket.socket:
        return mail.net.machine.call(lambda: socket.create_connection((address, port), seconds))

    root = install.root(PEER)
    environment = {"MAIL_CONFIG": mail.inside, "PATH": PATH}
    prefix = (*mail.net.machine.prefix, "chroot", str(root))
    return PostfixPoint(MailMachine(prefix, root, environment, connect))


@pytest.fixture
def point(mail: Machine) -> PostfixPoint:
    return made(mail)


def put(point: PostfixPoint, text: str, seconds: int | None = None) -> Seen:
    return point.apply(rules(text), PLACE, point.look().token, seconds)


def admitted(mail: Machine) -> set[str]:
    return {one for one, said in mail.said([BRANCH, STRANGER, LISTED], TO).items() if said[0].startswith("2")}


@pytest.mark.parametrize("sample", ["small", "everybody-but", "nobody", "observe"])
def test_rules_hold_after_they_were_read_back_and_go_again(mail: Machine, point: PostfixPoint, sample: str) -> None:
    before = [(mail.etc / name).read_text() for name in ("main.cf", "master.cf")]
    assert not point.look().holds
    assert point.differs(rules(POLICIES[sample]), PLACE).says == ("nothing of ours is there",)
    seen = put(point, POLICIES[sample])
    assert (seen.holds, seen.pending_seconds) == (True, None)
    assert seen.listed == rules(POLICIES[sample]).connect.listed
    assert not point.differs(rules(POLICIES[sample]), PLACE)
    policy = policy_of(POLICIES[sample])
    compare(policy, mail, edges(policy, more=20))
    for _ in range(2):
        assert not point.undo().holds
        assert [(mail.etc / name).read_text() for name in ("main.cf", "master.cf")] == before
    assert not (mail.etc / "arrowslit").exists()


@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
def test_nothing_drifts_by_itself(point: PostfixPoint, sample: str) -> None:
    put(point, MAIL_POLICIES[sample])
    assert not point.differs(rules(MAIL_POLICIES[sample]), PLACE)
    assert point.differs(rules(SMALL), PLACE)


@pytest.mark.long
@pytest.mark.parametrize("only", ["203.0.113.77/32", "2001:db8:25::/48"])
def test_one_family_alone(mail: Machine, point: PostfixPoint, only: str) -> None:
    text = POLICIES["nobody"].replace("only_listed = []", f'only_listed = [ {{ group = "{only}" }} ]')
    put(point, text)
    policy = policy_of(text)
    compare(policy, mail, edges(policy, more=30))


def test_undo_of_what_is_pending_brings_the_rules_before_it_however_often(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    put(point, NARROW, 60)
    assert admitted(mail) == {LISTED}
    for _ in range(2):
        assert point.take_back().listed == rules(SMALL).connect.listed
        assert admitted(mail) == {LISTED, BRANCH}
    with pytest.raises(RolloutError, match="nothing is pending"):
        point.confirm()


def test_what_is_confirmed_stays(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    put(point, NARROW, 60)
    assert point.confirm().holds
    assert admitted(mail) == {LISTED}
    assert not point.differs(rules(NARROW), PLACE)
    # An agent that died before it could write that down may ask for this.
    assert point.take_back().listed == rules(NARROW).connect.listed
    assert not point.undo().holds


@pytest.mark.long
def test_rules_that_were_applied_by_hand_are_what_undo_goes_back_to(mail: Machine, point: PostfixPoint) -> None:
    mail.script(compiled("postfix", SMALL).text)
    assert not point.differs(rules(SMALL), PLACE)
    put(point, NARROW, 60)
    assert point.undo().listed == rules(SMALL).connect.listed
    (mail.etc / "arrowslit/applied.sh").unlink()
    for name in ("now", "before"):
        (mail.etc / "arrowslit.undo" / name).unlink()
    with pytest.raises(RolloutError, match="nothing could go back to"):
        put(point, NARROW, 60)
    assert admitted(mail) == {LISTED, BRANCH}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("postconf", "-P", "smtp/inet/smtpd_relay_restrictions=permit"), "no rule of ours holds"),
        (
            ("postconf", "-P", "-X", "smtp/inet/smtpd_data_restrictions"),
            "smtp/inet has another smtpd_data_restrictions",
        ),
        (("postconf", "-e", "arrowslit_gate=permit"), "the setting arrowslit_gate is another"),
        (("postconf", "-e", "arrowslit_handled=permit"), "the setting arrowslit_handled is another"),
    ],
)
def test_drift_of_settings_is_named(mail: Machine, point: PostfixPoint, change: tuple[str, ...], says: str) -> None:
    put(point, SMALL)
    token = point.look().token
    mail.run(f"/usr/sbin/{change[0]}", *change[1:])
    assert says in point.differs(rules(SMALL), PLACE).says
    with pytest.raises(ChangedMeanwhileError):
        point.apply(rules(NARROW), PLACE, token, None)
    put(point, SMALL)
    assert not point.differs(rules(SMALL), PLACE)


COPIES = {"small": "smtpd_data_restrictions", "at-connect": "smtpd_client_restrictions"}


@pytest.mark.parametrize("sample", sorted(COPIES))
def test_a_list_of_others_that_changes_after_it_was_copied_is_drift(
    mail: Machine, point: PostfixPoint, sample: str
) -> None:
    text, setting = {**POLICIES, **MAIL_POLICIES}[sample], COPIES[sample]
    mail.run("/usr/sbin/postconf", "-e", f"{setting} = reject_unauth_pipelining")
    put(point, text)
    assert not point.differs(rules(text), PLACE)
    for change in (f"{setting} = reject_unauth_pipelining, check_client_access inline:{{203.0.113.4=REJECT}}",
                   f"arrowslit_{setting[6:-13]}_then = permit"):  # fmt: skip
        mail.run("/usr/sbin/postconf", "-e", change.replace("_client_then", "_connect_then"))
        (says,) = point.differs(rules(text), PLACE).says
        assert says.startswith(f"{setting} was changed since it was copied behind ours")
        put(point, text)
        assert not point.differs(rules(text), PLACE)
    assert mail.said(["203.0.113.4"], TO)["203.0.113.4"][0].startswith("250" if "data" in setting else "554")


def test_a_list_of_the_service_itself_is_copied_whatever_main_cf_says(mail: Machine, point: PostfixPoint) -> None:
    mail.run("/usr/sbin/postconf", "-P", "smtp/inet/smtpd_data_restrictions=reject_unauth_pipelining")
    put(point, SMALL)
    mail.run("/usr/sbin/postconf", "-e", "smtpd_data_restrictions = reject_multi_recipient_bounce")
    assert not point.differs(rules(SMALL), PLACE)


def test_drift_of_tables_is_told_as_addresses(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    token = point.look().token
    (table,) = mail.etc.glob("arrowslit/*/connect.cidr")
    lines = table.read_text().split("\n")
    table.write_text("\n".join(reversed([one for one in lines if BRANCH not in one])))
    difference = point.differs(rules(SMALL), PLACE)
    assert difference.added == _one(BRANCH)
    table.write_text(table.read_text() + f"\n{STRANGER}   permit\n{BRANCH} arrowslit_recipient\n")
    difference = point.differs(rules(SMALL), PLACE)
    assert difference.removed == _one(STRANGER)
    with pytest.raises(ChangedMeanwhileError):
        point.apply(rules(NARROW), PLACE, token, None)


def _one(address: str) -> AddressSet:
    return AddressSet.from_ranges([(ip_address(address), ip_address(address))])


def test_what_an_administrator_changed_beside_ours_is_kept(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    mail.run("/usr/sbin/postconf", "-e", "message_size_limit = 12345678")
    put(point, NARROW, 60)
    mail.run("/usr/sbin/postconf", "-e", "mailbox_size_limit = 23456789")
    assert point.undo().holds
    main = (mail.etc / "main.cf").read_text()
    assert "12345678" in main
    assert "23456789" in main


def test_what_lets_strangers_in_beside_ours_is_named(mail: Machine, point: PostfixPoint) -> None:
    def wide() -> set[str]:
        return set(point.look().wide)

    assert "strangers may deliver on port smtp too: our lists do not stand before it (master.cf, smtp/inet)" in wide()
    put(point, SMALL)
    assert wide() == {"strangers may deliver on port 26 too: our lists do not stand before it (master.cf, 26/inet)"}
    mail.run("/usr/sbin/postconf", "-e", "mynetworks = 192.168.0.0/16 0.0.0.0/0")
    assert "0.0.0.0/0 may relay on port 26 (mynetworks, master.cf, 26/inet)" in wide()
    mail.run("/usr/sbin/postconf", "-P", "26/inet/smtpd_relay_restrictions=permit_sasl_authenticated,permit")
    assert "everybody may relay on port 26 (master.cf, 26/inet)" in wide()
    mail.run("/usr/sbin/postconf", "-P", "26/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject")
    assert wide() == set()
    mail.run("/usr/sbin/postconf", "-P", "smtp/inet/smtpd_authorized_xclient_hosts=0.0.0.0/0")
    (said,) = wide()
    assert said.startswith("0.0.0.0/0 may say that they are somebody else")


def test_what_does_not_come_out_right_is_undone_at_once(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    for broken in ("checked() { false; }", "reload() { :; }\nchecked() { postconf -e arrowslit_gate=permit; }"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postfix_script, "KEEP", postfix_script.KEEP.replace("checked() { postfix check; }", broken))
            with pytest.raises(RolloutError, match="it was undone at once"):
                put(point, NARROW)
        assert not point.differs(rules(SMALL), PLACE)
        assert admitted(mail) == {LISTED, BRANCH}


def test_a_server_that_answers_otherwise_is_found_by_the_dialogue(mail: Machine, point: PostfixPoint) -> None:
    put(point, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postfix_script, "FUNCTIONS", postfix_script.FUNCTIONS + "reload() { :; }\n")
        point.undo()
        with pytest.raises(RolloutError, match="the server takes mail on port 25"):
            put(point, NARROW)
    mail.run("/usr/sbin/postfix", "reload")


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass(slots=True)
class Dying(PostfixPoint):
    """Dies where another would undo."""

    def undo(self) -> Seen:
        raise Killed


STEPS = ("mv", "cp", "rm", "sync", "postfix")
SHARES = 4


def covering(mail: Machine, point: PostfixPoint, share: int) -> Iterator[tuple[PostfixPoint, int, Covers]]:
    """A point whose script is killed at some step, for a share of the steps, and which then dies itself."""
    covered = covers(mail.etc / "covers", f"{mail.inside}/covers", STEPS)
    for step in range(1 + share, 100, SHARES):
        covered.kill(at=step)
        yield Dying(covered.machine(point.machine)), step, covered


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("first", [None, SMALL], ids=["none-before", "rules-before"])
def test_killed_at_any_step_it_lets_nobody_in_and_goes_back(
    mail: Machine, point: PostfixPoint, first: str | None, share: int
) -> None:
    if first:
        put(point, first)
    before = admitted(mail)
    for dying, step, covered in covering(mail, point, share):
        token = point.look().token
        try:
            dying.apply(rules(WIDER), PLACE, token, 60)
        except Killed:
            now = admitted(mail)
            assert now <= before | {"203.0.113.99"}, step
            assert not first or STRANGER not in now, step
        else:
            assert covered.calls < step
            break
        assert made(mail).take_back().holds is bool(first), step
        assert admitted(mail) == before, step
        assert not first or not point.differs(rules(first), PLACE), step
    assert step > 15


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_killed_in_going_back_it_goes_back_when_asked_again(mail: Machine, point: PostfixPoint, share: int) -> None:
    put(point, SMALL)
    put(point, WIDER, 60)
    covered = covers(mail.etc / "covers", f"{mail.inside}/covers", STEPS)
    backward = PostfixPoint(covered.machine(point.machine))
    for step in range(1 + share, 100, SHARES):
        covered.kill(at=step)
        try:
            backward.take_back()
        except RolloutError:
            assert STRANGER not in admitted(mail), step
        else:
            break
    assert step > 15
    assert admitted(mail) == {LISTED, BRANCH}
    assert not point.differs(rules(SMALL), PLACE)


def test_the_agent_goes_back_in_time_also_after_it_was_killed(
    mail: Machine, point: PostfixPoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, said = [1000.0], list[str]()
    monkeypatch.setattr(agents, "since_boot", lambda: now[0])
    (tmp_path / "arrowslit.toml").write_text(SETTINGS.replace("nftables", "postfix"))
    (tmp_path / "policy.toml").write_text(SMALL)

    def started() -> Agent:
        return Agent(InForce(tmp_path / "arrowslit.toml"), tmp_path / "agent", said.append, lambda _: point)

    started().apply({"point": "firewall"})
    (tmp_path / "policy.toml").write_text(NARROW)
    started().apply({"point": "firewall", "seconds": 600})
    assert admitted(mail) == {LISTED}
    now[0] += 600
    started().follow("firewall")
    assert said == ["enforcement point firewall: nobody confirmed policy.toml in time: undone"]
    assert admitted(mail) == {LISTED, BRANCH}
    assert started().look({"point": "firewall"})["holds"]


def test_the_rights_that_the_unit_gives_are_enough(mail: Machine, point: PostfixPoint) -> None:
    rights = rights_of_the_unit()
    prefix = (*mail.net.machine.prefix, *rights, "chroot", str(install.root(PEER)))
    limited = PostfixPoint(replace(point.machine, prefix=prefix))
    put(limited, SMALL)
    put(limited, NARROW, 60)
    assert admitted(mail) == {LISTED}
    assert limited.take_back().holds
    assert admitted(mail) == {LISTED, BRANCH}


@pytest.mark.long
def test_a_hundred_thousand_entries(mail: Machine, point: PostfixPoint) -> None:
    lines = ", ".join(f'"11.{n >> 15}.{n >> 7 & 255}.{(n & 127) * 2}"' for n in range(100_000))
    text = NARROW.replace('"198.51.100.10-198.51.100.20"', lines)
    put(point, text)
    clients = ["11.0.0.2", "11.0.0.3", "11.3.12.0", STRANGER]
    assert {one for one, said in mail.said(clients, TO).items() if said[0][:1] == "2"} == {"11.0.0.2", "11.3.12.0"}
    assert not point.differs(rules(text), PLACE)
