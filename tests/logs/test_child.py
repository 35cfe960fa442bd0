"""The process that reads, held by hand: stopped at every point, with files that change under it and bad readers."""

from __future__ import annotations

import datetime
import gzip
import itertools
import json
import marshal
import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest

from arrowslit.logs import careful, child, lines, unpack
from arrowslit.logs.child import ATTEMPTS, END, PIECE, Order, read_all, tally_of
from arrowslit.logs.pieces import Planned, plan
from arrowslit.logs.twice import Twice
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.postfix import PostfixReader
from arrowslit.traffic.tally import Tally
from tests.logs.test_reading import message, people, written

UTC = datetime.UTC
RECEIVE = """\
#Log-type: SMTP Receive Protocol Log
#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context
2026-03-0{day}T09:34:38.1Z,EX\\Default EX,08D8A{day},0,10.0.0.5:25,198.51.100.7:4368,+,,
2026-03-0{day}T09:34:38.2Z,EX\\Default EX,08D8A{day},1,10.0.0.5:25,198.51.100.7:4368,>,220 ex ready,
2026-03-0{day}T09:34:38.3Z,EX\\Default EX,08D8A{day},2,10.0.0.5:25,198.51.100.7:4368,<,EHLO mx.example.net,
2026-03-0{day}T09:34:38.3Z,EX\\Default EX,08D8A{day},3,10.0.0.5:25,198.51.100.7:4368,>,250 ex,
2026-03-0{day}T09:34:38.4Z,EX\\Default EX,08D8A{day},4,10.0.0.5:25,198.51.100.7:4368,<,MAIL FROM:<a@b.example>,
2026-03-0{day}T09:34:38.4Z,EX\\Default EX,08D8A{day},5,10.0.0.5:25,198.51.100.7:4368,>,250 ok,
2026-03-0{day}T09:34:38.5Z,EX\\Default EX,08D8A{day},6,10.0.0.5:25,198.51.100.7:4368,<,RCPT TO:<ex{day}@example.org>,
2026-03-0{day}T09:34:38.5Z,EX\\Default EX,08D8A{day},7,10.0.0.5:25,198.51.100.7:4368,>,250 ok,
2026-03-0{day}T09:34:39.5Z,EX\\Default EX,08D8A{day},8,10.0.0.5:25,198.51.100.7:4368,-,,Local
"""
OWN = (
    '{{"v":1,"time":177242761{at}.0,"id":"A{at}","kind":"delivery","action":"permit","virtual_server":"default",'
    '"client_address":"192.0.2.1","reverse_path":"","forward_path":"own{at}@example.org"}}\n'
)


class Line:
    """The other end of the connection. Says stop when it is asked for the `stop_at`-th time."""

    def __init__(self, stop_at: int = -1) -> None:
        self.sent: list[Any] = []
        self._left = stop_at
        self.closed = False

    def send_bytes(self, octets: bytes) -> None:
        self.sent.append(marshal.loads(octets))

    def poll(self) -> bool:
        self._left -= 1
        return self._left == 0

    def close(self) -> None:
        self.closed = True


class Result:
    """Everything that came of several runs, each of which goes on where the last one stopped."""

    def __init__(self, pieces: Sequence[Planned], stops: Callable[[], int], until: float | None = None) -> None:
        self.attempts: list[Attempt] = []
        self.runs = 0
        state: dict[str, Any] | None = None
        twice = Twice()
        stopped = True
        while stopped:
            line = Line(stops())
            read_all(cast(Connection, line), Order(tuple(pieces), UTC, until, state))
            self.runs += 1
            for kind, *rest in line.sent:
                if kind == PIECE:
                    twice.piece([one.first_time for one in pieces[rest[0] + 1 :]], goes_on=rest[1])
                elif kind == ATTEMPTS:
                    self.attempts += twice.only_new(map(Attempt._make, rest[0]))
                elif kind == END:
                    stopped, state = rest[0], json.loads(json.dumps(rest[1]))
            assert line.closed
            saved = json.loads(json.dumps(twice.state()))
            twice = Twice()
            twice.resume(saved)
        assert state is not None
        self.tallies: dict[str, Tally] = {name: tally_of(one) for name, one in state["tallies"].items()}
        self.dropped = twice.dropped

    @property
    def recipients(self) -> list[str]:
        return [str(one.forward_path) for one in self.attempts]

    @property
    def says(self) -> list[tuple[int, str]]:
        return [(one.line, one.says) for tally in self.tallies.values() for one in tally.problems]


