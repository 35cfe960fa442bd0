"""What a question to a policy rests on where facts are missing: its lists, and the facts that can make a difference.

Terms: the *lists* of a question are those of its virtual server, and the accepted domain's own where the recipient has
one; other lists do not count. The *kind* of facts is what is left of them when everything that the policy does not
look at is taken away: facts of one kind have one outcome. Never decides.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import Mailbox, Postmaster
from arrowslit.policy import possible_values
from arrowslit.policy.compiled import CompiledServer, Grant
from arrowslit.policy.facts import Certificate, Facts, Unknown
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Entry
from arrowslit.policy.recipient_exceptions import is_exception

_ORDER: Final = ("tls", "authenticated_as", "certificate", "client_name", "reverse_path", "own_addresses")
"""The order in which facts are asked: those that make others needless come first."""
_ANY_ADDRESS: Final = parse_address("0.0.0.0")  # noqa: S104
_FACTS: Final = {"domain": ("client_name",), "certificate": ("certificate", "tls")}
"""Kind of entry -> the facts that it goes by, for entries that do not go by the address."""
_DECIDING: Final = 3
"""So many of the lists change an outcome; the last one only says who is not checked for spam."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What one list looks at beside the address; `entries` are those that do not go by it. Made once for each list."""

    grant: Grant
    facts: frozenset[str]
    entries: tuple[Entry, ...]


def listed(grant: Grant) -> Listed:
    """What `grant` looks at."""
    entries = grant.access.entries
    others = tuple(one for one in entries if one.kind in _FACTS)
    facts = {fact for one in others for fact in _FACTS[one.kind]}
    if any(one.require_tls for one in entries):
        facts.add("tls")
    return Listed(grant, frozenset(facts), others)


class Question:
    """The questions of one virtual server that rest on `lists`: connecting, delivering, relaying, skipping checks."""

    def __init__(self, policy: Policy, server: CompiledServer, lists: tuple[Listed, ...]) -> None:
        self._policy, self._server = policy, server
        self._lists, self._grants = lists, tuple(one.grant for one in lists)
        self._made: dict[tuple[str, object], tuple[Any, ...]] = {}
        looked_at = set(self._looked_at())
        self.facts: Final = tuple(name for name in _ORDER if name in looked_at)
        """The facts that can make a difference and have values to be tried, in the order of asking."""

    def _looked_at(self) -> Iterator[str]:
        settings = self._server.settings
        for one in self._lists:
            yield from one.facts
        if settings.require_tls:
            yield "tls"
        if settings.authentication is not None:
            yield "authenticated_as"
            if settings.authentication.sender_addresses == "own":
                yield from ("reverse_path", "own_addresses")
        if settings.own_domains_from_outside == "reject":
            yield "reverse_path"

    # --- values -----------------------------------------------------------------------------------------------------

    def values(self, name: str, facts: Facts) -> tuple[Any, ...]:
        """The values of the fact `name` that are to be tried, where `facts` are known."""
        if name == "tls":
            # A certificate is only shown in TLS.
            return (True,) if isinstance(facts.certificate, Certificate) else (False, True)
        if name == "authenticated_as":
            return (None, possible_values.SOMEBODY)
        if name == "certificate" and facts.tls is not True:
            return (None,)
        if name == "own_addresses":
            return possible_values.own_addresses(facts.reverse_path)
        key = (name, facts.date)
        if key not in self._made:
            self._made[key] = tuple(self._values(name, facts.date))
        return self._made[key]

    def _values(self, name: str, date: object) -> Iterable[Any]:
        if name == "reverse_path":
            return possible_values.reverse_paths(self._policy.accepted_domains)
        lists = [_living(one.entries, date) for one in self._lists[:_DECIDING]]
        return possible_values.certificates(lists) if name == "certificate" else possible_values.client_names(lists)

    def effect(self, name: str, value: object, facts: Facts) -> Hashable:
        """What `value` comes to where `facts` are known: values of one effect have one outcome."""
        if name != "client_name" or not isinstance(value, str):
            return value
        found = [one.index.named(value) for one in self._grants[:_DECIDING]]
        tls = facts.tls is True or "tls" not in self.facts
        return tuple(frozenset(one.entry.expires for one in some if tls or not one.entry.require_tls) for some in found)

    # --- kinds ------------------------------------------------------------------------------------------------------

    def kind(self, facts: Facts) -> Hashable:
        """The kind of `facts`: whatever is new in `Facts` counts until it is named here."""
        address, name, path = facts.client_address, facts.client_name, facts.reverse_path
        who = facts.authenticated_as
        rest = replace(
            facts,
            client_address=address if isinstance(address, Unknown) else _ANY_ADDRESS,
            client_name="" if isinstance(name, str) else name,
            reverse_name=None,
            helo_name=None,
            authenticated_as=possible_values.SOMEBODY if isinstance(who, str) else who,
            reverse_path=None,
            message_bytes=self._kind_of_size(facts.message_bytes),
            forward_path=None,
        )
        places = None if isinstance(address, Unknown) else tuple(one.index.at(address) for one in self._grants)
        names = tuple(one.index.named(name) for one in self._grants) if isinstance(name, str) else None
        reverse_path = self._kind_of_reverse_path(path, facts.own_addresses)
        return rest, _numbers(places), _numbers(names), reverse_path, self._kind_of_path(facts.forward_path)

    def _kind_of_size(self, size: int | None) -> int | None:
        """One over the limit, or none."""
        limit = self._server.settings.message_bytes
        return None if limit is None or size is None or size <= limit else limit + 1

    def _kind_of_reverse_path(self, path: object, own: object) -> Hashable:
        if not isinstance(path, Mailbox) or isinstance(own, frozenset):
            return path
        return "reverse_path" in self.facts and self._policy.accepted_domain(path.domain) is not None

    def _kind_of_path(self, path: object) -> Hashable:
        if not isinstance(path, Mailbox):
            return path
        accepted = self._policy.compiled.accepted(path.domain)
        plain = path.local_part.translate(_MARKS).isalnum()
        local = "" if plain else path.local_part
        if accepted is None:
            return local, path.literal or _is_domain(path.domain)
        own = accepted.name if accepted.delivery is not None else None
        return local, own, accepted.next_hop, is_exception(self._server, path, accepted)


_MARKS: Final = str.maketrans("", "", ".-_+=")


def delivery_of(policy: Policy, facts: Facts) -> Grant | None:
    """The list of the recipient's accepted domain, where it says itself who may deliver."""
    path = facts.forward_path
    if not isinstance(path, (Mailbox, Postmaster)):
        return None
    accepted = policy.compiled.accepted_for(policy.compiled.servers[facts.virtual_server], path)
    return None if accepted is None else policy.compiled.deliveries.get(accepted.name)


def _numbers(places: tuple[Any, ...] | None) -> Hashable:
    return places and tuple(tuple(one.position for one in found) for found in places)


def _living(entries: tuple[Entry, ...], date: object) -> list[Entry]:
    """The entries that count on that day."""
    if not isinstance(date, datetime.date):
        return list(entries)
    return [one for one in entries if one.expires is None or date <= one.expires]


def _is_domain(text: str) -> bool:
    try:
        return normalise_domain(text) == text
    except ValueError:
        return False
