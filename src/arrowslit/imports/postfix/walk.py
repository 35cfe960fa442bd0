"""Goes through the restriction lists of one service, with all clients at once.

Each restriction takes from the clients that are left those that it permits (they are through with this list, not with
the others), refuses (they are out) or refuses for now; at the end of a list whoever is left is through. Which clients
are left is a set of addresses; all else that decides (recipient, sign-in, TLS, client name) is one kind of session at
a time. What can't be evaluated lets everybody pass, and whom it was asked about is remembered (`Reached`): so it can be
told whether it would have mattered. Sources: postconf(5), access(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.asking import NO_NAME, Asked
from arrowslit.imports.imported import Origin
from arrowslit.imports.postfix.domains import Domains
from arrowslit.imports.postfix.lookups import UNKNOWN_NAME, meaning, of_addresses, of_name, of_recipient
from arrowslit.imports.postfix.restrictions import (
    MAY_PERMIT,
    NO_EFFECT,
    OTHERS,
    Restriction,
    known,
    refuses_only,
    restrictions,
)
from arrowslit.imports.postfix.tables import Row, Table
from arrowslit.imports.postfix.text import Setting
from arrowslit.imports.spaces import EMPTY, common
from arrowslit.mail.address_set import AddressSet

_DEEPEST: Final = 20
_PASS_ON: Final = frozenset({"hold", "prepend", "bcc", "filter", "redirect", "discard"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lists refer to. `table` gives the table of a name, `domains` what is handled here."""

    mynetworks: AddressSet
    table: Callable[[str, Origin], Table | None]
    domains: Domains
    classes: Mapping[str, Setting]
    parents: bool = True
    untrusted_routing: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """What was not evaluated: `refuses` and `permits` say what it could have done."""

    origin: Origin
    text: str
    refuses: bool
    permits: bool
    hint: str = ""


@dataclass(slots=True)
class Outcome:
    """What became of the clients that a list was asked about."""

    permitted: AddressSet = EMPTY
    rejected: AddressSet = EMPTY
    deferred: AddressSet = EMPTY
    left: AddressSet = EMPTY
    reached: list[tuple[Unknown, AddressSet]] = field(default_factory=list)

    @property
    def through(self) -> AddressSet:
        """Whoever may go on."""
        return self.permitted.union(self.left)


def walk(found: list[Restriction], asked: Asked, start: AddressSet, around: Surroundings) -> Outcome:
    """One list. A kind of session without a recipient is one whose recipient text is ""."""
    return _Walk(asked, around).through(found, start, 0)


