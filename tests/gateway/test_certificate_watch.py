"""What becomes of a certificate's term: alarms by the day, the gauge, and that an alarm ends with a new certificate."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from arrowslit.documents.certificates import DAY, CertificateUse, Term
from arrowslit.gateway.alarms import Alarms
from arrowslit.gateway.certificate_watch import CertificateWatch
from arrowslit.observe.metrics import Metrics
from tests.peers.certs import Authority

LISTENERS = CertificateUse("listeners", Path("a.pem"))
HOP = CertificateUse("next hop inner", Path("b.pem"))
NOW = 100 * DAY
GAUGE = "arrowslit_certificate_expires_timestamp_seconds"


def watch(uses: tuple[CertificateUse, ...] = ()) -> tuple[CertificateWatch, Alarms, Metrics]:
    alarms, metrics = Alarms(), Metrics()
    return CertificateWatch(lambda: uses, alarms, metrics), alarms, metrics


def shown(alarms: Alarms) -> set[tuple[str, str]]:
    return {(one["name"], one["subject"]) for one in alarms.as_message()}


def test_a_week_before_the_end_it_is_an_alarm_and_then_another_one() -> None:
    watching, alarms, _ = watch()
    term = Term(LISTENERS, 0.0, NOW)
    for days, wanted in ((22, set()), (8, set()), (6, {"certificate-ends"}), (-1, {"certificate-expired"})):
        watching.judge([term], NOW - days * DAY)
        assert {name for name, _ in shown(alarms)} == wanted, days
    watching.judge([Term(LISTENERS, 0.0, NOW + 90 * DAY)], NOW + DAY)
    assert shown(alarms) == set()


def test_each_certificate_has_an_alarm_and_a_gauge_of_its_own() -> None:
    watching, alarms, metrics = watch()
    watching.judge([Term(LISTENERS, 0.0, NOW - 1), Term(HOP, NOW + 1, NOW + 90 * DAY)], NOW)
    assert shown(alarms) == {("certificate-expired", "listeners"), ("certificate-not-yet-valid", "next hop inner")}
    assert metrics.snapshot()["values"][GAUGE] == [["listeners", NOW - 1], ["next hop inner", NOW + 90 * DAY]]
    watching.judge([Term(HOP, problem="gone")], NOW)
    assert shown(alarms) == {("certificate-unreadable", "next hop inner")}
    assert GAUGE not in metrics.snapshot()["values"]


def test_once_a_day_and_when_files_were_taken_up() -> None:
    watching, _, _ = watch()
    assert [watching.due(at) for at in (5.0, 6.0, 5.0 + DAY - 1, 5.0 + DAY, 6.0 + DAY)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    watching.again()
    assert watching.due(7.0 + DAY)


def test_the_daily_look_keeps_the_alarm_open_and_tells_each_day() -> None:
    watching, alarms, _ = watch()
    for day in range(-3, 3):
        at = NOW + day * (DAY + 5) + 1
        watching.judge([Term(LISTENERS, 0.0, NOW)], at)
        name = "certificate-ends" if day < 0 else "certificate-expired"
        assert [(one.name, one.over) for one in alarms.due(at)] == [(name, False)]
        assert alarms.due(at + DAY) == []
    assert shown(alarms) == {("certificate-expired", "listeners")}


def test_files_are_read(tmp_path: Path) -> None:
    made = Authority(tmp_path).issue("a.test", days=(-2, 3))
    watching, alarms, _ = watch((CertificateUse("listeners", made.certificate_file),))
    asyncio.run(watching.look(time.time()))
    (message,) = watching.as_message(time.time())
    assert (message["purpose"], message["file"], message["wrong"]) == (
        "listeners",
        str(made.certificate_file),
        "certificate-ends",
    )
    assert abs(message["ends"] - time.time() - 3 * DAY) < 600
    assert shown(alarms) == {("certificate-ends", "listeners")}
