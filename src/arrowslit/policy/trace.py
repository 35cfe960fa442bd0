"""How a decision came about, rule by rule: the lists walked entry by entry, in words.

Worked out only when somebody reads it. Every entry is looked at by itself and put together by the same meaning that
the look-up uses (`policy.conditions`); a property test holds walk and look-up together. Never decides anything.
"""

from __future__ import annotations

from arrowslit.mail.domain import name_matches
from arrowslit.mail.mailbox import Mailbox, Postmaster
from arrowslit.policy.access_index import Found, Placed, entry_addresses
from arrowslit.policy.compiled import CompiledServer, Grant
from arrowslit.policy.conditions import (
    NEEDS_ADDRESS,
    NO,
    State,
    Status,
    View,
    certificate_condition,
    condition,
    name_condition,
    strongest,
)
from arrowslit.policy.decision import Look, Stage
from arrowslit.policy.facts import Certificate, Facts, Unknown
from arrowslit.policy.grants import END_OF_LIST
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Entry

_LOOKS = 1000
"""A trace names at most so many entries a list; the ones that say more than "no" come through in any case."""


def trace(policy: Policy, stage: Stage, facts: Facts) -> tuple[Look, ...]:
    """The rules that count at `stage`, in the order in which they are looked at."""
    server = policy.compiled.servers[facts.virtual_server]
    at_connect = View.WITHOUT_TLS if server.at_connect else View.BEFORE_TLS
    early = server.at_connect or stage < Stage.MAIL
    looks = list(_looks(policy, server.connection, facts, at_connect if early else View.FINAL, ""))
    if stage is not Stage.RECIPIENT or server.settings.forward is not None:
        return tuple(looks)
    looks += _settings(server, facts)
    looks += _recipient_looks(policy, server, facts)
    return tuple(looks)


def _recipient_looks(policy: Policy, server: CompiledServer, facts: Facts) -> list[Look]:
    path = facts.forward_path
    if not isinstance(path, Mailbox | Postmaster):
        return []
    accepted = policy.compiled.accepted_for(server, path)
    if accepted is None:
        return [*_relay_looks(policy, server, facts)]
    looks = [Look(f"accepted_domains/{accepted.name}", f"accepted domain {accepted.name}", True)]
    own = policy.compiled.deliveries.get(accepted.name)
    if own is not None:
        looks += _looks(policy, own, facts, View.FINAL, f"{server.name}/")
    elif not server.delivers_by_default:
        looks += _looks(policy, server.delivery, facts, View.FINAL, "")
    return looks


def _relay_looks(policy: Policy, server: CompiledServer, facts: Facts) -> list[Look]:
    looks = list(_looks(policy, server.relay, facts, View.FINAL, ""))
    if server.signs_in:
        who = facts.authenticated_as
        known = None if isinstance(who, Unknown) else who is not None
        looks.append(Look(f"{server.name}/relay_restrictions/allow_authenticated", "whoever signs in", known))
    return looks


def _settings(server: CompiledServer, facts: Facts) -> list[Look]:
    looks: list[Look] = []
    if server.settings.require_tls:
        known = None if isinstance(facts.tls, Unknown) else facts.tls
        looks.append(Look(f"{server.name}/require_tls", "TLS is demanded of everybody", known))
    authentication = server.settings.authentication
    if authentication is not None and authentication.required:
        who = facts.authenticated_as
        known = None if isinstance(who, Unknown) else who is not None
        looks.append(Look(f"{server.name}/authentication/required", "signing in is demanded of everybody", known))
    return looks


def _looks(policy: Policy, grant: Grant, facts: Facts, view: View, prefix: str) -> list[Look]:
    looks: list[Look] = []
    for position, (entry, status) in enumerate(statuses(policy, grant, facts, view)):
        if position < _LOOKS or status[0] is not State.NO:
            looks.append(_look(grant, entry, status, facts, prefix))
        if status[0] is State.MATCH:
            return looks
    mode = grant.access.mode
    looks.append(Look(f"{prefix}{grant.rule}{END_OF_LIST}", f"{mode}, end of list", True))
    return looks