class _Walk:
    def __init__(self, asked: Asked, around: Surroundings) -> None:
        self.asked, self.around = asked, around

    def through(self, found: list[Restriction], start: AddressSet, depth: int) -> Outcome:
        made = Outcome(left=start)
        for one in found:
            if not made.left:
                break
            step = self._step(one, made.left, depth)
            if one.warns:
                step.left = step.left.union(step.rejected, step.deferred)
                step.rejected = step.deferred = EMPTY
            _add(made, step)
        return made

    def _step(self, one: Restriction, left: AddressSet, depth: int) -> Outcome:
        simple = _SIMPLE.get(one.name)
        if simple is not None:
            return simple(self, left)
        if one.name in {"check_client_access", "check_recipient_access"}:
            return self._checked(one, left, depth)
        if one.name in self.around.classes and depth < _DEEPEST:
            return self.through(restrictions(self.around.classes[one.name], ""), left, depth + 1)
        return self._not_evaluated(one, left)

    def _not_evaluated(self, one: Restriction, left: AddressSet) -> Outcome:
        if one.name in NO_EFFECT:
            return Outcome(left=left)
        if one.name in MAY_PERMIT:
            return _unknown(one, left, refuses=False, permits=True)
        if refuses_only(one.name):
            return _unknown(one, left, refuses=True, permits=False)
        if one.name in OTHERS or known(one.name):
            return _unknown(one, left, refuses=True, permits=True)
        return Outcome(deferred=left)  # Postfix answers 451 to all that get here

    def _checked(self, one: Restriction, left: AddressSet, depth: int) -> Outcome:
        table = self.around.table(one.argument, one.origin)
        if table is None:
            return _unknown(one, left, refuses=True, permits=True)
        about_client = one.name == "check_client_access"
        made = Outcome(left=left)
        for row in table.rows:
            if not row.understood:
                made.reached.append((_row_unknown(one, row), left))
        if about_client:
            self._client(table, made, depth)
        elif self.asked.recipient.text:
            self._recipient(table, made, depth)
        return made

    def _recipient(self, table: Table, made: Outcome, depth: int) -> None:
        """No table permits an address that still routes once it is resolved: as if nothing had been found."""
        address = self.around.domains.resolved(self.asked.recipient.text)
        found = of_recipient(table, address, parents=self.around.parents)
        if found is None:
            return
        step = self._action(found, made.left, depth)
        if any(sign in address.rpartition("@")[0] for sign in "%!@"):
            step.left, step.permitted = step.left.union(step.permitted), EMPTY
        _add(made, step)

    def _client(self, table: Table, made: Outcome, depth: int) -> None:
        name = of_name(table, self.asked.name or UNKNOWN_NAME, parents=self.around.parents)
        left, made.left = made.left, EMPTY
        if name is not None:
            _add(made, self._action(name, left, depth), more_left=True)
            return
        for row, addresses in of_addresses(table):
            hit = common(left, addresses)
            if hit:
                left = left.subtract(hit)
                _add(made, self._action(row, hit, depth), more_left=True)
        made.left = made.left.union(left)

    def _action(self, row: Row, hit: AddressSet, depth: int) -> Outcome:
        """The right-hand side of a table."""
        simple = _ACTIONS.get(meaning(row.action))
        if simple is not None:
            return simple(hit)
        word = row.action.split(None, 1)[0].rstrip(",").lower() if row.action.split() else ""
        if word in _PASS_ON:
            says = "what is done with such mail is not part of a policy"
            return Outcome(left=hit, reached=[(Unknown(row.origin, row.action, word == "discard", False, says), hit)])
        if depth >= _DEEPEST:
            return Outcome(deferred=hit)
        return self.through(restrictions(Setting(row.action, row.origin), ""), hit, depth + 1)

    # Restrictions by name.

    def mynetworks(self, left: AddressSet) -> Outcome:
        hit = common(left, self.around.mynetworks)
        return Outcome(permitted=hit, left=left.subtract(hit))

    def signed_in(self, left: AddressSet) -> Outcome:
        return Outcome(permitted=left) if self.asked.signed_in else Outcome(left=left)

    def plaintext(self, left: AddressSet) -> Outcome:
        return Outcome(left=left) if self.asked.tls else Outcome(rejected=left)

    def no_name(self, left: AddressSet) -> Outcome:
        return Outcome(rejected=left) if self.asked.name == NO_NAME else Outcome(left=left)

    def destination(self) -> bool | None:
        """Whether the recipient is one of ours; None where there is no recipient yet."""
        address = self.asked.recipient.text
        local, _, domain = address.rpartition("@")
        if not address:
            return None
        routes = any(sign in local for sign in "%!@") and not self.around.untrusted_routing
        return self.around.domains.accepted(domain) and not routes

    def unauthorised(self, left: AddressSet) -> Outcome:
        return Outcome(rejected=left) if self.destination() is False else Outcome(left=left)

    def unauthorised_now(self, left: AddressSet) -> Outcome:
        return Outcome(deferred=left) if self.destination() is False else Outcome(left=left)

    def authorised(self, left: AddressSet) -> Outcome:
        return Outcome(permitted=left) if self.destination() else Outcome(left=left)


_SIMPLE: Final[dict[str, Callable[[_Walk, AddressSet], Outcome]]] = {
    "permit": lambda _walk, left: Outcome(permitted=left),
    "reject": lambda _walk, left: Outcome(rejected=left),
    "defer": lambda _walk, left: Outcome(deferred=left),
    "defer_if_permit": lambda _walk, left: Outcome(deferred=left),
    "permit_mynetworks": _Walk.mynetworks,
    "permit_sasl_authenticated": _Walk.signed_in,
    "reject_plaintext_session": _Walk.plaintext,
    "reject_unknown_client_hostname": _Walk.no_name,
    "reject_unknown_client": _Walk.no_name,
    "reject_unauth_destination": _Walk.unauthorised,
    "defer_unauth_destination": _Walk.unauthorised_now,
    "permit_auth_destination": _Walk.authorised,
}


_ACTIONS: Final[dict[str, Callable[[AddressSet], Outcome]]] = {
    "ok": lambda hit: Outcome(permitted=hit),
    "reject": lambda hit: Outcome(rejected=hit),
    "defer": lambda hit: Outcome(deferred=hit),
    "dunno": lambda hit: Outcome(left=hit),
}


def _add(made: Outcome, step: Outcome, *, more_left: bool = False) -> None:
    made.permitted = made.permitted.union(step.permitted)
    made.rejected = made.rejected.union(step.rejected)
    made.deferred = made.deferred.union(step.deferred)
    made.left = made.left.union(step.left) if more_left else step.left
    made.reached += step.reached


def _unknown(one: Restriction, left: AddressSet, *, refuses: bool, permits: bool) -> Outcome:
    refuses = refuses and not one.warns
    return Outcome(left=left, reached=[(Unknown(one.origin, one.text, refuses, permits), left)])


def _row_unknown(one: Restriction, row: Row) -> Unknown:
    """A row that is not understood, by what its action could do."""
    action = row.action.lower()
    permits_only = action.startswith("ok") or (action.isascii() and action.isdigit())
    refuses = not permits_only and not one.warns
    permits = not action.startswith(("reject", "4", "5", "defer", "dunno")) or permits_only
    says = "only patterns and prefixes that are whole, begin or end plainly are read"
    return Unknown(row.origin, f"{row.key} {row.action}", refuses, permits, says)