def never() -> int:
    return -1


@pytest.fixture
def pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[Planned]:
    """Pieces of every sort, in small blocks: packed, overlapping, backwards, UTF-16, damaged, of several formats."""
    monkeypatch.setattr(unpack, "BLOCK", 700)
    monkeypatch.setattr(lines, "LONGEST", 1500)
    monkeypatch.setattr(careful, "LONGEST", 1500)
    text = "".join(map(message, range(12))).splitlines(keepends=True)
    written(tmp_path / "a.gz", "".join(text[:40]))
    written(tmp_path / "b", "".join(text[28:]) + "x" * 4000 + "\n" + "y" * 4000)
    turned = "".join(map(message, range(20, 26))).splitlines(keepends=True)
    written(tmp_path / "c", "".join(reversed(turned)))
    written(tmp_path / "d", "".join(map(message, range(30, 34))).encode("utf-16"))
    packed = gzip.compress("".join(map(message, range(40, 44))).encode() * 30)
    (tmp_path / "e").write_bytes(packed[:-20])
    for day in (2, 3):
        written(tmp_path / f"f{day}", RECEIVE.replace("\n", "\r\n").format(day=day))
    written(tmp_path / "g", "".join(OWN.format(at=at) for at in range(9)))
    made = plan([tmp_path], zone=UTC).pieces
    assert len(made) == 8
    return made


def test_it_can_be_stopped_at_every_point(pieces: Sequence[Planned]) -> None:
    whole = Result(pieces, never)
    assert whole.runs == 1
    assert set(people(*range(12), *range(20, 26), *range(30, 34), *range(40, 44))) <= set(whole.recipients)
    assert {"ex2@example.org", "ex3@example.org", *(f"own{at}@example.org" for at in range(9))} <= set(whole.recipients)
    counted = [one for one in whole.recipients if one in people(*range(12))]
    assert len(counted) == 12, "what stands in two pieces counts once"
    points = 0
    for step in (1, 3):
        # Passing over what was read before asks too, so each run has to get a little further than the last.
        stepping = Result(pieces, itertools.count(1, step).__next__)
        points = max(points, stepping.runs)
        assert (stepping.attempts, stepping.tallies) == (whole.attempts, whole.tallies)
        assert stepping.dropped == whole.dropped
    assert points > 20
    for at in range(1, 150, 4):
        once = iter([at])
        again = Result(pieces, lambda once=once: next(once, -1))  # type: ignore[misc]
        assert (again.attempts, again.tallies) == (whole.attempts, whole.tallies), at


def test_a_line_without_an_end_can_be_stopped_in_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "BLOCK", 1000)
    path = written(tmp_path / "mail.log", message(1) + "x" * 100_000 + "\n" + message(2))
    pieces = plan([path], zone=UTC).pieces
    stops = iter([50, 50])
    found = Result(pieces, lambda: next(stops, -1))
    assert (found.runs, found.recipients) == (3, people(1, 2))
    assert found.says == [(7, "this line is longer than 65536 octets; it is left out")]


@pytest.mark.parametrize("change", ["gone", "shorter", "a pipe", "a folder", "longer"])
def test_a_file_that_changes_before_it_is_read(tmp_path: Path, change: str) -> None:
    first = written(tmp_path / "a", message(1))
    second = written(tmp_path / "b", message(2))
    third = written(tmp_path / "c", message(3))
    pieces = plan([first, second, third], zone=UTC).pieces
    second.unlink()
    if change == "a pipe":
        os.mkfifo(second)
    elif change == "a folder":
        second.mkdir()
    elif change == "shorter":
        second.write_text("")
    elif change == "longer":
        second.write_text(message(2) + message(4))
    found = Result(pieces, never)
    says = {
        "gone": [(0, "can't be opened: No such file or directory")],
        "a pipe": [(0, "it is a pipe or a device, and no file")],
        "a folder": [(0, "can't be opened: Is a directory")],
    }
    assert found.recipients == people(1, *([2, 4] if change == "longer" else []), 3)
    assert found.says == says.get(change, [])


