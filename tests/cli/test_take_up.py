"""`app.take_up`: from the files to a node's plan, and revisions in the state folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arrowslit.app import NotAdmissibleError, Revision, active_revision, take_up

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


def test_a_revision_is_new_only_where_the_text_is(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    assert [take_up(settings).plan.policy.revision for _ in range(3)] == [1, 1, 1]
    (folder / "policy.toml").write_text(POLICY + "# remark\n")
    assert take_up(settings).plan.policy.revision == 2
    (folder / "policy.toml").write_text(POLICY)
    assert take_up(settings).plan.policy.revision == 3
    found = active_revision(folder / "state")
    assert isinstance(found, Revision)
    assert found.number == 3


def test_a_changed_file_is_a_new_generation_of_the_same_revision(folder: Path) -> None:
    settings = folder / "arrowslit.toml"
    with (folder / "policy.toml").open("a") as policy:
        policy.write('[networks.filter]\nfile = "ranges.txt"\n')
    (folder / "ranges.txt").write_text("192.0.2.1\n")
    first = take_up(settings).plan
    assert take_up(settings).plan == first
    (folder / "ranges.txt").write_text("192.0.2.2\n")
    second = take_up(settings).plan
    assert (first.policy.revision, second.policy.revision) == (1, 1)
    assert (first.settings["generation"], second.settings["generation"]) == (1, 2)


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


def test_old_revisions_go(folder: Path) -> None:
    for number in range(13):
        (folder / "policy.toml").write_text(f"{POLICY}# {number}\n")
        take_up(folder / "arrowslit.toml")
    kept = sorted(int(path.stem) for path in (folder / "state" / "revisions").glob("*.toml"))
    assert kept == list(range(4, 14))


def test_a_lost_record_does_not_reuse_a_number(folder: Path) -> None:
    take_up(folder / "arrowslit.toml")
    (folder / "state" / "revisions" / "active.json").write_text("broken")
    assert active_revision(folder / "state") is None
    assert take_up(folder / "arrowslit.toml").plan.policy.revision == 2


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
    assert not (folder / "state").exists()