def _look(grant: Grant, entry: Entry, status: Status, facts: Facts, prefix: str) -> Look:
    state, needs = status
    matched = {State.MATCH: True, State.NO: False, State.LACKS_TLS: False}.get(state)
    text = f"{entry.kind} {entry.value}" + (f' "{entry.note}"' if entry.note else "")
    return Look(f"{prefix}{grant.rule}{entry.rule}", text, matched, _note(entry, state, needs, facts))


def _note(entry: Entry, state: State, needs: frozenset[str], facts: Facts) -> str:
    if state is State.NEEDS:
        return "not known: " + ", ".join(sorted(needs))
    if state is State.NAME_FAILED:
        return "client name: look-up failed for now"
    if state in {State.OPEN, State.LACKS_TLS}:
        return "needs TLS"
    expired = entry.expires is not None and not isinstance(facts.date, Unknown) and facts.date > entry.expires
    return f"expired {entry.expires}" if expired else ""


def statuses(policy: Policy, grant: Grant, facts: Facts, view: View) -> list[tuple[Entry, Status]]:
    """Every entry of the list that counts with its own status, in the order of looking."""
    ordered = sorted(enumerate(grant.access.entries), key=lambda pair: (_order(pair[1]), pair[0]))
    return [(entry, entry_status(policy, entry, facts, view)) for _, entry in ordered]


def _order(entry: Entry) -> int:
    return {"certificate": 1, "domain": 2}.get(entry.kind, 0)


def entry_status(policy: Policy, entry: Entry, facts: Facts, view: View) -> Status:
    """What one entry says of the client, looked at by itself."""
    if entry.kind == "domain":
        return _by_name(entry, facts, view)
    if entry.kind == "certificate":
        return _by_certificate(entry, facts, view)
    address = facts.client_address
    if isinstance(address, Unknown):
        return State.NEEDS, NEEDS_ADDRESS
    if not entry_addresses(entry, policy.networks).contains(address):
        return NO
    return condition(entry, facts, view)


def _by_name(entry: Entry, facts: Facts, view: View) -> Status:
    name = facts.client_name
    if not isinstance(name, str):
        return name_condition(entry, facts, view)
    return condition(entry, facts, view) if name_matches(name, entry.value) else NO


def _by_certificate(entry: Entry, facts: Facts, view: View) -> Status:
    shown = facts.certificate
    if not isinstance(shown, Certificate) or view is View.WITHOUT_TLS:
        return certificate_condition(entry, facts, view)
    matches = shown.fingerprint == entry.value or any(name_matches(name, entry.value) for name in shown.names)
    return condition(entry, facts, view) if matches else NO


def walk(policy: Policy, grant: Grant, facts: Facts, view: View) -> Found:
    """What the whole list says, worked out entry by entry: what `AccessIndex.find` must agree with."""
    found = statuses(policy, grant, facts, view)
    positions = {id(entry): at for at, entry in enumerate(grant.access.entries)}
    for entry, status in found:
        if status[0] is State.MATCH:
            return Found(status, Placed(positions[id(entry)], entry, plain=False))
    whole = strongest([status for _, status in found])
    if whole[0] not in {State.OPEN, State.LACKS_TLS}:
        return Found(whole)
    for entry, status in found:
        if status[0] is whole[0] and not _nothing_shown(entry, facts):
            return Found(whole, Placed(positions[id(entry)], entry, plain=False))
    return Found(whole)


def _nothing_shown(entry: Entry, facts: Facts) -> bool:
    """True where the entry is open only because the client has not shown what it names."""
    if entry.kind == "domain":
        return not isinstance(facts.client_name, str)
    return entry.kind == "certificate" and not isinstance(facts.certificate, Certificate)
