"""The journal keeps whole lines until somebody takes them, and drops permits first when too much waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.observe.journal import JournalSink, waiting_octets
from arrowslit.observe.record import Record, from_json
from arrowslit.observe.writer import DecisionWriter


def _lines(folder: Path) -> list[bytes]:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir())).splitlines(keepends=True)


def test_the_writer_keeps_what_the_log_has(tmp_path: Path) -> None:
    writer = DecisionWriter(tmp_path / "log", None, journal=tmp_path / "journal")
    writer.write(Record(id="A", action="permit"))
    writer.write(Record(id="B", action="reject", client_address="192.0.2.1"))
    writer.flush(0.0)
    assert b"".join(_lines(tmp_path / "journal")) == (tmp_path / "log").read_bytes()
    assert [from_json(line).id for line in _lines(tmp_path / "journal")] == ["A", "B"]
    writer.close(1.0)


def test_a_full_or_old_segment_is_followed_by_another(tmp_path: Path) -> None:
    sink = JournalSink(tmp_path)
    sink.add(b"a" * (5 * 1024 * 1024) + b"\n", True)
    sink.flush(0.0)
    sink.add(b"b\n", True)
    sink.flush(0.1)
    sink.flush(61.0)
    sink.add(b"c\n", True)
    sink.flush(61.1)
    sink.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert sizes == [5 * 1024 * 1024 + 1, 2, 2]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_permits_go_first_where_too_much_waits(tmp_path: Path) -> None:
    sink = JournalSink(tmp_path, budget=10)
    for at in range(4):
        sink.add(b"0123456789\n", True)
        sink.add(b"refused\n", False)
        sink.flush(at * 2.0)
    sink.flush(7.0)
    assert "permits are not recorded" in sink.problem
    assert [line[:3] for line in _lines(tmp_path)] == [b"012", b"ref", b"012", b"ref", b"ref"]
    assert dict(sink.dropped) == {"permit": 2, "refusal": 1}
    for path in tmp_path.iterdir():
        path.unlink()
    sink.flush(70.0)
    sink.add(b"again\n", True)
    sink.flush(70.1)
    assert sink.problem == ""
    assert _lines(tmp_path) == [b"again\n"]


def test_a_disk_that_takes_a_part_leaves_whole_lines(tmp_path: Path) -> None:
    code = (
        "import resource, sys, signal\n"
        "from pathlib import Path\n"
        "from arrowslit.observe.journal import JournalSink\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.RLIM_INFINITY))\n"
        "sink = JournalSink(Path(sys.argv[1]))\n"
        "for n in range(10): sink.add(b'%098d\\n' % n + b'\\n', False)\n"
        "sink.flush(0.0)\n"
        "assert sink.problem, 'a full disk is a problem'\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "sink.flush(0.1)\n"
        "assert not sink.problem\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=os.environ)
    assert [int(line) for line in _lines(tmp_path) if line.strip()] == list(range(10))


def test_what_waits_is_counted(tmp_path: Path) -> None:
    assert waiting_octets(tmp_path / "none") == 0
    (tmp_path / "a").write_bytes(b"123")
    assert waiting_octets(tmp_path) == 3


@pytest.mark.parametrize("permit", [True, False])
def test_a_folder_that_cannot_be_made_is_a_problem_and_no_error(tmp_path: Path, permit: bool) -> None:
    (tmp_path / "file").write_bytes(b"")
    sink = JournalSink(tmp_path / "file" / "journal")
    sink.add(b"x\n", permit)
    sink.flush(0.0)
    assert sink.problem == "Not a directory"
