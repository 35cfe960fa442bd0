"""The intake: each line once, in order, whatever fails in between."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from arrowslit.observe.journal import JournalSink, segments
from arrowslit.store.errors import StoreAwayError
from arrowslit.store.values import JournalLine
from arrowslit.upkeep.intake import Intake


class Store:
    """Keeps what it is given, by segment and position; away while told so."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], bytes] = {}
        self.away = False

    def take(self, lines: Sequence[JournalLine]) -> int:
        if self.away:
            raise StoreAwayError("away")
        new = [line for line in lines if (line.segment, line.position) not in self.kept]
        self.kept |= {(line.segment, line.position): line.line for line in new}
        return len(new)


def test_lines_are_taken_as_they_come_and_a_finished_segment_goes(tmp_path: Path) -> None:
    sink, store = JournalSink(tmp_path), Store()
    intake = Intake(tmp_path, store.take)
    assert intake.turn() == 0
    for number in range(3):
        sink.add(b'{"n":%d}\n' % number, True)
        sink.flush(number * 0.1)
        assert intake.turn() > 0
        assert len(store.kept) == number + 1
    assert len(segments(tmp_path)) == 1  # its writer is there still
    sink.close()
    intake.turn()
    assert segments(tmp_path) == []
    assert [line for _, line in sorted(store.kept.items())] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    intake.close()


def test_what_a_store_that_is_away_does_not_take_waits(tmp_path: Path) -> None:
    sink, store = JournalSink(tmp_path), Store()
    intake = Intake(tmp_path, store.take)
    store.away = True
    sink.add(b"{}\n", False)
    sink.flush(0.0)
    sink.close()
    for _ in range(2):
        with pytest.raises(StoreAwayError):
            intake.turn()
    assert len(segments(tmp_path)) == 1
    store.away = False
    intake.turn()
    intake.turn()
    assert (len(store.kept), segments(tmp_path)) == (1, [])
    intake.close()


def test_after_a_restart_all_is_offered_again_and_taken_once(tmp_path: Path) -> None:
    sink, store = JournalSink(tmp_path), Store()
    for number in range(5):
        sink.add(b'{"n":%d}\n' % number, True)
    sink.flush(0.0)
    for _ in range(3):
        intake = Intake(tmp_path, store.take)
        intake.turn()
        intake.close()
    assert len(store.kept) == 5
    sink.close()


def test_a_killed_writer_leaves_a_finished_segment_and_a_cut_line_is_counted(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from arrowslit.observe.journal import JournalSink\n"
        "sink = JournalSink(Path(sys.argv[1])); sink.add(b'{\"whole\":1}\\n', True); sink.flush(0.0)\n"
        "os.write(sink._fd, b'{\"cut')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=os.environ)
    store = Store()
    intake = Intake(tmp_path, store.take)
    for _ in range(3):
        intake.turn()
    assert (list(store.kept.values()), intake.cut, segments(tmp_path)) == ([b'{"whole":1}'], 1, [])
    intake.close()


def test_more_than_one_read(tmp_path: Path) -> None:
    sink, store = JournalSink(tmp_path), Store()
    line = b'{"x":"' + b"y" * 990 + b'"}\n'
    for number in range(3):
        for _ in range(1000):
            sink.add(line, True)
        sink.flush(float(number))
    sink.close()
    intake = Intake(tmp_path, store.take)
    while intake.turn():
        pass
    assert len(store.kept) == 3000
    assert set(store.kept.values()) == {line[:-1]}
    intake.close()
