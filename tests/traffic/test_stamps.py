"""Stamps without a year, without a zone, in hours that come twice or never, and such as no clock ever wrote."""

from __future__ import annotations

import datetime
import time as clock_of_this_test
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.stamps import Clock
from tests.traffic.reading import at

UTC = datetime.UTC
BEGINNING, END = datetime.datetime.fromisoformat("1990-01-01"), datetime.datetime.fromisoformat("2090-01-01")
BERLIN = ZoneInfo("Europe/Berlin")


def _clock(reference: str, zone: datetime.tzinfo = UTC) -> Clock:
    return Clock(at(reference), zone)


@pytest.mark.parametrize(
    ("stamp", "reference", "expected"),
    [
        ("Mar  2 05:00:15", "2026-03-10 00:00:00", "2026-03-02 05:00:15"),
        ("Mar 02 05:00:15", "2026-03-10 00:00:00", "2026-03-02 05:00:15"),
        ("Mar 12 05:00:15", "2026-03-10 00:00:00", "2025-03-12 05:00:15"),
        # A day of grace: a clock that is ahead, a zone that is another.
        ("Mar 10 23:59:59", "2026-03-10 00:00:00", "2026-03-10 23:59:59"),
        ("Mar 11 00:00:00", "2026-03-10 00:00:00", "2026-03-11 00:00:00"),
        ("Mar 11 00:01:00", "2026-03-10 00:00:00", "2025-03-11 00:01:00"),
        # The year changes in the file, or while it is copied.
        ("Dec 31 23:59:59", "2026-01-01 00:00:05", "2025-12-31 23:59:59"),
        ("Jan  1 00:00:04", "2026-01-01 00:00:05", "2026-01-01 00:00:04"),
        ("Jan  1 00:10:00", "2025-12-31 23:50:00", "2026-01-01 00:10:00"),
        ("Dec 31 23:59:60", "2017-01-02 00:00:00", "2017-01-01 00:00:00"),
        # The 29th of February, up to eight years back.
        ("Feb 29 12:00:00", "2024-02-29 13:00:00", "2024-02-29 12:00:00"),
        ("Feb 29 12:00:00", "2026-03-10 00:00:00", "2024-02-29 12:00:00"),
        ("Feb 29 12:00:00", "2024-02-28 00:00:00", "2020-02-29 12:00:00"),
        ("Feb 29 12:00:00", "2024-02-28 12:00:00", "2024-02-29 12:00:00"),
        ("Feb 29 12:00:00", "2104-02-01 00:00:00", "2096-02-29 12:00:00"),
        # Other languages.
        ("Mär  2 05:00:15", "2026-03-10 00:00:00", "2026-03-02 05:00:15"),
        ("mrt  2 05:00:15", "2026-03-10 00:00:00", "2026-03-02 05:00:15"),
        ("Okt  2 05:00:15", "2026-03-10 00:00:00", "2025-10-02 05:00:15"),
        ("Dez  2 05:00:15", "2026-03-10 00:00:00", "2025-12-02 05:00:15"),
        ("ene  2 05:00:15", "2026-03-10 00:00:00", "2026-01-02 05:00:15"),
        ("MAR  2 05:00:15", "2026-03-10 00:00:00", "2026-03-02 05:00:15"),
    ],
)
def test_without_a_year(stamp: str, reference: str, expected: str) -> None:
    assert _clock(reference).syslog(stamp) == at(expected)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("Jan  2 05:00:15", "2026-01-02 04:00:15"),
        ("Jul  2 05:00:15", "2026-07-02 03:00:15"),
        # Summer time begins: 02:30 is in no clock, and is taken for an hour and a half after one o'clock.
        ("Mar 29 01:59:59", "2026-03-29 00:59:59"),
        ("Mar 29 02:30:00", "2026-03-29 01:30:00"),
        ("Mar 29 03:00:00", "2026-03-29 01:00:00"),
        # It ends: 02:30 comes twice, and the first is taken.
        ("Oct 25 01:59:59", "2026-10-24 23:59:59"),
        ("Oct 25 02:30:00", "2026-10-25 00:30:00"),
        ("Oct 25 03:00:00", "2026-10-25 02:00:00"),
        ("Dec 31 23:30:00", "2025-12-31 22:30:00"),
        ("Jan  1 00:30:00", "2025-12-31 23:30:00"),
    ],
)
def test_in_a_zone_with_summer_time(stamp: str, expected: str) -> None:
    clock = _clock("2026-11-10 00:00:00", BERLIN)
    assert clock.syslog(stamp) == at(expected)
    assert clock.syslog(stamp) == at(expected), "what is remembered must be the same"


