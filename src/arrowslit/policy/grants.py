"""What a grant says of a client: the list's finding read in the sense of its mode.

Terms: the *rule* is the id of the entry that decided, or of the end of the list. "May relay" is the one grant that
signing in gives too.
"""

from __future__ import annotations

from typing import Final

from arrowslit.policy.access_index import Found, Placed
from arrowslit.policy.compiled import CompiledServer, Grant
from arrowslit.policy.conditions import NEEDS_ADDRESS, State, View
from arrowslit.policy.facts import TEMPORARY_FAILURE, UNKNOWN, Facts, Unknown
from arrowslit.policy.verdict import Outcome, Verdict

END_OF_LIST: Final = "end-of-list"


_END: Final = {outcome: Verdict(outcome) for outcome in Outcome}
SIGNED_IN: Final = Verdict(Outcome.GRANT, signed_in=True)
_NEEDS_ADDRESS: Final = Verdict(Outcome.NEEDS, needs=NEEDS_ADDRESS)
_NEEDS_SIGN_IN: Final = Verdict(Outcome.NEEDS, needs=frozenset({"authenticated_as"}))
_GRANT: Final = Outcome.GRANT
REFUSED: Final = _END[Outcome.REFUSE]
GRANTED: Final = _END[Outcome.GRANT]

_ONLY_LISTED: Final = {
    State.NO: Outcome.REFUSE,
    State.LACKS_TLS: Outcome.LACKS_TLS,
    State.NAME_FAILED: Outcome.NAME_FAILED,
    State.NEEDS: Outcome.NEEDS,
    State.OPEN: Outcome.OPEN,
    State.MATCH: Outcome.GRANT,
}
# No entry that depends on TLS loads in `all_except_listed` (decisions 9), so LACKS_TLS and OPEN can not come up.
_ALL_EXCEPT_LISTED: Final = {
    State.NO: Outcome.GRANT,
    State.LACKS_TLS: Outcome.REFUSE,
    State.NAME_FAILED: Outcome.NAME_FAILED,
    State.NEEDS: Outcome.NEEDS,
    State.OPEN: Outcome.REFUSE,
    State.MATCH: Outcome.REFUSE,
}


def judge(grant: Grant, facts: Facts, view: View) -> Verdict:
    """What `grant` says of the client; a microsecond for any list."""
    if grant.nobody:
        return REFUSED
    if grant.everybody:
        return GRANTED
    found = grant.index.find(facts, view)
    placed = found.placed
    if placed is None or found is not placed.found:
        return read(grant, found)
    # A match of the same entry is the same verdict every time.
    known = grant.matched[placed.position]
    if known is None:
        known = grant.matched[placed.position] = read(grant, found)
    return known


def read(grant: Grant, found: Found) -> Verdict:
    """The finding of a list in the sense of its mode."""
    outcome = (_ONLY_LISTED if grant.only_listed else _ALL_EXCEPT_LISTED)[found.status[0]]
    if outcome is Outcome.NAME_FAILED and grant.permits_when_dns_fails:
        outcome = Outcome.GRANT
    if found.placed is None and not found.status[1]:
        return _END[outcome]
    return Verdict(outcome, found.placed, found.status[1])


def may_relay(server: CompiledServer, facts: Facts, *, own_entry: bool) -> Verdict:
    """Whether the client may relay: by the relay list, or signed in.

    With `own_entry` only an entry of `only_listed` counts, not the end of `all_except_listed` (decisions 5).
    """
    if server.nobody_relays:
        return REFUSED
    found = judge(server.relay, facts, View.FINAL)
    if not server.relay.only_listed:
        found = _for_everybody(found, facts, own_entry=own_entry)
    if found.outcome is _GRANT or not server.signs_in:
        return found
    return _by_sign_in(found, facts)


def _for_everybody(found: Verdict, facts: Facts, *, own_entry: bool) -> Verdict:
    """The end of `all_except_listed` lets relay only somebody of whom at least the address is known."""
    if own_entry:
        return REFUSED
    return _NEEDS_ADDRESS if found.outcome is _GRANT and isinstance(facts.client_address, Unknown) else found


def _by_sign_in(found: Verdict, facts: Facts) -> Verdict:
    who = facts.authenticated_as
    if isinstance(who, str):
        return SIGNED_IN
    if who is UNKNOWN:
        return Verdict(Outcome.NEEDS, needs=found.needs | _NEEDS_SIGN_IN.needs)
    if who is TEMPORARY_FAILURE and found.outcome is Outcome.REFUSE:
        return _END[Outcome.SIGN_IN_FAILED]
    return found


def rule_of(grant: Grant, placed: Placed | None) -> str:
    """The rule id of what decided (decisions 10)."""
    return grant.rule + (END_OF_LIST if placed is None else placed.entry.rule)
