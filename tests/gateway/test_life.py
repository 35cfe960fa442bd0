"""The life of a policy on a running node: applied, confirmed, undone by itself, also where much else goes wrong."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from arrowslit.gateway.control import request
from arrowslit.store.database import open_database
from tests.gateway.node import RunningNode, serving
from tests.gateway.policies import loopback
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers.process import until

OPEN, SHUT = loopback(9), loopback(9, client="127.0.0.2")


def revision(node: RunningNode) -> int:
    """What the node has taken up."""
    return int(request(node.folder / "state" / "control.sock", {"do": "status"})["revision"])


def may_connect(node: RunningNode) -> bool:
    """Whether 127.0.0.1 is greeted and not refused at MAIL and RCPT."""
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        wire.say("MAIL FROM:<a@elsewhere.test>")
        return wire.say("RCPT TO:<bob@example.org>")[0] != 550


def answered(node: RunningNode) -> int:
    """What MAIL and RCPT come to."""
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        code = wire.say("MAIL FROM:<a@elsewhere.test>")[0]
        return code if code >= 400 else wire.say("RCPT TO:<bob@example.org>")[0]


def pending(node: RunningNode, seconds: float = 3.0) -> None:
    """Apply SHUT, to be confirmed within less time than the command allows."""
    with closing(open_database(node.folder / "state" / "store.sqlite")) as store:
        store.revisions.apply(SHUT, expected=1, kind="apply", author="x", message="", confirm_within=seconds)
    assert until(lambda: revision(node) == 2)


def history(node: RunningNode) -> list[tuple[int, str]]:
    """Revisions and kinds, oldest first."""
    said = node.run("policy", "history", "--json")
    assert said.returncode == 0, said.stderr
    rows = json.loads(said.stdout)["revisions"]
    return [(row["revision"], row["kind"]) for row in reversed(rows)]


def test_what_nobody_confirms_is_undone_in_time_and_is_a_revision(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        pending(node)
        begin = time.monotonic()
        assert not may_connect(node)
        assert until(lambda: may_connect(node), 15)
        assert 1 < time.monotonic() - begin < 5
        assert until(lambda: "revision 2 was not kept: the policy of revision 1 is active again" in node.log)
        assert until(lambda: revision(node) == 3)
        assert history(node) == [(1, "first"), (2, "apply"), (3, "timer")]
        assert not (tmp_path / "state" / "pending.json").exists()
        assert not (tmp_path / "state" / "undone.json").exists()


def test_what_is_confirmed_stays(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        assert node.policy(SHUT, "--confirm-within", "10s").returncode == 0
        status = request(tmp_path / "state" / "control.sock", {"do": "status"})
        assert status["pending"]["revision"] == 2
        assert node.run("confirm").returncode == 0
        assert "(confirmed by " in node.run("policy", "history").stdout
        assert until(lambda: not (tmp_path / "state" / "pending.json").exists())
        time.sleep(1.5)
        assert not may_connect(node)
        assert node.run("confirm").returncode == 1  # nothing waits any more


def test_a_killed_node_keeps_the_time(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        pending(node)
        begin = time.monotonic()
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
    with serving(tmp_path, SHUT) as node:
        assert not may_connect(node)
        assert until(lambda: may_connect(node), 15)
        assert time.monotonic() - begin < 6


def test_a_node_that_was_down_when_the_time_ran_out_starts_with_the_old_policy(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        pending(node)
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
    time.sleep(3)
    with serving(tmp_path, SHUT) as node:
        assert may_connect(node)
        assert until(lambda: history(node)[-1] == (3, "timer"))


def test_after_a_restart_of_the_machine_it_is_undone_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        assert node.policy(SHUT, "--confirm-within", "10m").returncode == 0
    pending = tmp_path / "state" / "pending.json"
    pending.write_text(json.dumps({**json.loads(pending.read_text()), "boot": "another"}))
    with serving(tmp_path, SHUT) as node:
        assert may_connect(node)


def test_the_store_need_not_be_there_for_the_undo(tmp_path: Path) -> None:
    store = tmp_path / "state" / "store.sqlite"
    with serving(tmp_path, OPEN) as node:
        pending(node)
        for path in (tmp_path / "state").glob("store.sqlite*"):
            path.rename(path.with_name(f"away-{path.name}"))
        store.mkdir()
        assert until(lambda: may_connect(node), 15)
        store.rmdir()
        for path in (tmp_path / "state").glob("away-*"):
            path.rename(path.with_name(path.name.removeprefix("away-")))
        assert until(lambda: revision(node) == 3, 20)
        assert history(node)[-1] == (3, "timer")


def test_what_refuses_the_expected_is_undone_at_once(tmp_path: Path) -> None:
    expected = '[[expectations]]\nthat = "the filter delivers"\nfrom = "127.0.0.1"\nto = "bob@example.org"\n'
    expected += 'tls = true\noutcome = "permit"\n'
    needs_tls = OPEN.replace('{ computer = "127.0.0.1" }', '{ computer = "127.0.0.1", require_tls = true }')
    with serving(tmp_path, OPEN + expected) as node:
        assert node.policy(needs_tls + expected, "--confirm-within", "10m").returncode == 0
        with Wire(node.at, "127.0.0.3") as wire:  # a stranger who is refused proves nothing
            wire.say("EHLO x")
            wire.message("a@elsewhere.test", "bob@example.org")
        time.sleep(1.5)
        assert revision(node) == 2
        assert answered(node) == 530  # the filter has no TLS, other than we thought
        assert until(lambda: answered(node) == 451)  # let in; no next hop is there
        assert until(lambda: "refuses what it is expected to permit" in node.log)
        assert until(lambda: history(node)[-1] == (3, "timer"))


def test_an_extension_gives_more_time(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        pending(node, 60.0)
        assert node.run("confirm", "--extend", "1h").returncode == 0
        left = lambda: request(tmp_path / "state" / "control.sock", {"do": "status"})["pending"]["seconds_left"]  # noqa: E731
        assert until(lambda: left() > 3000)


@pytest.mark.parametrize("over", ["the same", "another"])
def test_only_a_new_connection_confirms(tmp_path: Path, over: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, OPEN) as node:
        monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 51000 192.0.2.1 22")
        assert node.policy(SHUT, "--confirm-within", "10m").returncode == 0
        if over == "another":
            monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 51001 192.0.2.1 22")
        said = node.run("confirm")
        assert said.returncode == (0 if over == "another" else 3)
        assert ("sign in anew" in said.stderr) == (over == "the same")


def test_nothing_is_applied_over_what_waits_unless_it_waits_too(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        assert node.policy(SHUT, "--confirm-within", "10m").returncode == 0
        said = node.policy(OPEN)
        assert said.returncode == 1
        assert "waits to be confirmed" in said.stderr
        assert node.policy(OPEN + "# again\n", "--confirm-within", "10s").returncode == 0
        assert until(lambda: history(node)[-1] == (4, "timer"), 15)
        assert may_connect(node)  # back to what was confirmed last


def test_of_two_people_the_second_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        for name in ("ann.toml", "ben.toml"):
            assert node.run("policy", "export", "-o", str(tmp_path / name)).returncode == 0
        assert node.run("policy", "apply", str(tmp_path / "ann.toml"), "-m", "ann").returncode == 0
        mine = tmp_path / "ben.toml"
        mine.write_text(mine.read_text() + "# ben's work\n")
        said = node.run("policy", "apply", str(mine))
        assert said.returncode == 4
        assert "revision 2 is active, and this was made from revision 1" in said.stderr
        assert "# ben's work" in mine.read_text()
        assert history(node) == [(1, "first"), (2, "apply")]


def test_broken_settings_do_not_keep_a_policy_from_coming_back(tmp_path: Path) -> None:
    with serving(tmp_path, OPEN) as node:
        pending(node)
        (tmp_path / "arrowslit.toml").write_text("half an edi")
        assert until(lambda: may_connect(node), 15)


def test_the_process_beside_may_die(tmp_path: Path) -> None:
    with scripted() as hop, serving(tmp_path, loopback(hop.at[1])) as node:
        for _ in range(2):
            (beside,) = node.beside()

            os.kill(beside, signal.SIGKILL)
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                assert wire.message("a@elsewhere.test", "bob@example.org")[0] == 250
            assert until(lambda old=beside: node.beside() not in ([], [old]))
        assert node.policy(loopback(hop.at[1], client="127.0.0.2")).returncode == 0
        assert len(hop.messages) == 2


def test_entries_are_added_and_the_comments_stay(tmp_path: Path) -> None:
    text = OPEN + "\n# the last line, with care\n"
    with serving(tmp_path, text) as node:
        added = node.run("entry", "add", "connection", "203.0.113.9", "--note", "branch")
        assert added.returncode == 0, added.stderr
        exported = node.run("policy", "export").stdout
        assert exported.startswith("# revision 2 of this policy\n")
        assert '{ computer = "203.0.113.9", note = "branch" }' in exported
        assert "# the last line, with care" in exported
        assert "computer:203.0.113.9" in node.run("entry", "list").stdout
        assert node.run("entry", "remove", "connection", "203.0.113.9").returncode == 0
        assert node.run("entry", "remove", "connection", "203.0.113.9").returncode == 2
        assert node.run("policy", "export").stdout.split("\n", 1)[1].strip() == text.strip()