def test_the_year_is_that_of_the_zone() -> None:
    """It is 2027 in Auckland already."""
    clock = Clock(at("2026-12-31 12:00:00"), ZoneInfo("Pacific/Auckland"))
    assert clock.syslog("Jan  1 00:59:00") == at("2026-12-31 11:59:00")
    assert Clock(at("2026-12-31 12:00:00"), UTC).syslog("Jan  1 00:59:00") == at("2027-01-01 00:59:00")


@pytest.mark.parametrize(
    ("stamp", "expected", "more"),
    [
        ("2026-03-02T05:00:15Z", "2026-03-02 05:00:15", 0.0),
        ("2026-03-02T05:00:15UTC", "2026-03-02 05:00:15", 0.0),
        ("2026-03-02 05:00:15 UTC", "2026-03-02 05:00:15", 0.0),
        ("2026-03-02T05:00:15.2Z", "2026-03-02 05:00:15", 0.2),
        ("2026-03-02T05:00:15,204918333Z", "2026-03-02 05:00:15", 0.204918333),
        ("2026-03-02T05:00:15+01:00", "2026-03-02 04:00:15", 0.0),
        ("2026-03-02T05:00:15+0545", "2026-03-01 23:15:15", 0.0),
        ("2026-03-02T05:00:15 -0330", "2026-03-02 08:30:15", 0.0),
        ("2026-03-02T05:00:15-00:30", "2026-03-02 05:30:15", 0.0),
        ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00", 0.0),
        ("2024-02-29T00:00:00Z", "2024-02-29 00:00:00", 0.0),
        ("9999-12-31T23:59:59Z", "9999-12-31 23:59:59", 0.0),
        # Without a zone: that of the piece.
        ("2026-03-02T05:00:15", "2026-03-02 04:00:15", 0.0),
        ("2026-07-02 05:00:15", "2026-07-02 03:00:15", 0.0),
        ("2026-10-25 02:30:00", "2026-10-25 00:30:00", 0.0),
        ("2026-03-29 02:30:00", "2026-03-29 01:30:00", 0.0),
    ],
)
def test_iso(stamp: str, expected: str, more: float) -> None:
    clock = _clock("2026-11-10 00:00:00", BERLIN)
    for _ in range(2):
        assert clock.iso(stamp) == pytest.approx(at(expected) + more, abs=1e-5)


def test_what_is_remembered_of_a_minute_is_of_its_zone() -> None:
    clock = _clock("2026-11-10 00:00:00", BERLIN)
    stamps = ["2026-03-02T05:00:15", "2026-03-02T05:00:15Z", "2026-03-02T05:00:15+0100", "2026-03-02T05:00:16-01:00"]
    assert [clock.iso(stamp) - at("2026-03-02 05:00:00") for stamp in stamps] == [-3585, 15, -3585, 3616]


def test_utc() -> None:
    clock = _clock("2026-11-10 00:00:00", BERLIN)
    assert clock.utc("2026-07-02 05:00:15") == at("2026-07-02 05:00:15")
    assert clock.utc("2026-07-02T05:00:15+02:00") == at("2026-07-02 03:00:15")
    assert clock.iso("2026-07-02 05:00:15") == at("2026-07-02 03:00:15")
    assert _clock("2026-11-10 00:00:00").utc("2026-07-02 05:00:15") == at("2026-07-02 05:00:15")


