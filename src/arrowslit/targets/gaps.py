"""Gaps: what a target can't express, by name. An error unless a waiver of the policy names target and gap.

Terms: a *term* is something that a policy may say; each target declares which ones it can express within its scope.
What lies outside its scope (a firewall knows nothing of relaying) is left to others and is no gap (decisions 24). A
gap *widens* where somebody gets further than the policy lets him; else somebody is kept out whom the policy lets in,
or is told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from arrowslit.policy.model import Policy
from arrowslit.policy.parts import DEFER, OBSERVE, Waiver
from arrowslit.targets.rules import Access, Rules


class Grant(Enum):
    """What a target can decide; the value is how the policy calls it."""

    CONNECT = "connection_control"
    DELIVER = "delivery"
    RELAY = "relay_restrictions"


class Term(Enum):
    """What a policy may say. The value is the name of the gap of whoever can't say it."""

    CERTIFICATE = "certificate-entry"
    DOMAIN = "domain-entry"
    ADDRESS = "address-entry"
    IPV6 = "ipv6-entry"
    REQUIRE_TLS = "require-tls"
    EXCEPTIONS = "recipient-exceptions"
    DELIVERY = "delivery-list"
    DELIVERY_TO = "delivery-per-domain"
    RELAY_MODE = "relay-all-except-listed"
    SIGN_IN = "sign-in-required"
    NO_SIGN_IN = "sign-in-may-not-relay"
    OBSERVE = "observe-mode"
    DEFER = "defer-mode"
    MESSAGE_BYTES = "message-bytes"
    RECIPIENTS = "recipients-a-message"
    OWN_ADDRESSES = "sender-addresses"
    OWN_DOMAINS = "own-domains-from-outside"
    SIZE = "too-many-ranges"


