"""Makes cases for a rehearsal out of stored decision records, newest days first, for as long as there is time.

What a record leaves out was not looked at then: a client name is a fact that is not known, not one that is absent.
Own addresses and recipient lists are taken as they were: they are no matter of the policy's text.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.mail.mailbox_text import parse_forward_path, parse_reverse_path
from arrowslit.policy.facts import UNKNOWN, Certificate, Facts
from arrowslit.policy.model import Policy
from arrowslit.policy.rehearsal import Case, Rehearsal, Rehearsing
from arrowslit.store.decisions import Decisions

DAY: Final = 86_400.0
DAYS: Final = 30
_KINDS: Final = frozenset({"decision", "delivery"})


def rehearse(
    decisions: Decisions,
    policy: Policy,
    date: datetime.date,
    *,
    days: int = DAYS,
    seconds: float = 20.0,
    now: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Rehearsal, bool]:
    """Hold the last `days` against `policy`, as of `date`; whether all of them could be looked at within `seconds`.

    Raises StoreError.
    """
    end = clock() + seconds
    until = time.time() if now is None else now
    rehearsing = Rehearsing(policy)
    for day in range(days):
        for record in decisions.scan(until - (day + 1) * DAY, until - day * DAY):
            case = case_of(record, date)
            if case is not None:
                rehearsing.take((case,))
            if clock() > end:
                return rehearsing.result, False
    return rehearsing.result, True


def case_of(record: Mapping[str, Any], date: datetime.date) -> Case | None:
    """The case that a record is; None for one that says nothing of a policy, or can't be read."""
    if record.get("kind") not in _KINDS or ("would_be" in record and record["kind"] == "decision"):
        return None  # what observe let pass comes again as a delivery
    try:
        facts = _facts(record, date)
        permitted = record["kind"] == "delivery" or record["action"] == "permit"
        return Case(
            facts, permitted, int(record.get("count", 1)), float(record["time"]), str(record.get("forward_path", ""))
        )
    except (KeyError, ValueError, TypeError):
        return None


def _facts(record: Mapping[str, Any], date: datetime.date) -> Facts:
    def known(name: str) -> Any:
        return record.get(name, UNKNOWN)

    fingerprint = record.get("certificate")
    reverse_path, forward_path = record.get("reverse_path"), record.get("forward_path")
    return Facts(
        virtual_server=str(record["virtual_server"]),
        client_address=parse_address(str(record["client_address"])),
        date=date,
        reverse_name=known("reverse_name"),
        client_name=known("client_name"),
        helo_name=record.get("helo_name"),
        tls="tls" in record,
        certificate=None if fingerprint is None else Certificate(str(fingerprint)),
        authenticated_as=record.get("authenticated_as"),
        reverse_path=UNKNOWN if reverse_path is None else parse_reverse_path(str(reverse_path)),
        forward_path=UNKNOWN if forward_path is None else parse_forward_path(str(forward_path)),
    )


def days_looked_at(rehearsal: Rehearsal, now: float) -> float:
    """How many days back the oldest record lies."""
    return 0.0 if rehearsal.since is None else max(now - rehearsal.since, 0.0) / DAY