def test_parts() -> None:
    clock = _clock("2026-11-10 00:00:00", BERLIN)
    assert clock.parts(2026, 7, 2, 5, 0, 15) == at("2026-07-02 03:00:15")
    assert clock.parts(2026, 12, 31, 23, 59, 60) == at("2026-12-31 23:00:00")
    for parts in ((2026, 2, 29, 5, 0, 15), (2026, 3, 2, 24, 0, 0), (0, 1, 1, 0, 0, 0), (2026, 3, 2, 5, 0, 61)):
        with pytest.raises(ValueError):
            clock.parts(*parts)
    with pytest.raises(ValueError):
        clock.parts(2026, 3, 2, 5, 0, -1)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "Mar",
        "Mar  2 05:00",
        "Mar  2 05:00:",
        "Mar  2 05:00:1",
        "Mar  2 05:00:61",
        "Mar  2 05:00:+1",
        "Mar  2 05:00: 1",
        "Mar  2 05:00:15 ",
        "Mar  2 05:60:15",
        "Mar  2 24:00:15",
        "Mar  0 05:00:15",
        "Feb 30 05:00:15",
        "Mar 2  05:00:15",
        "Mar -2 05:00:15",
        "Mar  ² 05:00:15",
        "Mar  2 05:00:²1",
        "Mar  2 05.00.15",
        "Xyz  2 05:00:15",
        "Mar \u0660\u0662 05:00:15",
        "Mar  2T05:00:15",
        "Mar_ 2 05:00:15",
        "Mar  2 05:00;15",
    ],
)
def test_what_is_no_time_of_syslog(stamp: str) -> None:
    clock = _clock("2026-03-10 00:00:00")
    for _ in range(2):
        with pytest.raises(ValueError):
            clock.syslog(stamp)
    clock.syslog("Mar  2 05:00:15")
    with pytest.raises(ValueError):
        clock.syslog(stamp)


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "2026-03-02",
        "2026-03-02T05:00",
        "2026-03-02T05:00:61Z",
        "2026-02-29T05:00:15Z",
        "0000-01-01T00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T05:00:15.1234567891Z",
        "2026-03-02T05:00:15+24:00",
        "2026-03-02T05:00:15+99",
        "2026-03-02T05:00:15\n",
        "2026-03-02T05:00:15\u00a0Z",
        "\u0662026-03-02T05:00:15Z",
        " 2026-03-02T05:00:15Z",
        "2026-03-02T05:00:15.Z",
        "2026-03-02T05:00:15Z ",
    ],
)
def test_what_is_no_iso_time(stamp: str) -> None:
    clock = _clock("2026-03-10 00:00:00")
    with pytest.raises(ValueError):
        clock.iso(stamp)


@pytest.mark.parametrize("reference", [float("nan"), float("inf"), -float("inf"), -1e18, 1e18, 0.0, -1.0, 2.5e11])
def test_a_file_that_was_written_at_no_time(reference: float) -> None:
    """`ValueError`, or some year; never anything else."""
    for zone in (UTC, BERLIN, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")):
        clock = Clock(reference, zone)
        for stamp in ("Mar  2 05:00:15", "Feb 29 00:00:00", "Jan  1 00:00:00", "Dec 31 23:59:59"):
            try:
                found = clock.syslog(stamp)
            except ValueError:
                continue
            assert found <= 2.6e11


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00"])
def test_the_ends_of_the_calendar(stamp: str) -> None:
    for zone in (UTC, BERLIN, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")):
        try:
            Clock(0.0, zone).iso(stamp)
        except ValueError:
            continue


@given(st.text(max_size=40), st.floats(allow_nan=True))
def test_nothing_but_value_errors(stamp: str, reference: float) -> None:
    clock = Clock(reference, BERLIN)
    for read in (clock.syslog, clock.iso, clock.utc):
        try:
            read(stamp)
        except ValueError:
            continue


@given(st.datetimes(BEGINNING, END), st.integers(0, 363 * 86_400))
def test_every_moment_of_the_last_year_comes_back(written: datetime.datetime, earlier: int) -> None:
    reference = written.replace(microsecond=0, tzinfo=UTC)
    moment = reference - datetime.timedelta(seconds=earlier)
    assert Clock(reference.timestamp(), UTC).syslog(moment.strftime("%b %e %H:%M:%S")) == moment.timestamp()
    assert Clock(0.0, BERLIN).iso(moment.isoformat()) == moment.timestamp()
    assert Clock(0.0, BERLIN).iso(moment.astimezone(BERLIN).isoformat()) == moment.timestamp()


def test_a_stranger_cannot_fill_the_memory() -> None:
    clock = _clock("2026-03-10 00:00:00")
    for minute in range(60):
        for hour in range(24):
            for day in range(1, 29):
                clock.iso(f"2026-02-{day:02}T{hour:02}:{minute:02}:00Z")
    assert len(clock.met) <= 4096


def test_it_is_quick() -> None:
    """A million lines in some seconds: what costs is paid once a minute of the log."""
    clock = _clock("2026-03-10 00:00:00", BERLIN)
    stamps = [f"Mar  2 05:{second // 60:02}:{second % 60:02}" for second in range(3600)] * 10
    begun = clock_of_this_test.process_time()
    for stamp in stamps:
        clock.syslog(stamp)
    assert (clock_of_this_test.process_time() - begun) / len(stamps) < 10e-6
    stamps = [f"2026-03-02T05:{second // 60:02}:{second % 60:02}.204+01:00" for second in range(3600)] * 10
    begun = clock_of_this_test.process_time()
    for stamp in stamps:
        clock.utc(stamp)
    assert (clock_of_this_test.process_time() - begun) / len(stamps) < 15e-6
