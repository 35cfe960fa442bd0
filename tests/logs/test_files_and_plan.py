"""Which files are read and as what: links, loops, pipes, folders that can't be opened, times that can't be."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arrowslit.logs.files import files
from arrowslit.logs.pieces import Plan, plan
from arrowslit.traffic.tally import Problem

UTC = datetime.UTC
NOW = datetime.datetime(2026, 3, 10, tzinfo=UTC).timestamp()
LINE = "Mar  2 05:00:15 mx postfix/smtpd[91]: connect from mx.example.net[198.51.100.7]\n"


def found(*paths: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    problems: list[Problem] = []
    return list(files(paths, problems)), [(one.file, one.says) for one in problems]


def planned(*paths: Path) -> Plan:
    return plan(paths, zone=UTC, now=NOW)


def log(path: Path, text: str = LINE, written: float = NOW - 3600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (written, written))
    return path


def test_each_file_counts_once_however_it_is_reached(tmp_path: Path) -> None:
    one = log(tmp_path / "logs" / "mail.log")
    (tmp_path / "link.log").symlink_to(one)
    (tmp_path / "hard.log").hardlink_to(one)
    (tmp_path / "other").symlink_to(tmp_path / "logs")
    assert found(one, tmp_path / "link.log", tmp_path / "hard.log", tmp_path / "other", tmp_path) == ([one], [])


def test_a_folder_that_leads_back_into_itself_is_gone_through_once(tmp_path: Path) -> None:
    one = log(tmp_path / "a" / "b" / "mail.log")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    assert found(tmp_path) == ([one], [])


def test_a_link_to_a_folder_is_gone_into(tmp_path: Path) -> None:
    log(tmp_path / "archive" / "mail.log.1")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "old").symlink_to(tmp_path / "archive")
    assert found(tmp_path / "logs") == ([tmp_path / "logs" / "old" / "mail.log.1"], [])


def test_what_is_no_file_is_named_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    names = ("pipe", "round", "nowhere", "missing")
    assert found(*(tmp_path / name for name in names), Path("/dev/null")) == (
        [],
        [
            (str(tmp_path / "pipe"), "it is a pipe or a device, and no file"),
            (str(tmp_path / "round"), "can't be opened: Too many levels of symbolic links"),
            (str(tmp_path / "nowhere"), "can't be opened: No such file or directory"),
            (str(tmp_path / "missing"), "can't be opened: No such file or directory"),
            ("/dev/null", "it is a pipe or a device, and no file"),
        ],
    )
    assert found(tmp_path)[1] == [
        (str(tmp_path / "nowhere"), "can't be opened: No such file or directory"),
        (str(tmp_path / "round"), "can't be opened: Too many levels of symbolic links"),
        (str(tmp_path), "there is no file in this folder"),
    ]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = log(tmp_path / "mail.log")
    log(tmp_path / "secret" / "mail.log")
    true = os.scandir

    def scandir(path: Any) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return true(path)

    monkeypatch.setattr(os, "scandir", scandir)
    says = "this folder can't be looked into: Permission denied"
    assert found(tmp_path) == ([one], [(str(tmp_path / "secret"), says)])


@pytest.mark.parametrize(
    ("written", "taken"),
    [(NOW - 3600, NOW - 3600), (0.0, NOW), (NOW + 3600, NOW), (4e9, NOW), (-1.0, NOW)],
)
def test_no_file_was_written_before_there_were_logs_or_in_days_to_come(
    tmp_path: Path, written: float, taken: float
) -> None:
    (piece,) = planned(log(tmp_path / "mail.log", written=written)).pieces
    assert piece.written == taken
    assert piece.first_time == datetime.datetime(2026, 3, 2, 5, 0, 15, tzinfo=UTC).timestamp()


def test_lines_of_other_programs_may_come_first(tmp_path: Path) -> None:
    others = "".join(f"Mar  2 04:00:15 mx cron[{number}]: (root) CMD (true)\n" for number in range(5000))
    (piece,) = planned(log(tmp_path / "syslog", others + LINE)).pieces
    assert (piece.format, piece.first_time) == (
        "syslog",
        datetime.datetime(2026, 3, 2, 4, 0, 15, tzinfo=UTC).timestamp(),
    )


def test_archives_are_named_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 10)
    assert [one.says for one in planned(path).problems] == [
        "it is an archive (zip): unpack it, and name what was in it"
    ]
