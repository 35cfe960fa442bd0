"""From the answers of a source to the virtual server of a policy that decides the same.

    connecting    whoever is permitted anything at all
    delivering    whoever may write to an accepted domain without signing in; a list of its own where a domain differs
    relaying      whoever may write elsewhere without signing in
    signing in    gives the right to relay where whoever signs in may write elsewhere

What comes out is held against the source again, question for question (`imports.differing`): where the policy's form
has no place for something, that is told, with who it concerns. Never more than the source gives without saying so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from arrowslit.imports.asking import NO_NAME, OTHER_NAME, Asked, Questions, Recipient
from arrowslit.imports.grant import Grant, Sets, granted
from arrowslit.imports.imported import AccessList, VirtualServer
from arrowslit.imports.spaces import EMPTY, EVERYBODY, common
from arrowslit.mail.address_set import AddressSet


@dataclass(slots=True)
class Fitted:
    """A virtual server in the making. `deliver_to` holds the grants of recipients that differ from `deliver`."""

    connect: Grant
    relay: Grant
    deliver: Grant | None = None
    deliver_to: dict[Recipient, Grant | None] = field(default_factory=dict)
    exceptions: set[Recipient] = field(default_factory=set)
    signs_in: bool = False
    allow_authenticated: bool = False
    authentication_required: bool = False
    require_tls: bool = False
    defers: bool = False

    def permits(self, asked: Asked, domain_of: Recipient | None) -> AddressSet:
        """Whom the policy permits; `domain_of` is the kind of the accepted domain that the recipient lies in."""
        if (self.authentication_required and not asked.signed_in) or (self.require_tls and not asked.tls):
            return EMPTY
        connect = self.connect.permits(asked.tls, asked.name)
        relay = self.relay.permits(asked.tls, asked.name)
        if asked.signed_in and self.allow_authenticated:
            relay = EVERYBODY
        if domain_of is None:
            return common(connect, relay)
        if asked.recipient in self.exceptions:
            return EVERYBODY
        grant = self.deliver_to.get(domain_of, self.deliver)
        deliver = EVERYBODY if grant is None else grant.permits(asked.tls, asked.name)
        if asked.signed_in:
            deliver = deliver.union(relay)
        found = common(connect, deliver)
        return common(found, relay) if asked.recipient.kind == "routing" else found


def fitted(questions: Questions) -> Fitted:
    """The virtual server that comes nearest."""
    return _Fitter(questions).made()


class _Fitter:
    """Makes one virtual server."""

    def __init__(self, questions: Questions) -> None:
        self.questions = questions
        self.accepted = [one for one in questions.recipients if one.kind == "accepted"]
        self.others = [one for one in questions.recipients if one.kind == "other"]
        self.tls = questions.tls
        named = AddressSet.from_ranges((part.first, part.last) for part in questions.parts)
        self.strangers = EVERYBODY.subtract(named)

    def made(self) -> Fitted:
        require_tls = len(self.tls) > 1 and not self._anybody(tls=False) and self._anybody(tls=True)
        if require_tls:
            self.tls = (True,)
        required = self.questions.signs_in and not self._anybody(signed_in=False) and self._anybody(signed_in=True)
        connect = self._grant(self._connect, lambda _tls, _name: EVERYBODY)
        relay = self._grant(lambda tls, name: self._may(self.others, tls, name, False), self._connect, only_listed=True)
        found = Fitted(connect, relay, signs_in=self.questions.signs_in, authentication_required=required)
        found.require_tls = require_tls
        found.allow_authenticated = self.questions.signs_in and self._signing_in_relays()
        if not required:
            self._deliveries(found)
        found.exceptions = {one for one in self.questions.recipients if one.kind == "address" and self._excepted(one)}
        found.defers = self._defers()
        return found

    def _grant(self, sets: Sets, within: Sets, *, only_listed: bool = False) -> Grant:
        return granted(sets, within, self.tls, self.questions.names, self.strangers, only_listed=only_listed)

    def _may(self, recipients: list[Recipient], tls: bool, name: str, signed_in: bool) -> AddressSet:
        asked = [Asked(one, signed_in, tls, name) for one in recipients]
        return EMPTY.union(*(self.questions.ask(one).permitted for one in asked))

    def _connect(self, tls: bool, name: str) -> AddressSet:
        everywhere = self.accepted + self.others
        return EMPTY.union(*(self._may(everywhere, tls, name, signed) for signed in self.questions.signed))

    def _anybody(self, *, tls: bool | None = None, signed_in: bool | None = None) -> bool:
        names = [NO_NAME, OTHER_NAME, *(name.text for name in self.questions.names)]
        return any(
            self._may(self.accepted + self.others, one, name, signed)
            for one in self.tls
            for signed in self.questions.signed
            for name in names
            if tls in {None, one} and signed_in in {None, signed}
        )

    def _signing_in_relays(self) -> bool:
        """Whoever signs in may write anywhere, from wherever anybody may do anything; and not all may without."""
        tls, name = self.tls[-1], OTHER_NAME
        anywhere, connect = self._may(self.others, tls, name, True), self._connect(tls, name)
        return anywhere == connect and anywhere != self._may(self.others, tls, name, False)

    def _deliveries(self, found: Fitted) -> None:
        """The delivery list that most domains have is the virtual server's."""
        grants = {one: self._delivery(one) for one in self.accepted}
        keys = {one: _key(grant) for one, grant in grants.items()}
        counted = Counter(dict.fromkeys(keys.values(), 0))
        for one, key in keys.items():
            counted[key] += max(1, len(one.domains))
        if not counted:
            return
        common_key = counted.most_common(1)[0][0]
        found.deliver = next(grants[one] for one, key in keys.items() if key == common_key)
        found.deliver_to = {one: grant for one, grant in grants.items() if keys[one] != common_key}

    def _delivery(self, one: Recipient) -> Grant | None:
        made = self._grant(lambda tls, name: self._may([one], tls, name, False), self._connect)
        return None if made.everybody else made

    def _excepted(self, one: Recipient) -> bool:
        """Everybody may write to it, and not everybody to its domain."""
        texts = [NO_NAME, OTHER_NAME, *(name.text for name in self.questions.names)]
        asked = [Asked(one, False, tls, name) for tls in self.tls for name in texts]
        if any(self.questions.ask(each).permitted != EVERYBODY for each in asked):
            return False
        owner = next((each for each in self.accepted if set(one.domains) & set(each.domains)), None)
        if owner is None:
            return False
        return any(
            self.questions.ask(Asked(owner, False, each.tls, each.name)).permitted != EVERYBODY for each in asked
        )

    def _defers(self) -> bool:
        """Whoever may not connect or deliver hears "for now", and nobody "for good"."""
        answers = [self.questions.ask(Asked(one, False, self.tls[-1])) for one in self.accepted]
        refused = [(EVERYBODY.subtract(one.permitted), one) for one in answers]
        told = [(who, one) for who, one in refused if who]
        return bool(told) and all(not who.subtract(one.deferred) for who, one in told)


