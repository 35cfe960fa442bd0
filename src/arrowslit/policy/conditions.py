"""What it takes for one entry to match, beside the client itself: the meaning that look-up and walk share.

Terms: a *state* says what is known of one entry, or of a whole list. While a session may still start TLS (before
MAIL) an entry that needs it is OPEN; where refusals are made at connect, such an entry never counts (decisions 12).
"""

from __future__ import annotations

import datetime
from enum import IntEnum
from typing import Final

from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Facts, Unknown
from arrowslit.policy.parts import Entry


class State(IntEnum):
    """What is known of an entry or a list; among several, the higher one stands."""

    NO = 0
    LACKS_TLS = 1
    """It would match in TLS, and there will be none."""
    NAME_FAILED = 2
    """It depends on the client name, whose look-up failed for now."""
    NEEDS = 3
    """It depends on facts that are not looked up yet."""
    OPEN = 4
    """It may match once TLS is started."""
    MATCH = 5


class View(IntEnum):
    """How far the session has come, as far as TLS goes."""

    BEFORE_TLS = 0
    """Before MAIL: what depends on TLS stays open."""
    FINAL = 1
    """From MAIL on: no TLS now means none."""
    WITHOUT_TLS = 2
    """The grant is judged at connect: entries that depend on TLS never match."""


_NOTHING: Final[frozenset[str]] = frozenset()
NEEDS_DATE: Final = frozenset({"date"})
NEEDS_TLS: Final = frozenset({"tls"})
NEEDS_ADDRESS: Final = frozenset({"client_address"})
NEEDS_NAME: Final = frozenset({"client_name"})
NEEDS_CERTIFICATE: Final = frozenset({"certificate"})

Status = tuple[State, frozenset[str]]
"""A state, and for NEEDS the facts that are missing."""

NO: Final[Status] = (State.NO, _NOTHING)
MATCH: Final[Status] = (State.MATCH, _NOTHING)
OPEN: Final[Status] = (State.OPEN, _NOTHING)
LACKS_TLS: Final[Status] = (State.LACKS_TLS, _NOTHING)
NAME_FAILED: Final[Status] = (State.NAME_FAILED, _NOTHING)


def condition(entry: Entry, facts: Facts, view: View) -> Status:
    """Whether `entry` matches a client that is the one it names: its last day, and its demand for TLS."""
    if entry.expires is not None:
        if not isinstance(facts.date, datetime.date):
            return State.NEEDS, NEEDS_DATE
        if facts.date > entry.expires:
            return NO
    if entry.require_tls:
        return _tls(facts, view)
    return MATCH


def _tls(facts: Facts, view: View) -> Status:
    if view is View.WITHOUT_TLS:
        return NO
    if facts.tls is True:
        return MATCH
    if view is View.BEFORE_TLS:
        return OPEN
    return (State.NEEDS, NEEDS_TLS) if facts.tls is UNKNOWN else LACKS_TLS


def name_condition(entry: Entry, facts: Facts, view: View) -> Status:
    """Whether a domain entry could match a client whose name is not known."""
    status = condition(entry, facts, view)
    if facts.client_name is None or status[0] in {State.NO, State.OPEN}:
        return NO if facts.client_name is None else status
    if facts.client_name is TEMPORARY_FAILURE:
        return NAME_FAILED
    needs = NEEDS_NAME | status[1]
    return State.NEEDS, needs


def certificate_condition(entry: Entry, facts: Facts, view: View) -> Status:
    """Whether a certificate entry could match a client that has shown no certificate so far."""
    status = condition(entry, facts, view)
    if status[0] is State.NO or view is View.WITHOUT_TLS or facts.certificate is TEMPORARY_FAILURE:
        return NO
    if view is View.BEFORE_TLS and facts.tls is not True:
        return OPEN
    if facts.certificate is None or (facts.tls is not True and facts.tls is not UNKNOWN):
        return NO
    return State.NEEDS, status[1] | (NEEDS_TLS if isinstance(facts.tls, Unknown) else NEEDS_CERTIFICATE)


def strongest(statuses: list[Status]) -> Status:
    """What several entries come to: the highest state, and for NEEDS all the facts that are missing."""
    if not statuses:
        return NO
    state = max(state for state, _ in statuses)
    if state is not State.NEEDS:
        return state, _NOTHING
    return state, frozenset().union(*(needs for one, needs in statuses if one is State.NEEDS))