GAPS: Final[dict[str, str]] = {
    Term.CERTIFICATE.value: "The target knows no certificates: whom only such an entry lists is kept out.",
    Term.DOMAIN.value: "The target does not confirm reverse names: an entry by domain name does not count there.",
    Term.ADDRESS.value: "The target knows certificates only: whom only an entry by address lists is kept out.",
    Term.IPV6.value: "The target takes IPv4 addresses only: IPv6 clients that are listed are kept out.",
    Term.REQUIRE_TLS.value: "The target can't make TLS a condition of an entry: the client gets in without it.",
    Term.EXCEPTIONS.value: "The target refuses before it knows the recipient, so recipient_exceptions do not count.",
    Term.DELIVERY.value: "The target has no list of who may deliver: whoever may connect may deliver.",
    Term.DELIVERY_TO.value: "The target has no list of who may deliver to a single domain.",
    Term.RELAY_MODE.value: "The target can't let everybody relay who is not listed: it lets nobody relay by address.",
    Term.SIGN_IN.value: "The target can't make everybody sign in.",
    Term.NO_SIGN_IN.value: "The target lets whoever signs in relay, and the policy does not.",
    Term.OBSERVE.value: "The target can't count who would be refused: in observe mode it changes nothing for whoever "
    "connects or delivers, and refuses nobody.",
    Term.DEFER.value: "The target can't refuse for now (4yz): it refuses for good.",
    Term.MESSAGE_BYTES.value: "The target can't hold the clients of this port alone to a largest message.",
    Term.RECIPIENTS.value: "The target can't hold the clients of this port alone to so many recipients a message.",
    Term.OWN_ADDRESSES.value: "The target can't compare a sender's address with the account that signed in.",
    Term.OWN_DOMAINS.value: "The target lets strangers write as one of the accepted domains.",
    Term.SIZE.value: "There are more ranges than the target takes.",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap: what it means here, and the rules that it concerns."""

    name: str
    message: str
    rules: tuple[str, ...] = ()
    widens: bool = False


_OF_CONNECTING: Final = frozenset({Term.CERTIFICATE, Term.DOMAIN, Term.IPV6, Term.EXCEPTIONS, Term.OBSERVE})
_OF_RELAYING: Final = frozenset({Term.RELAY_MODE, Term.NO_SIGN_IN})
_OF_MESSAGES: Final = frozenset({Term.MESSAGE_BYTES, Term.RECIPIENTS, Term.OWN_ADDRESSES, Term.OWN_DOMAINS})
_OF_DELIVERING: Final = frozenset({Term.DELIVERY, Term.DELIVERY_TO})


def said_in(scope: frozenset[Grant]) -> frozenset[Term]:
    """The terms that concern a target of this scope, sizes apart; none where it decides nothing."""
    if not scope:
        return frozenset()
    if scope == {Grant.CONNECT}:
        return _OF_CONNECTING
    found = _OF_CONNECTING | _OF_MESSAGES | {Term.DEFER, Term.REQUIRE_TLS, Term.SIGN_IN}
    found |= _OF_RELAYING if Grant.RELAY in scope else frozenset()
    return found | (_OF_DELIVERING if Grant.DELIVER in scope else frozenset())


def gaps_of(rules: Rules, scope: frozenset[Grant], terms: frozenset[Term]) -> Iterator[Gap]:
    """What these rules say and a target of this scope and these terms can't."""
    for term, found in _said(rules, scope):
        if term not in terms and found:
            yield found


def _said(rules: Rules, scope: frozenset[Grant]) -> Iterator[tuple[Term, Gap | None]]:
    if not scope:
        return
    lists = list(_lists(rules, scope))
    yield Term.CERTIFICATE, _entries(lists, "certificate", Term.CERTIFICATE)
    yield Term.DOMAIN, _entries(lists, "domain", Term.DOMAIN)
    yield Term.IPV6, _ipv6(lists)
    yield Term.EXCEPTIONS, _when(rules.server.recipient_exceptions, Term.EXCEPTIONS)
    yield Term.OBSERVE, _when(rules.server.mode == OBSERVE, Term.OBSERVE)
    if scope == {Grant.CONNECT}:
        return  # TLS comes later; a sender tries a closed port again, as it does after 4yz
    yield Term.DEFER, _when(rules.server.mode == DEFER, Term.DEFER)
    yield Term.REQUIRE_TLS, _tls(lists)
    signs_in = rules.server.authentication
    yield Term.SIGN_IN, _when(signs_in is not None and signs_in.required, Term.SIGN_IN, widens=True)
    yield from _of_messages(rules)
    if Grant.RELAY in scope:
        yield Term.RELAY_MODE, _when(not rules.relay.only_listed, Term.RELAY_MODE)
        may = rules.server.relay_restrictions.allow_authenticated
        yield Term.NO_SIGN_IN, _when(signs_in is not None and not may, Term.NO_SIGN_IN, widens=True)
    if Grant.DELIVER in scope:
        yield Term.DELIVERY, _when(not rules.deliver.everybody, Term.DELIVERY, widens=True)
        yield Term.DELIVERY_TO, _when(rules.deliver_to, Term.DELIVERY_TO, widens=True)


def _of_messages(rules: Rules) -> Iterator[tuple[Term, Gap | None]]:
    server, signs_in = rules.server, rules.server.authentication
    yield Term.MESSAGE_BYTES, _when(server.message_bytes is not None, Term.MESSAGE_BYTES, widens=True)
    yield Term.RECIPIENTS, _when(server.recipients_a_message is not None, Term.RECIPIENTS, widens=True)
    own = signs_in is not None and signs_in.sender_addresses == "own"
    yield Term.OWN_ADDRESSES, _when(own, Term.OWN_ADDRESSES, widens=True)
    # Where only the listed get as far as a recipient, nobody is left whom it could mean.
    strangers = rules.observes or not rules.connect.only_listed or server.recipient_exceptions
    outside = server.own_domains_from_outside == "reject" and strangers
    yield Term.OWN_DOMAINS, _when(outside, Term.OWN_DOMAINS, widens=True)


def _lists(rules: Rules, scope: frozenset[Grant]) -> Iterator[Access]:
    if Grant.CONNECT in scope:
        yield rules.connect
    if Grant.RELAY in scope:
        yield rules.relay
    if Grant.DELIVER in scope:
        yield from (rules.deliver, *rules.deliver_to.values())


def _when(said: object, term: Term, *, widens: bool = False) -> Gap | None:
    return Gap(term.value, GAPS[term.value], widens=widens) if said else None


def _entries(lists: Sequence[Access], kind: str, term: Term) -> Gap | None:
    found = [(one.rule, access.only_listed) for access in lists for one in access.others if one.entry.kind == kind]
    if not found:
        return None
    widens = not all(only_listed for _, only_listed in found)
    return Gap(term.value, GAPS[term.value], tuple(rule for rule, _ in found), widens)


def _ipv6(lists: Sequence[Access]) -> Gap | None:
    found = [source.rule for access in lists for source in access.sources if source.addresses.pairs()[1]]
    everybody = [access.rule for access in lists if not access.only_listed and access.rule not in found]
    rules = (*found, *everybody)
    return Gap(Term.IPV6.value, GAPS[Term.IPV6.value], rules) if rules else None


def _tls(lists: Sequence[Access]) -> Gap | None:
    found = tuple(one.rule for access in lists for one in access.sources if one.entry.require_tls)
    return Gap(Term.REQUIRE_TLS.value, GAPS[Term.REQUIRE_TLS.value], found, widens=True) if found else None


def waiver_of(policy: Policy, gap: Gap, *names: str) -> Waiver | None:
    """The waiver of the policy that names this gap for a target or enforcement point of one of these names."""
    return next((one for one in policy.waivers if one.gap == gap.name and one.target in names), None)