def _key(grant: Grant | None) -> object:
    if grant is None:
        return None
    names = tuple(sorted((pattern, needs) for pattern, (_, needs) in grant.names.items()))
    return grant.only_listed, grant.addresses.to_bytes(), grant.extra.to_bytes(), names


def virtual_server(name: str, made: Fitted, questions: Questions) -> VirtualServer:
    """The virtual server as it is written. Who may deliver to single domains is not in it."""
    origin, parts = questions.origin, questions.parts
    server = VirtualServer(name, origin, made.connect.access(parts, origin))
    relay = made.relay.access(parts, origin)
    if relay.only_listed or made.signs_in:
        server.relay_restrictions = relay
    if made.signs_in:
        server.authentication, server.allow_authenticated = True, made.allow_authenticated
    if made.deliver is not None:
        server.delivery = made.deliver.access(parts, origin)
    server.authentication_required, server.require_tls = made.authentication_required, made.require_tls
    if made.exceptions:
        server.settings["recipient_exceptions"] = tuple(sorted(one.text for one in made.exceptions))
    if made.defers:
        server.settings["mode"] = "defer"
    if _tells_at_connect(made, questions):
        server.settings["refuse_at"] = "connect"
    return server


def _tells_at_connect(made: Fitted, questions: Questions) -> bool:
    """Whoever may not connect hears so instead of the greeting, and nothing later could let him in."""
    greeted = questions.greeted
    if greeted is None or made.exceptions or made.connect.extra or made.connect.addresses == EVERYBODY:
        return False
    names = (NO_NAME, OTHER_NAME, *(name.text for name in questions.names))
    return all(greeted(name) == made.connect.permits(False, name) for name in names)


def deliveries(made: Fitted, questions: Questions) -> dict[str, AccessList]:
    """Accepted domain -> who may deliver to it, where that differs from the virtual server."""
    found: dict[str, AccessList] = {}
    for one, grant in made.deliver_to.items():
        own = grant or Grant(False, EVERYBODY)
        for domain in one.domains:
            found[domain] = own.access(questions.parts, one.origin)
    return found
