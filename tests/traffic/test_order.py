"""Files that run backwards: told from their times, and given last line first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.order import backwards, runs_backwards
from tests.traffic.formats.test_postfix import EXPECTED, LOG
from tests.traffic.reading import read

LINES = LOG.encode().splitlines()


def test_a_log_as_it_was_written() -> None:
    assert not runs_backwards(LINES)


def test_a_log_newest_first() -> None:
    assert runs_backwards(LINES[::-1])


def test_turned_round_it_reads_as_it_was_written() -> None:
    copied = b"\n".join(LINES[::-1]) + b"\n"
    blocks = [copied[at : at + 100] for at in range(0, len(copied), 100)]
    attempts, tally = read(b"\n".join(backwards(reversed(blocks))))
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (12, 1, 0)


def test_without_turning_it_is_not_joined() -> None:
    """Why there is this file at all: read backwards, nobody is signed in and nothing has a recipient."""
    attempts, _ = read(b"\n".join(LINES[::-1]) + b"\n")
    assert not any(expected in attempts for expected in EXPECTED[:2])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["Mar  2 05:00:03", "Mar  2 05:00:02", "Mar  2 05:00:01", "Mar  2 05:00:00"], True),
        (["Mar  2 05:00:00", "Mar  2 05:00:01", "Mar  2 05:00:02", "Mar  2 05:00:03"], False),
        # Two programs that write at once; a clock that is set; nothing that differs; nothing at all.
        (["Mar  2 05:00:00", "Mar  2 05:00:01", "Mar  2 05:00:00", "Mar  2 05:00:02"], False),
        (["Mar  2 05:00:00", "Mar  2 04:59:59", "Mar  2 05:00:00", "Mar  2 04:59:59", "Mar  2 05:00:01"], False),
        (["Mar  2 05:00:00"] * 5, False),
        (["Mar  2 05:00:00"], False),
        ([], False),
        # Two times only: all there is to go by.
        (["Mar  2 05:00:01", "Mar  2 05:00:01", "Mar  2 05:00:00"], True),
        # The year changes.
        (["Dec 31 23:59:58", "Dec 31 23:59:59", "Jan  1 00:00:00", "Jan  1 00:00:01"], False),
        (["Jan  1 00:00:01", "Jan  1 00:00:00", "Dec 31 23:59:59", "Dec 31 23:59:58"], True),
        (["Dec 31 23:59:58", "Jan  1 00:00:01"], False),
        (["2026-03-02T05:00:02Z", "2026-03-02T05:00:01.5Z", "2026-03-02T05:00:01Z", "2026-03-02T06:00:00+01:00"], True),
    ],
)
def test_what_decides(times: list[str], expected: bool) -> None:
    assert runs_backwards([f"{time} mx postfix/qmgr[1]: x".encode() for time in times]) is expected


def test_other_formats() -> None:
    stamps = [
        "2026-03-02 05:00:15.204",
        "2026-03-02 05:00:14.204",
        "2026-03-02 05:00:13.204",
        "2026-03-02 05:00:12.000",
    ]
    lines = [f'"SMTPD"\t1\t2\t"{stamp}"\t"198.51.100.7"\t"SENT: 250 OK"'.encode() for stamp in stamps]
    assert runs_backwards(lines)
    assert not runs_backwards(lines[::-1])
    journal = [f'{{"__REALTIME_TIMESTAMP":"{1772427615000000 - n}","MESSAGE":"x"}}'.encode() for n in range(5)]
    assert runs_backwards(journal)
    assert not runs_backwards(journal[::-1])


def test_lines_without_a_time_decide_nothing() -> None:
    noise = [b"", b"\xff\xfe\x00", b"-- Boot --", b"2026-02-30 05:00:00 x", b"x" * 100_000]
    assert not runs_backwards(noise)
    assert runs_backwards([one for pair in zip(LINES[::-1], noise * 3, strict=False) for one in pair])


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_nothing_raises(lines: list[bytes]) -> None:
    assert runs_backwards(lines) in {True, False}


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")), max_size=12),
    st.integers(1, 30),
)
def test_no_line_is_lost(lines: list[bytes], size: int) -> None:
    for end in (b"\n", b"\r\n"):
        whole = b"".join(line + end for line in lines)
        blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert list(backwards(reversed(blocks))) == lines[::-1]
        without_end = whole.removesuffix(end)
        blocks = [without_end[at : at + size] for at in range(0, len(without_end), size)]
        expected = [] if not without_end else lines[::-1] if lines[-1:] != [b""] else lines[-2::-1]
        assert list(backwards(reversed(blocks))) == expected
