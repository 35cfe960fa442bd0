"""What is told of alarms, and when: by the hour, with counts, and that it is over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from arrowslit.documents.alarms import ALARMS, Ends
from arrowslit.gateway import alarms as module
from arrowslit.gateway.alarm_line import AlarmLine
from arrowslit.gateway.alarms import Alarms, Notice
from arrowslit.session.verdicts import FAULTS

SOURCE = Path(module.__file__).parents[1]
HOUR = 3600.0
DOWN = "next-hop-down"


def told(alarms: Alarms, now: float) -> list[tuple[str, str, int, bool]]:
    return [(one.name, one.subject, one.count, one.over) for one in alarms.due(now)]


def test_first_last_count_and_nothing_that_a_screen_takes_for_a_command() -> None:
    alarms = Alarms()
    alarms.ring("next-hop-garbage", "inner is silent", 10.0, "inner")
    alarms.ring("next-hop-garbage", "inner\x1b[2J refuses\r\nBcc: \u202ex", 20.0, "inner")
    assert alarms.as_message() == [
        {
            "name": "next-hop-garbage",
            "subject": "inner",
            "text": "inner?[2J refuses??Bcc: ?x",
            "first": 10.0,
            "last": 20.0,
            "count": 2,
        }
    ]


def test_a_limited_number_is_kept_and_what_is_over_goes_first() -> None:
    alarms = Alarms()
    alarms.ring(DOWN, "early", 1.0, "early")
    alarms.ring(DOWN, "gone", 30.0, "gone")
    alarms.over(DOWN, "gone")
    for number in range(199):
        alarms.ring(DOWN, "x" * 9000, 30.0 + number, f"{number}")
    subjects = [one["subject"] for one in alarms.as_message()]
    assert len(subjects) == 200
    assert (subjects[0], subjects[-1]) == ("198", "early")
    alarms.ring(DOWN, "one more", 300.0, "more")
    assert len(alarms.as_message()) == 200
    assert "early" not in [one["subject"] for one in alarms.as_message()]
    assert {len(one["text"]) for one in alarms.as_message()} == {500, 8}


def test_the_same_is_told_at_once_then_once_an_hour_with_its_count() -> None:
    alarms = Alarms()
    alarms.ring(DOWN, "a", 0.0, "a")
    assert told(alarms, 0.0) == [(DOWN, "a", 1, False)]
    for second in range(1, 60):
        alarms.ring(DOWN, f"a {second}", float(second), "a")
    alarms.ring(DOWN, "b", 60.0, "b")
    assert told(alarms, 60.0) == [(DOWN, "b", 1, False)]
    assert told(alarms, HOUR - 1) == []
    assert alarms.due(HOUR) == [Notice(DOWN, "a", "a 59", 0.0, 59.0, 60)]
    assert told(alarms, 9 * HOUR) == []


def test_it_is_told_once_that_the_cause_is_gone() -> None:
    alarms = Alarms()
    alarms.ring(DOWN, "a", 0.0, "a")
    alarms.ring(DOWN, "b", 0.0, "b")
    alarms.due(0.0)
    alarms.over(DOWN, "a")
    assert told(alarms, 5.0) == [(DOWN, "a", 1, True)]
    assert told(alarms, 6.0) == []
    assert [one["subject"] for one in alarms.as_message()] == ["b"]
    assert alarms.names() == {DOWN}


def test_what_flutters_makes_two_notices_an_hour_and_the_last_word_is_true() -> None:
    alarms = Alarms()
    notices = []
    for minute in range(59):
        alarms.ring(DOWN, "a", minute * 60.0, "a")
        notices += told(alarms, minute * 60.0)
        if minute < 58:
            alarms.over(DOWN, "a")
        notices += told(alarms, minute * 60.0 + 30)
    assert notices == [(DOWN, "a", 1, False), (DOWN, "a", 1, True)]
    assert told(alarms, HOUR) == [(DOWN, "a", 1, False)]


def test_what_came_and_went_between_two_turns_is_not_told() -> None:
    alarms = Alarms()
    alarms.ring("reload-refused", "broken", 0.0)
    alarms.over("reload-refused")
    assert told(alarms, 1.0) == []


def test_what_happens_once_is_forgotten_after_a_day_without_a_word() -> None:
    alarms = Alarms()
    alarms.ring("worker-died", "worker 0", 0.0)
    assert told(alarms, 0.0) == [("worker-died", "", 1, False)]
    assert told(alarms, 86_399.0) == []
    assert alarms.names() == {"worker-died"}
    assert told(alarms, 86_401.0) == []
    assert alarms.names() == set()


def test_what_is_raised_all_the_time_is_over_when_it_is_no_more() -> None:
    alarms = Alarms()
    for second in range(100):
        alarms.ring("log-mail", "disk full", float(second))
    assert told(alarms, 99.0) == [("log-mail", "", 100, False)]
    assert told(alarms, 218.0) == []
    assert told(alarms, 220.0) == [("log-mail", "", 100, True)]


def test_an_alarm_about_sending_is_shown_and_never_told() -> None:
    alarms = Alarms()
    alarms.ring("alarm-not-sent", "webhook: no answer", 0.0, "webhook")
    assert told(alarms, 0.0) == []
    assert alarms.names() == {"alarm-not-sent"}
    alarms.over("alarm-not-sent", "webhook")
    assert told(alarms, 1.0) == []


def test_over_everywhere_but_there() -> None:
    alarms = Alarms()
    for subject in ("listeners", "next hop a", "next hop b"):
        alarms.ring("certificate-ends", "soon", 0.0, subject)
    alarms.due(0.0)
    alarms.over_except("certificate-ends", {"next hop a"}, quietly={"next hop b"})
    assert [one["subject"] for one in alarms.as_message()] == ["next hop a"]
    assert told(alarms, 1.0) == [("certificate-ends", "listeners", 1, True)]


def _raised() -> Iterator[str]:
    """Every name that the source raises as a literal."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                if name in {"alarm", "_alarm", "_on_alarm", "_ring", "ring"} and isinstance(node.args[0].value, str):
                    yield node.args[0].value


