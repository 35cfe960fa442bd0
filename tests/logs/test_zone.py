"""The zone of this machine knows summer and winter."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path

import pytest

from arrowslit.cli.log_options import until_of, zone_of
from arrowslit.logs.zone import local_zone

HOUR = datetime.timedelta(hours=1)


def offsets(zone: datetime.tzinfo) -> tuple[datetime.timedelta | None, datetime.timedelta | None]:
    return zone.utcoffset(datetime.datetime(2026, 1, 2)), zone.utcoffset(datetime.datetime(2026, 7, 2))  # noqa: DTZ001  asked as datetime asks


@pytest.mark.parametrize("name", ["Europe/Berlin", ":Europe/Berlin", "posix/Europe/Berlin"])
def test_the_zone_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TZ", name)
    zone = local_zone()
    assert offsets(zone) == (HOUR, 2 * HOUR)
    assert pickle.loads(pickle.dumps(zone)) == zone
    assert offsets(zone_of(None)) == (HOUR, 2 * HOUR)


def test_the_zone_that_the_machine_links_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ", raising=False)
    there = tmp_path / "share" / "zoneinfo" / "America" / "New_York"
    there.parent.mkdir(parents=True)
    there.write_text("")
    (tmp_path / "localtime").symlink_to(there)
    assert offsets(local_zone(tmp_path / "localtime")) == (-5 * HOUR, -4 * HOUR)


@pytest.mark.parametrize("name", ["CET-1CEST", "Nowhere/At_all", "../../etc/passwd", ""])
def test_where_no_zone_is_named_it_is_todays_offset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("TZ", name)
    zone = local_zone(tmp_path / "gone")
    assert offsets(zone)[0] == offsets(zone)[1]


def test_the_end_of_a_day_is_that_of_its_zone() -> None:
    berlin = zone_of("Europe/Berlin")
    for day, hour in (("2026-03-28", 22), ("2026-03-29", 21), ("2026-10-25", 22)):
        moment = until_of(day, berlin)
        assert moment is not None
        found = datetime.datetime.fromtimestamp(moment, datetime.UTC)
        assert (found.date().isoformat(), found.hour, found.minute) == (day, hour, 59)
