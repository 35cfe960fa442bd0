"""What the process beside tells the parent."""

from __future__ import annotations

from typing import Any

from arrowslit.store.values import Head, Pending
from arrowslit.upkeep.channel import Channel


def test_that_all_is_well_is_said_once_also_where_somebody_else_raised_the_alarm() -> None:
    sent: list[dict[str, Any]] = []
    channel = Channel(sent.append)
    channel.over("store-away")  # a process before this one may have raised it
    channel.over("store-away")
    channel.alarm("store-away", "gone")
    channel.over("store-away")
    channel.over("store-away")
    assert [one["is"] for one in sent] == ["over", "alarm", "over"]


def test_how_much_time_is_left() -> None:
    sent: list[dict[str, Any]] = []
    channel = Channel(sent.append)
    head = Head(42, 3, 1000.0, Pending(600.0, 1000.0, 41, "ann", ""), 7)
    channel.active(head, None)
    channel.active(head, 1100.0)
    channel.active(head, 900.0)
    channel.active(Head(42, 3, 1000.0, None, 8), None)
    assert [one["pending"] and one["pending"]["left"] for one in sent] == [600.0, 500.0, 600.0, None]