def test_of_a_backwards_file_that_is_cut_off_the_rest_is_read(tmp_path: Path) -> None:
    text = "".join(map(message, range(0, 800, 2))).splitlines(keepends=True)
    packed = gzip.compress("".join(reversed(text)).encode())
    path = tmp_path / "page.gz"
    path.write_bytes(packed[: len(packed) // 2])
    found = Result(plan([path], zone=UTC).pieces, never)
    assert 100 < len(found.recipients) < 400
    assert found.recipients == people(*range(800 - 2 * len(found.recipients), 800, 2))
    ((line, says),) = [one for one in found.says if "gzip" in one[1]]
    assert (line > 600, says) == (True, "the gzip file is cut off")


def test_of_a_backwards_file_that_is_too_large_the_newest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "TURNED_ROUND", 20_000)
    monkeypatch.setattr(unpack, "BLOCK", 4096)
    text = "".join(map(message, range(0, 200, 2))).splitlines(keepends=True)
    path = written(tmp_path / "page", "".join(reversed(text)))
    found = Result(plan([path], zone=UTC).pieces, never)
    assert found.recipients == people(*range(200 - 2 * len(found.recipients), 200, 2))
    assert len(found.recipients) > 20
    assert "only its newest" in found.says[0][1]


def test_a_reader_that_fails_costs_a_line_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = PostfixReader.entry

    def entry(self: PostfixReader, one: Any, text: str) -> Any:
        if "bob3@" in text:
            raise ZeroDivisionError("a fault")
        return true(self, one, text)

    monkeypatch.setattr(PostfixReader, "entry", entry)
    path = written(tmp_path / "mail.log", "".join(map(message, range(6))))
    found = Result(plan([path], zone=UTC).pieces, never)
    assert found.recipients == [*people(0, 1, 2), "None", *people(4, 5)]
    assert found.says == [
        (
            23,
            "arrowslit failed on this line (ZeroDivisionError), which is left out: that is a fault of ours, please "
            "report it",
        )
    ]
    assert (found.tallies["syslog"].read, found.tallies["syslog"].not_understood) == (36, 1)


def test_a_reader_that_fails_on_everything_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(*_: Any) -> Iterator[Attempt]:
        raise RecursionError

    monkeypatch.setattr(PostfixReader, "entry", entry)
    monkeypatch.setattr(PostfixReader, "end", entry)
    path = written(tmp_path / "mail.log", "".join(map(message, range(100))))
    found = Result(plan([path], zone=UTC).pieces, never)
    assert [one for _, one in found.says[-2:]] == [
        "arrowslit failed on too many of its lines; the rest is left out",
        "arrowslit failed at the end (RecursionError), which is left out: that is a fault of ours, please report it",
    ]


def test_no_number_of_odd_lines_hides_a_file_that_was_not_read(tmp_path: Path) -> None:
    odd = written(tmp_path / "a", message(1) + "odd\n" * 1000)
    gone = written(tmp_path / "b", message(2))
    pieces = plan([odd, gone], zone=UTC).pieces
    gone.unlink()
    found = Result(pieces, never)
    assert found.says[0] == (0, "can't be opened: No such file or directory")
    total = Tally()
    total.add(Tally(problems=[], not_understood=3))
    total.add(found.tallies["syslog"])
    assert total.problems[0].says.startswith("can't be opened")
    assert (len(total.problems), total.more) == (21, 980)


def test_where_nobody_listens_any_more_it_ends_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Broken(Line):
        def send_bytes(self, octets: bytes) -> None:
            if len(self.sent) > 1:
                raise BrokenPipeError
            super().send_bytes(octets)

    path = written(tmp_path / "mail.log", "".join(map(message, range(10))))
    read_all(cast(Connection, Broken()), Order(plan([path], zone=UTC).pieces, UTC))
    assert capfd.readouterr() == ("", "")
