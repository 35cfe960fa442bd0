"""Logs are written beside the mail's path: bounded, retried, rotated, and never an error for whoever writes."""

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.observe.metrics import Metrics
from arrowslit.observe.record import Record
from arrowslit.observe.sinks import FileSink, StreamSink, SyslogSink
from arrowslit.observe.writer import DecisionWriter

PERMIT = Record(id="P", action="permit", stage="recipient", client_address="192.0.2.1", time=1000.2)
REFUSAL = Record(
    id="R", action="reject", stage="recipient", reason="may-not-connect", client_address="203.0.113.9", time=1000.2
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "decisions.log"


def said(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def test_records_are_lines_in_order(log: Path) -> None:
    writer = DecisionWriter(log)
    writer.write(PERMIT)
    writer.write(REFUSAL)
    assert not log.exists()
    writer.flush(1000.5)
    assert [line["id"] for line in said(log)] == ["P", "R"]
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_flood_becomes_one_record_with_a_count(log: Path) -> None:
    metrics = Metrics()
    writer = DecisionWriter(log, flood=3, metrics=metrics)
    writer.flush(1000.0)
    for number in range(50):
        writer.write(REFUSAL._replace(id=f"R{number}"))
    writer.write(REFUSAL._replace(id="other", client_address="203.0.113.10"))
    for _ in range(20):
        writer.write(PERMIT)
    writer.flush(1000.9)
    assert [line["id"] for line in said(log)] == ["R0", "R1", "R2", "other", *["P"] * 20]
    writer.flush(1001.0)
    last = said(log)[-1]
    assert (last["id"], last["count"]) == ("R49", 47)
    assert [n for n in metrics.snapshot()["values"] if "aggregated" in n] == ["arrowslit_records_aggregated"]
    writer.write(REFUSAL._replace(id="next second", time=1001.1))
    writer.close(1001.2)
    assert said(log)[-1]["id"] == "next second"


def test_a_new_second_without_a_flush_between(log: Path) -> None:
    writer = DecisionWriter(log, flood=1)
    for time in (1000.0, 1000.1, 1001.0, 1001.1):
        writer.write(REFUSAL._replace(time=time, id=str(time)))
    writer.close(1001.5)
    assert [(line["id"], line.get("count", 1)) for line in said(log)] == [
        ("1000.0", 1),
        ("1000.1", 1),
        ("1001.0", 1),
        ("1001.1", 1),
    ]


def test_a_full_buffer_drops_permits_first_and_counts_them(log: Path) -> None:
    sink = FileSink("decisions", log, limit=4)
    for line, permit in [(b"p1\n", True), (b"r1\n", False), (b"p2\n", True), (b"r2\n", False)]:
        sink.add(line, permit)
    sink.add(b"p3\n", True)
    assert dict(sink.dropped) == {"permit": 1}
    sink.add(b"r3\n", False)
    assert dict(sink.dropped) == {"permit": 3}
    sink.add(b"r4\n", False)
    sink.add(b"r5\n", False)
    assert dict(sink.dropped) == {"permit": 3, "refusal": 1}
    sink.flush(1.0)
    assert log.read_bytes() == b"r1\nr2\nr3\nr4\n"


def test_drops_and_failures_are_counted_where_metrics_are_read(tmp_path: Path) -> None:
    metrics = Metrics()
    writer = DecisionWriter(tmp_path / "not there" / "log", metrics=metrics)
    for _ in range(20_001):
        writer.write(PERMIT)
    writer.flush(1.0)
    values = metrics.snapshot()["values"]
    assert values["arrowslit_records_dropped"] == [["decisions", "permit", 1]]
    assert values["arrowslit_record_write_failures"] == [["decisions", 1]]
    assert "No such file" in writer.problems()["log-decisions"]


def test_a_failed_write_is_retried_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    writer = DecisionWriter(folder / "log")
    writer.write(REFUSAL)
    writer.flush(1.0)
    assert writer.problems()
    folder.mkdir()
    writer.flush(2.0)
    assert writer.problems() == {}
    assert [line["id"] for line in said(folder / "log")] == ["R"]


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from arrowslit.observe.sinks import FileSink
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sink = FileSink("decisions", Path(sys.argv[1]))
for number in range(10):
    sink.add(b"line %02d\\n" % number, False)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
sink.flush(1.0)
print(sink.failures, bool(sink.problem))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sink.flush(2.0)
print(sink.failures, bool(sink.problem))
"""


def test_a_disk_that_fills_in_the_middle_of_a_line(log: Path) -> None:
    """RLIMIT_FSIZE makes a real short write and a real error of the kernel."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, log], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True", "1", "False"]
    lines = log.read_bytes().splitlines()
    assert lines[:2] == [b"line 00", b"line 01"]
    assert lines[2] == b"line"
    assert lines[3:] == [b"line %02d" % number for number in range(2, 10)]


def test_a_log_that_was_moved_away_is_opened_anew(log: Path) -> None:
    sink = FileSink("decisions", log)
    sink.add(b"one\n", True)
    sink.flush(1.0)
    log.rename(log.with_suffix(".1"))
    sink.add(b"two\n", True)
    sink.flush(1.5)
    assert log.with_suffix(".1").read_bytes() == b"one\ntwo\n"
    sink.add(b"three\n", True)
    sink.flush(2.6)
    assert log.read_bytes() == b"three\n"
    log.rename(log.with_suffix(".2"))
    sink.reopen()
    sink.add(b"four\n", True)
    sink.flush(2.7)
    assert log.read_bytes() == b"four\n"


def test_more_than_one_write_holds(log: Path) -> None:
    sink = FileSink("decisions", log)
    line = b"x" * 1000 + b"\n"
    for _ in range(1000):
        sink.add(line, True)
    sink.add(b"y" * 400_000 + b"\n", False)
    sink.flush(1.0)
    assert log.stat().st_size == 1000 * 1001 + 400_001


def test_a_pipe_that_nobody_reads_is_not_waited_for() -> None:
    reader, out = os.pipe()
    sink = StreamSink("mail", out)
    lines = [b"%04d " % number + b"x" * 5000 + b"\n" for number in range(100)]
    for line in lines:
        sink.add(line, True)
    sink.flush(1.0)
    assert sink.failures == 1
    os.set_blocking(reader, False)
    read = b""
    while len(read) < sum(map(len, lines)):
        read += os.read(reader, 1 << 20)
        sink.flush(2.0)
    assert read == b"".join(lines)
    os.close(reader)
    os.close(out)


def test_syslog_gets_a_datagram_a_line_and_may_be_away(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    sink = SyslogSink("mail", path)
    sink.add(b"<22>one\n", True)
    sink.flush(1.0)
    assert sink.problem
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sink.flush(2.0)
        assert daemon.recv(100) == b"<22>one"
    sink.add(b"<22>two\n", True)
    sink.flush(3.0)
    assert sink.problem
    Path(path).unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sink.flush(4.0)
        assert daemon.recv(100) == b"<22>two"
    sink.close()


def test_the_mail_log_has_the_time_the_node_and_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    writer = DecisionWriter(None, str(path))
    writer.write(REFUSAL._replace(node="mx.example.net", time=1_700_000_000.5))
    writer.write(PERMIT)
    writer.close(1_700_000_001.0)
    (line,) = path.read_text().splitlines()
    assert line.startswith(
        f"2023-11-14T22:13:20.500000+00:00 mx.example.net postfix/smtpd[{os.getpid()}]: NOQUEUE: reject: RCPT from "
    )


def test_two_processes_append_whole_lines(log: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from arrowslit.observe.writer import DecisionWriter;"
        "from arrowslit.observe.record import Record\n"
        "writer = DecisionWriter(Path(sys.argv[1]))\n"
        "for n in range(2000):\n"
        "    writer.write(Record(id=sys.argv[2] * 50))\n"
        "    if n % 50 == 0: writer.flush(n)\n"
        "writer.close(5000.0)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, log, name]) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert sorted(str(line["id"])[0] for line in said(log)) == ["a"] * 2000 + ["b"] * 2000
