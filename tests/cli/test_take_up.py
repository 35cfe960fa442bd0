"""`app.take_up`: from the files to a node's plan, and revisions in the state folder."""

from __future__ import annotations

import datetime
import json
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from arrowslit.app import NotAdmissibleError, take_up
from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.gateway.status import policy_file_differs
from arrowslit.policy.ask import ask
from arrowslit.policy.decision import Action
from arrowslit.policy.facts import Facts
from arrowslit.store.database import open_database

SETTINGS = """[node]
name = "mx.example.org"
workers = 2
[[listeners]]
address = "127.0.0.1:2525"
tls = "starttls"
[[listeners]]
address = "[::1]:2526"
[log]
mail = "mail.log"
[metrics]
address = "127.0.0.1:9625"
[timeouts]
drain = "3s"
"""
POLICY = """version = 1
[next_hops.mailbox]
address = "maildir:mail"
[accepted_domains."example.org"]
next_hop = "mailbox"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ { computer = "127.0.0.1" } ]
[virtual_servers.default.relay_restrictions]
allow_authenticated = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "arrowslit.toml").write_text(SETTINGS)
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def test_the_plan(folder: Path) -> None:
    active = take_up(folder / "arrowslit.toml")
    plan = active.plan
    assert (plan.name, plan.workers, plan.state_directory, plan.drain_seconds) == (
        "mx.example.org",
        2,
        folder / "state",
        3.0,
    )
    assert [listener.address for listener in plan.listeners] == ["127.0.0.1:2525", "[::1]:2526"]
    first, second = (dict(listener.settings) for listener in plan.listeners)
    told = plan.settings["settings"]["listeners"]
    assert (first.pop("listener"), second.pop("listener")) == (told[0], told[1])
    assert len(first.pop("digest")) == 64
    assert first == {
        "index": 0,
        "certificate": str(folder / "state" / "tls" / "cert.pem"),
        "key": str(folder / "state" / "tls" / "key.pem"),
    }
    assert second == {"index": 1}
    assert plan.metrics_address == "127.0.0.1:9625"
    assert (plan.decision_log, plan.mail_log) == (folder / "state" / "decisions.jsonl", str(folder / "mail.log"))
    assert active.certificate is not None
    assert active.certificate.made
    json.dumps({"node": plan.settings, "listeners": [listener.settings for listener in plan.listeners]})


def test_a_revision_is_a_copy_that_later_edits_do_not_reach(folder: Path) -> None:
    source = take_up(folder / "arrowslit.toml").plan.policy
    assert (source.revision, source.file) == (1, folder / "policy.toml")
    (folder / "policy.toml").write_text("edited")
    assert source.path.read_text() == POLICY
    assert source.path.stat().st_mode & 0o777 == 0o600


def test_an_edit_is_no_revision_until_it_is_applied(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    assert [take_up(settings).plan.policy.revision for _ in range(3)] == [1, 1, 1]
    (folder / "policy.toml").write_text(POLICY + "# remark\n")
    source = take_up(settings).plan.policy
    assert source.revision == 1
    assert policy_file_differs(source)
    (folder / "policy.toml").unlink()
    assert take_up(settings).plan.policy.file is None


def test_what_was_applied_is_taken_up_at_the_next_start(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    take_up(settings)
    with closing(open_database(folder / "state" / "store.sqlite")) as store:
        store.revisions.apply(POLICY + "# remark\n", expected=1, kind="apply", author="x", message="")
    source = take_up(settings).plan.policy
    assert source.revision == 2
    assert source.path.read_text() == POLICY + "# remark\n"
    active = LocalCopies(folder / "state").active()
    assert active is not None
    assert active.target == Target(2, 1)


def test_a_changed_password_reaches_the_workers_and_no_file(folder: Path) -> None:
    with (folder / "policy.toml").open("a") as policy:
        policy.write('[next_hops.out]\naddress = "smtp://192.0.2.9:587"\nusername = "us"\npassword_file = "secret"\n')
    plans = []
    for password in ("one", "other"):
        (folder / "secret").write_text(password)
        (folder / "secret").chmod(0o600)
        plans.append(take_up(folder / "arrowslit.toml").plan)
    assert plans[0].settings != plans[1].settings
    assert plans[0].policy == plans[1].policy
    assert all("other" not in json.dumps(plan.settings) for plan in plans)


def test_old_copies_go_but_none_that_is_needed(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path)
    for number in range(1, 15):
        copies.write(Target(number, 1), f"# {number}\n", {})
    copies.prune({2, 14})
    assert copies.numbers() == [2, *range(5, 15)]


def test_a_lost_record_comes_back_from_the_store(folder: Path) -> None:
    take_up(folder / "arrowslit.toml")
    (folder / "state" / "revisions" / "active.json").write_text("broken")
    assert LocalCopies(folder / "state").active() is None
    assert take_up(folder / "arrowslit.toml").plan.policy.revision == 1
    assert LocalCopies(folder / "state").active() is not None


def test_a_damaged_copy_is_brought_anew(folder: Path) -> None:
    path = take_up(folder / "arrowslit.toml").plan.policy.path
    path.write_text("damaged")
    assert LocalCopies(folder / "state").active() is None
    assert take_up(folder / "arrowslit.toml").plan.policy.path.read_text() == POLICY


def test_a_store_that_is_away_leaves_the_last_copy(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    take_up(settings)
    store = folder / "state" / "store.sqlite"
    store.unlink()
    store.mkdir()
    active = take_up(settings)
    assert active.plan.policy.revision == 1
    assert "the last copy of revision 1 is used" in active.problem


def test_without_store_and_copy_everybody_is_deferred(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    settings.write_text(SETTINGS.replace("workers = 2", 'workers = 2\nstore = "postgresql://nobody@127.0.0.1:9/none"'))
    active = take_up(settings)
    assert active.plan.policy.revision == 0
    assert "everybody is deferred" in active.problem
    assert active.site.policy is not None
    facts = Facts(client_address=ip_address("127.0.0.1"), date=datetime.date(2026, 11, 25))
    decision = ask(active.site.policy, facts, to_recipient=False).decision
    assert decision.action is Action.DEFER


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("policy.toml", "version = 2\n", r"policy.toml:1:11: this version of the format is not known"),
        ("policy.toml", POLICY.replace("127.0.0.1", "127.0.0.x"), r'policy.toml:8:30: "127.0.0.x" is not an address'),
        (
            "arrowslit.toml",
            SETTINGS.replace("2525", "x"),
            r'arrowslit.toml:5:11: listeners\[0\].address: "x" is no port',
        ),
        (
            "policy.toml",
            POLICY + '[[expectations]]\nthat = "all"\nfrom = "192.0.2.1"\noutcome = "permit"\n',
            "all: wanted permit, got reject at connect",
        ),
    ],
)
def test_what_may_not_be_served_changes_nothing(folder: Path, name: str, text: str, says: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(NotAdmissibleError, match=says):
        take_up(folder / "arrowslit.toml")
    assert not (folder / "state" / "revisions").exists()
    (folder / "arrowslit.toml").write_text(SETTINGS)
    (folder / "policy.toml").write_text(POLICY)
    assert take_up(folder / "arrowslit.toml").plan.policy.revision == 1
