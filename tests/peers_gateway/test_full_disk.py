"""Disks that are really full: the spool's, the logs', and the one that the node's state lies on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arrowslit.gateway.control import request
from arrowslit.observe.sinks import FileSink
from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers import process
from tests.peers_gateway import small_disk
from tests.peers_gateway.site import ANNA, BEN, MESSAGE, at, next_hop, policy
from tests.peers_gateway.small_disk import Content, SmallDisk

Running = tuple[RunningNode, Hop, Content]

SPOOL = '[limits]\nspool = "small"\n'
LINE = b"x" * 76 + b"\r\n"
BIG = MESSAGE + LINE * 4_500  # more than the 256 KiB that stay in memory


@pytest.fixture(autouse=True)
def needs_a_small_disk() -> None:
    if (reason := small_disk.missing()) is not None:
        pytest.skip(reason)


@contextmanager
def running(folder: Path, kib: int = 1024, hop_lines: Sequence[str] = (), **options: Any) -> Iterator[Running]:
    """A node that has a small disk in its folder `small`, a next hop, and what is on the disk."""
    disk = SmallDisk(folder / "small", kib)
    with scripted() as hop:
        text = policy(next_hop("inner", at(hop.at), *hop_lines))
        with serving(folder, text, prefix=disk.prefix, **options) as node:
            yield node, hop, disk.seen_by(node.process.pid)


def alarms(control: Path) -> dict[str, str]:
    """What the node says that somebody must act on."""
    return {alarm["name"]: alarm["text"] for alarm in request(control, {"do": "status"})["alarms"]}


def rang(control: Path, name: str) -> str:
    """The text of an alarm, once it rings."""
    assert process.until(lambda: name in alarms(control)), alarms(control)
    return alarms(control)[name]


def test_a_full_spool_defers_big_messages_and_no_others(tmp_path: Path) -> None:
    with running(tmp_path, more=SPOOL) as (node, hop, disk), Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message(BEN, ANNA, BIG)[0] == 250
        disk.fill()
        code, text = wire.message(BEN, ANNA, BIG)
        assert f"{code} {text}".startswith("452 4.3.1 ")
        assert (len(hop.messages), hop.partial) == (1, [])
        assert [line.split(" ")[0] for line in hop.commands].count("DATA") == 1
        assert wire.message(BEN, ANNA)[0] == 250  # in the same session
        assert len(hop.messages) == 2
        assert str(tmp_path / "small") in rang(tmp_path / "state" / "control.sock", "spool-full")
        disk.free()
        assert wire.message(BEN, ANNA, BIG)[0] == 250
        assert hop.messages[-1].endswith(LINE)
        assert len(hop.messages[-1]) > len(BIG)
        assert list(disk.folder.iterdir()) == []  # the files are unlinked from the start
    refused = node.wait_for(reason="spool-full")
    assert (refused["outcome"], refused["code"], refused["enhanced"]) == ("deferred", 452, "4.3.1")


def test_a_disk_that_fills_up_in_the_middle_of_a_message(tmp_path: Path) -> None:
    with running(tmp_path, more=SPOOL) as (node, hop, _disk), Wire(node.at) as wire:
        wire.say("EHLO client.test")
        assert wire.message(BEN, ANNA, MESSAGE + LINE * 30_000)[0] == 452  # 2.3 MB on a disk of 1 MiB
        assert (hop.messages, hop.partial) == ([], [])
        assert wire.message(BEN, ANNA, BIG)[0] == 250  # what the refused one took is there again


def test_refused_messages_do_not_hold_on_to_the_next_hop(tmp_path: Path) -> None:
    with running(tmp_path, hop_lines=["connections = 2"], more=SPOOL) as (node, hop, disk):
        disk.fill()
        for _ in range(4):
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                assert wire.message(BEN, ANNA, BIG)[0] == 452
        begin = time.monotonic()
        with Wire(node.at) as wire:
            wire.say("EHLO client.test")
            assert wire.message(BEN, ANNA)[0] == 250
        assert time.monotonic() - begin < 5
        assert len(hop.connections) <= 2


def test_mail_goes_on_where_no_log_can_be_written(tmp_path: Path) -> None:
    logs = 'decisions = "small/decisions.jsonl"\nmail = "small/mail.log"\n'
    with running(tmp_path, 256, logs=logs) as (node, hop, disk):
        disk.fill()
        for number in range(30):
            with Wire(node.at) as wire:
                wire.say(f"EHLO client{number}.test")
                assert wire.message(BEN, ANNA)[0] == 250
        control = tmp_path / "state" / "control.sock"
        said = rang(control, "log-decisions")
        assert str(tmp_path / "small" / "decisions.jsonl") in said
        assert "No space left on device" in said
        assert str(tmp_path / "small" / "mail.log") in rang(control, "log-mail")
        assert len(hop.messages) == 30
        disk.free()
        assert process.until(lambda: len(delivered(disk)) == 30), delivered(disk)  # kept meanwhile, each line whole


def delivered(disk: Content) -> list[dict[str, Any]]:
    """The deliveries that are on record; an empty line stands where a full disk cut one."""
    path = disk.folder / "decisions.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return [row for row in rows if row["kind"] == "delivery"]


def test_what_a_full_disk_leaves_no_room_for_is_counted(tmp_path: Path) -> None:
    with running(tmp_path, 64, more=SPOOL) as (_node, _hop, disk):
        disk.fill()
        sink = FileSink("decisions", disk.folder / "log", limit=10)
        for number in range(25):
            sink.add(b"%d\n" % number, permit=number % 2 == 0)
            sink.flush(float(number))
        assert sink.dropped.total() == 15
        assert (sink.failures, sink.problem) == (25, "No space left on device")
        disk.free()
        sink.flush(100.0)
        sink.close()
        assert len((disk.folder / "log").read_text().split()) == 10
        assert not sink.problem


@pytest.mark.parametrize("kib", [6_000, 3_000])
def test_a_full_disk_under_the_state_folder_ends_no_worker(tmp_path: Path, kib: int) -> None:
    """What is under way is kept in a mapped file of 4 MiB: there is room for it from the start, or it is not used."""
    with running(tmp_path, kib, state="small") as (node, hop, disk):
        disk.fill()
        workers = node.workers()
        for _ in range(10):
            with Wire(node.at) as wire:
                wire.say("EHLO client.test")
                assert wire.message(BEN, ANNA)[0] == 250
        assert len(hop.messages) == 10
        assert node.workers() == workers
        assert ("intents-full" in alarms(disk.folder / "control.sock")) == (kib < 4_096)