def test_every_alarm_that_is_raised_is_in_the_catalogue_and_the_other_way_round() -> None:
    raised = set(_raised())
    assert len(raised) > 15
    by_outcome = {reason for _reply, reason, alarm in FAULTS.values() if alarm} | {"spool-full", "intents-full"}
    logs = {"log-decisions", "log-journal", "log-mail"}
    certificates = {"certificate-ends", "certificate-expired", "certificate-not-yet-valid", "certificate-unreadable"}
    assert raised | by_outcome | logs | certificates | {"alarm-not-sent"} == set(ALARMS)


def test_every_alarm_has_a_sentence() -> None:
    assert all(kind.doc.endswith(".") for kind in ALARMS.values())
    assert {kind.ends for kind in ALARMS.values()} == set(Ends)


def test_a_worker_sends_the_first_at_once_and_the_rest_of_the_second_as_one() -> None:
    sent: list[tuple[object, ...]] = []
    line = AlarmLine(lambda message: sent.append(tuple(message.values())))
    for number in range(1000):
        line.ring("next-hop-garbage", f"text {number}", "inner")
    line.ring("worker-fault", "other")
    assert sent == [("alarm", "next-hop-garbage", "text 0", "inner", 1), ("alarm", "worker-fault", "other", "", 1)]
    sent.clear()
    line.turn()
    assert sent == [("alarm", "next-hop-garbage", "text 999", "inner", 999)]
    line.turn()
    line.ring("next-hop-garbage", "again", "inner")
    assert sent[1:] == [("alarm", "next-hop-garbage", "again", "inner", 1)]


def test_a_worker_sends_what_came_before_the_end_before_the_end() -> None:
    sent: list[tuple[object, ...]] = []
    line = AlarmLine(lambda message: sent.append(tuple(message.values())))
    line.ring(DOWN, "first", "a")
    line.ring(DOWN, "second", "a")
    line.over(DOWN, "a")
    line.ring(DOWN, "third", "a")
    line.turn()
    assert sent == [
        ("alarm", DOWN, "first", "a", 1),
        ("alarm", DOWN, "second", "a", 1),
        ("over", DOWN, "a"),
        ("alarm", DOWN, "third", "a", 1),
    ]


def test_a_worker_keeps_a_limited_number() -> None:
    sent: list[object] = []
    line = AlarmLine(sent.append)
    for number in range(500):
        line.ring(DOWN, "x", f"{number}")
    assert len(sent) == 200


def test_counts_of_workers_are_added() -> None:
    alarms = Alarms()
    alarms.ring(DOWN, "a", 0.0, "a")
    alarms.ring(DOWN, "a", 1.0, "a", 999)
    assert alarms.as_message()[0]["count"] == 1000
