"""Logs from files into a rehearsal: order, overlaps, stops, and what can't be read."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from arrowslit.logs.pieces import plan
from arrowslit.logs.reading import Read, Reading, ReadingFailedError
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.tally import Problem

UTC = datetime.UTC


class Kept:
    """A sink that keeps everything; `after` is called when so many have come."""

    def __init__(self, stop_after: int = -1) -> None:
        self.attempts: list[Attempt] = []
        self._stop_after = stop_after

    def take(self, attempts: Iterable[Attempt]) -> None:
        self.attempts += attempts
        if 0 <= self._stop_after <= len(self.attempts):
            self._stop_after = -1
            signal.raise_signal(signal.SIGINT)

    def state(self) -> dict[str, Any]:
        return {"attempts": self.attempts}

    def resume(self, state: dict[str, Any]) -> None:
        self.attempts = [Attempt(*one) for one in state["attempts"]]


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Whoever starts the tests in the background has interrupts ignored, and left so by others before us."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def message(number: int, day: int = 2) -> str:
    """The lines of one message, from the client 198.51.100.7 to bob{number}."""
    queue_id = f"{number + 0x1000000:09X}"
    at = f"Mar {day:2} {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} mx postfix"
    return (
        f"{at}/smtpd[91]: connect from mx.example.net[198.51.100.7]\n"
        f"{at}/smtpd[91]: {queue_id}: client=mx.example.net[198.51.100.7]\n"
        f"{at}/qmgr[80]: {queue_id}: from=<a@example.net>, size=410, nrcpt=1 (queue active)\n"
        f"{at}/smtpd[91]: disconnect from mx.example.net[198.51.100.7] ehlo=1 mail=1 rcpt=1 data=1 commands=4\n"
        f"{at}/local[95]: {queue_id}: to=<bob{number}@example.org>, relay=local, delay=0.1, status=sent (ok)\n"
        f"{at}/qmgr[80]: {queue_id}: removed\n"
    )


def written(path: Path, text: str | bytes, day: int = 10) -> Path:
    octets = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(octets) if path.suffix == ".gz" else octets)
    moment = datetime.datetime(2026, 3, day, tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))
    return path


def read(*paths: Path) -> tuple[list[str], Read, tuple[Problem, ...]]:
    """The recipients in the order of reading, and what is said of it."""
    made = plan(paths, zone=UTC)
    sink = Kept()
    done = Reading(made, sink, "test", UTC).run(lambda _done, _size: None)
    return [str(one.forward_path) for one in sink.attempts], done, made.problems


def people(*numbers: int) -> list[str]:
    return [f"bob{number}@example.org" for number in numbers]


def test_rotated_pieces_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    newest = written(tmp_path / "mail.log", "".join(map(message, range(20, 30))))
    older = written(tmp_path / "mail.log.1", "".join(map(message, range(10, 20))))
    oldest = written(tmp_path / "mail.log.2.gz", "".join(map(message, range(10))))
    assert read(newest, oldest, older)[0] == people(*range(30))
    assert read(tmp_path)[0] == people(*range(30))


def test_a_message_may_begin_in_one_piece_and_end_in_the_next(tmp_path: Path) -> None:
    lines = message(1).splitlines(keepends=True)
    for cut in range(1, len(lines)):
        first = written(tmp_path / "b", message(0) + "".join(lines[:cut]))
        second = written(tmp_path / "a", "".join(lines[cut:]) + message(2))
        assert sorted(read(second, first)[0]) == people(0, 1, 2), cut


def test_what_stands_in_two_pieces_counts_once(tmp_path: Path) -> None:
    lines = "".join(map(message, range(30))).splitlines(keepends=True)
    first = written(tmp_path / "a", "".join(lines[:100]))
    second = written(tmp_path / "b", "".join(lines[45:160]))
    third = written(tmp_path / "c", "".join(lines[150:]))
    copy = written(tmp_path / "d.gz", "".join(lines[:100]))
    found, done, problems = read(third, copy, second, first)
    assert sorted(found) == sorted(people(*range(30)))
    assert (done.whole, problems) == (True, ())
    assert done.twice >= 16


def test_two_equal_refusals_of_one_piece_are_two(tmp_path: Path) -> None:
    refusal = (
        "Mar  2 05:01:01 mx postfix/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 "
        "<v@elsewhere.example>: Relay access denied; from=<a@b.example> to=<v@elsewhere.example> proto=ESMTP helo=<w>\n"
    )
    one = written(tmp_path / "a", refusal * 3)
    other = written(tmp_path / "b", refusal * 2)
    assert len(read(one, other)[0]) == 3


def test_formats_may_be_mixed_in_a_folder(tmp_path: Path) -> None:
    written(tmp_path / "mail.log", message(1))
    written(
        tmp_path / "decisions.jsonl",
        '{"v":1,"time":1772427615.0,"id":"A","kind":"delivery","action":"permit","virtual_server":"default",'
        '"client_address":"192.0.2.1","reverse_path":"","forward_path":"anna@example.org"}\n',
    )
    written(tmp_path / "picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50)
    written(tmp_path / "empty.log", "")
    found, _, problems = read(tmp_path)
    assert sorted(found) == ["anna@example.org", *people(1)]
    assert [(Path(one.file).name, one.says) for one in problems] == [
        ("picture.png", "its format is not known; if you know it, say it with --format")
    ]


def test_a_piece_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = gzip.compress("".join(map(message, range(2000))).encode())
    path = tmp_path / "mail.log.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found, done, _ = read(path)
    assert 100 < len(found) < 2000
    assert [one.says for one in done.tally.problems] == ["the gzip file is cut off"]


def test_a_line_of_a_hundred_megabytes_is_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    with path.open("wb") as file:
        file.write(message(1).encode())
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + message(2).encode())
    found, done, _ = read(path)
    assert found == people(1, 2)
    assert [(one.line, one.says) for one in done.tally.problems] == [
        (7, "this line is longer than 65536 octets; it is left out")
    ]
    assert (done.tally.read, done.tally.not_understood) == (13, 1)


@pytest.mark.parametrize("stop_after", [0, 1500, 4000])
def test_it_can_be_stopped_and_goes_on_to_the_same_result(tmp_path: Path, stop_after: int) -> None:
    pieces = ["".join(message(number) for number in range(at, at + 4000)) for at in range(0, 12_000, 4000)]
    paths = [written(tmp_path / f"mail.log.{at}.gz", text) for at, text in enumerate(pieces)]
    made = plan(paths, zone=UTC)
    whole = Kept()
    reference = Reading(made, whole, "test", UTC).run(lambda _done, _size: None)
    first = Kept(stop_after)
    reading = Reading(made, first, "test", UTC)
    assert not reading.take_up()
    assert not reading.run(lambda _done, _size: None).whole
    assert len(first.attempts) < len(whole.attempts)
    saved = list((tmp_path / "state" / "arrowslit").iterdir())
    assert [one.stat().st_mode & 0o777 for one in saved] == [0o600]
    second = Kept()
    reading = Reading(made, second, "test", UTC)
    assert reading.take_up()
    done = reading.run(lambda _done, _size: None)
    assert second.attempts == whole.attempts
    assert (done.whole, done.tally) == (True, reference.tally)
    assert not list((tmp_path / "state" / "arrowslit").iterdir())


def stopped(paths: Sequence[Path], question: str = "test") -> Kept:
    """What was read of `paths` until it was stopped, early."""
    sink = Kept(0)
    done = Reading(plan(paths, zone=UTC), sink, question, UTC).run(lambda _done, _size: None)
    assert (done.whole, done.goes_on) == (False, True)
    return sink


def gone_on(paths: Sequence[Path], question: str = "test") -> tuple[list[str], bool, bool]:
    """The recipients at the end, whether it went on, and whether it says that the files have changed."""
    sink = Kept()
    reading = Reading(plan(paths, zone=UTC), sink, question, UTC)
    went_on = reading.take_up()
    assert reading.run(lambda _done, _size: None).whole
    return [str(one.forward_path) for one in sink.attempts], went_on, reading.changed


def test_another_question_begins_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "mail.log", "".join(map(message, range(9000))))
    stopped([path])
    assert gone_on([path], "another") == (people(*range(9000)), False, False)
    assert gone_on([path]) == (people(*range(9000)), True, False)


def test_a_log_may_grow_until_it_is_read_to_its_end(tmp_path: Path) -> None:
    first = written(tmp_path / "a", "".join(map(message, range(3000))))
    last = written(tmp_path / "b", "".join(map(message, range(3000, 9000))))
    stopped([first, last])
    written(last, "".join(map(message, range(3000, 9900))), day=11)
    assert gone_on([first, last]) == (people(*range(9900)), True, False)


def test_a_log_that_has_changed_otherwise_begins_anew_and_says_so(tmp_path: Path) -> None:
    first = written(tmp_path / "a", "".join(map(message, range(9000))))
    stopped([first])
    written(first, "".join(map(message, range(8990))), day=11)
    assert gone_on([first]) == (people(*range(8990)), False, True)
    stopped([first])
    written(first, "".join(map(message, range(10, 9500))), day=11)
    assert gone_on([first]) == (people(*range(10, 9500)), False, True)


@pytest.mark.parametrize("damage", ["cut", "a bit", "not ours", "a link", "no state"])
def test_what_was_kept_and_is_damaged_is_not_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = written(tmp_path / "mail.log", "".join(map(message, range(9000))))
    stopped([path])
    (kept,) = (tmp_path / "state" / "arrowslit").iterdir()
    octets = kept.read_bytes()
    if damage == "cut":
        kept.write_bytes(octets[:-100])
    elif damage == "a bit":
        kept.write_bytes(octets.replace(b"bob1@", b"bob2@", 1))
    elif damage == "not ours":
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    elif damage == "a link":
        kept.rename(tmp_path / "elsewhere")
        kept.symlink_to(tmp_path / "elsewhere")
    else:
        text = json.dumps(json.loads(octets.partition(b"\n")[2]) | {"twice": {}}).encode()
        kept.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
    assert gone_on([path]) == (people(*range(9000)), False, False)


def test_where_nothing_can_be_kept_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "mail.log", "".join(map(message, range(9000))))
    made = plan([path], zone=UTC)
    monkeypatch.setenv("XDG_STATE_HOME", str(path))
    assert not Reading(made, Kept(0), "test", UTC).run(lambda _done, _size: None).goes_on
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setattr(Path, "home", classmethod(_homeless))
    assert not Reading(made, Kept(0), "test", UTC).run(lambda _done, _size: None).goes_on


def _homeless(_: type[Path]) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_readings_that_nobody_went_on_with_are_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "arrowslit"
    folder.mkdir(parents=True)
    for name in ("reading-old.json", ".reading-half.json.x", "other.json"):
        written(folder / name, "{}")
    (folder / "reading-new.json").write_text("{}")
    stopped([written(tmp_path / "mail.log", "".join(map(message, range(9000))))])
    names = sorted(one.name for one in folder.iterdir())
    assert [name for name in names if len(name) < 30] == ["other.json", "reading-new.json"]


class Deadly(Kept):
    """Ends the reading process while it reads."""

    def __init__(self, signal_: int) -> None:
        super().__init__()
        self._signal = signal_

    def take(self, attempts: Iterable[Attempt]) -> None:
        super().take(attempts)
        for one in multiprocessing.active_children():
            assert one.pid is not None
            os.kill(one.pid, self._signal)


@pytest.mark.parametrize(
    ("signal_", "says"),
    [
        (signal.SIGKILL, ": signal 9 ended it, as a machine does that is short of memory"),
        (signal.SIGTERM, ": signal 15 ended it"),
    ],
)
def test_a_reading_process_that_is_killed_is_no_end(tmp_path: Path, signal_: int, says: str) -> None:
    paths = [written(tmp_path / f"{at}", "".join(map(message, range(at, at + 4000)))) for at in range(0, 40_000, 4000)]
    with pytest.raises(ReadingFailedError) as failed:
        Reading(plan(paths, zone=UTC), Deadly(signal_), "test", UTC).run(lambda _done, _size: None)
    assert str(failed.value) == f"the process that reads the files ended before it was done{says}"


class Failing(Kept):
    def take(self, attempts: Iterable[Attempt]) -> None:
        super().take(attempts)
        raise ZeroDivisionError


def test_a_sink_that_fails_leaves_no_process_and_no_word(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = [written(tmp_path / f"{at}", "".join(map(message, range(at, at + 4000)))) for at in range(0, 40_000, 4000)]
    with pytest.raises(ZeroDivisionError):
        Reading(plan(paths, zone=UTC), Failing(), "test", UTC).run(lambda _done, _size: None)
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    class Twofold(Kept):
        def take(self, attempts: Iterable[Attempt]) -> None:
            super().take(attempts)
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)

    paths = [written(tmp_path / f"{at}", "".join(map(message, range(at, at + 4000)))) for at in range(0, 40_000, 4000)]
    with pytest.raises(KeyboardInterrupt):
        Reading(plan(paths, zone=UTC), Twofold(), "test", UTC).run(lambda _done, _size: None)
    assert multiprocessing.active_children() == []


def test_a_file_whose_newest_line_comes_first_is_turned_round(tmp_path: Path) -> None:
    lines = "".join(message(number) for number in range(0, 120, 2)).splitlines(keepends=True)
    path = written(tmp_path / "page.txt", "".join(reversed(lines)) + "rubbish\n")
    found, done, _ = read(path)
    assert found == people(*range(0, 120, 2))
    assert [(one.line, one.says[:13]) for one in done.tally.problems] == [(len(lines) + 1, "there is no t")]


def test_a_stamp_without_a_year_is_of_the_year_before_the_file_was_written(tmp_path: Path) -> None:
    path = written(tmp_path / "mail.log", message(0, day=9).replace("Mar", "Nov") + message(1))
    sink = Kept()
    Reading(plan([path], zone=UTC), sink, "test", UTC).run(lambda _done, _size: None)
    days = [datetime.datetime.fromtimestamp(one.time, UTC).date().isoformat() for one in sink.attempts]
    assert days == ["2025-11-09", "2026-03-02"]


def test_nothing_is_left_running() -> None:
    assert multiprocessing.active_children() == []
    assert threading.active_count() < 5
