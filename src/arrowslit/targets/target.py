"""What a target is, and the one way from a policy to its text.

Terms: the *place* is what a policy does not say about an enforcement point: its ports, the interface that strangers
come in by, the mail server's addresses as seen there. The *body* is what a target writes; `compiled` puts a head over
it (revision, entries that are not in it, gaps, how to apply, check and undo it) as comments of its language.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.policy.model import Policy
from arrowslit.targets.gaps import Gap, Grant, Term, gaps_of, said_in, waiver_of
from arrowslit.targets.nobody import if_nobody
from arrowslit.targets.observed import NOTHING
from arrowslit.targets.rules import Rules, rules_of
from arrowslit.targets.text import Comment, remark

CONNECT: Final = frozenset({Grant.CONNECT})
ALL: Final = frozenset({Grant.CONNECT, Grant.DELIVER, Grant.RELAY})
MAIL_PORT: Final = 25


@dataclass(frozen=True, slots=True)
class Place:
    """One enforcement point. `server` are the mail server's addresses, at most one of each family.

    For a target without a scope, which sets up the server behind the gateway, they are the gateway's, any number.
    """

    name: str = ""
    ports: tuple[int, ...] = (MAIL_PORT,)
    interface: str = ""
    server: tuple[IPAddress, ...] = ()


class PlaceError(ValueError):
    """The place lacks something that the target needs; the text says what, and with which option it is given."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a target writes. `apply`, `check` and `undo` are commands or steps, a line each; FILE is the text's file."""

    text: str
    apply: tuple[str, ...]
    check: tuple[str, ...]
    undo: tuple[str, ...]
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A language that policy is compiled to. `suffix` is that of its files.

    `scope` is what it decides. It is empty for what only has to be set up beside a policy, whoever may do what.
    """

    name: str
    title: str
    scope: frozenset[Grant]
    terms: frozenset[Term]
    comment: Comment
    suffix: str
    write: Callable[[Rules, Place], Body]
    more_gaps: frozenset[str] = frozenset()
    """Names of the gaps that `write` may find."""

    @property
    def gaps(self) -> frozenset[str]:
        """The names of all gaps that a policy can have here."""
        return frozenset(term.value for term in said_in(self.scope) - self.terms) | self.more_gaps


@dataclass(frozen=True, slots=True)
class Compiled:
    """The whole text, and what has to be said about it. `gaps` are not waived: with any, nobody should use the text."""

    target: str
    text: str
    suffix: str
    body: Body
    gaps: tuple[Gap, ...] = ()
    waived: tuple[tuple[Gap, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """What is compiled: `named` says which policy it is ("revision 41"), for the head of the text."""

    policy: Policy
    named: str
    server: str = "default"
    date: datetime.date = field(default=datetime.date.min)


def compiled(target: Target, origin: Origin, place: Place) -> Compiled:
    """The text for one place. Raises KeyError for an unknown virtual server, PlaceError for what the place lacks."""
    rules = replace(rules_of(origin.policy, origin.server, origin.date), named=origin.named)
    body = target.write(rules, place)
    gaps = (*gaps_of(rules, target.scope, target.terms), *body.gaps)
    waivers = [(gap, waiver_of(origin.policy, gap, target.name, place.name)) for gap in gaps]
    waived = tuple((gap, waiver.because) for gap, waiver in waivers if waiver is not None)
    left = tuple(gap for gap, waiver in waivers if waiver is None)
    notes = (*_notes(rules, target), *body.notes)
    head = _head(target, origin, body, notes, waived)
    text = target.comment.opening + target.comment.block(head) + body.text
    return Compiled(target.name, text, target.suffix, body, left, waived, notes)


def _notes(rules: Rules, target: Target) -> list[str]:
    notes: list[str] = []
    if not target.scope:
        return notes
    if rules.observes:
        notes.append(_observing(target))
    if rules.valid_until is not None:
        notes.append(f"an entry expires on {rules.valid_until}: compile this again on the day after")
    if rules.follows:
        notes.append(
            f"the addresses of {', '.join(rules.follows)} change by themselves: this text does not follow them"
        )
    return [*notes, *if_nobody(rules, target.name, target.terms)]


def _observing(target: Target) -> str:
    counts = Term.OBSERVE in target.terms
    if Grant.RELAY in target.scope:
        said = 'mode is "observe": connecting and delivering are not refused; relaying is, as in every mode'
        return said if counts else f"{said}; nobody is counted"
    return 'mode is "observe": this only counts, and refuses nobody' if counts else NOTHING


def _head(
    target: Target,
    origin: Origin,
    body: Body,
    notes: tuple[str, ...],
    waived: tuple[tuple[Gap, str], ...],
) -> list[str]:
    lines = [f"Arrowslit: {origin.named}, virtual server {origin.server}, for {target.title}"]
    for word, steps in (("apply", body.apply), ("check", body.check), ("undo", body.undo)):
        lines += [f"{word + ':':<7}{step}" if not number else f"       {step}" for number, step in enumerate(steps)]
    for gap, because in waived:
        lines.append(f"gap:   {gap.name}: {gap.message} Waived: {because}")
        lines += [f"       {rule}" for rule in gap.rules]
    lines += [f"note:  {note}" for note in notes]
    return [remark(line) for line in lines]
