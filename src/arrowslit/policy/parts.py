"""The parts of a policy as values: what each table of the document becomes.

Names, addresses and domain names are in their normal form here. Nothing in these values is looked up, and secrets are
only named (`password_file`), never held. Places in the document are kept as spans and do not count in comparison.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.decision import Action, Stage
from arrowslit.policy.tree import Span

ONLY_LISTED: Final = "only_listed"
ALL_EXCEPT_LISTED: Final = "all_except_listed"
ENFORCE: Final = "enforce"
DEFER: Final = "defer"
OBSERVE: Final = "observe"

ENTRY_KINDS: Final = ("network", "computer", "group", "range", "domain", "certificate")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list: `kind` is one of `ENTRY_KINDS`, `value` its normal form.

    `expires` is the last day (UTC) on which it matches; `line_ends` is "" or "normalise".
    """

    kind: str
    value: str
    note: str = ""
    owner: str = ""
    expires: datetime.date | None = None
    require_tls: bool = False
    line_ends: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def rule(self) -> str:
        """The last part of a rule id: `kind:value` (decisions 10)."""
        return f"{self.kind}:{self.value}"


@dataclass(frozen=True, slots=True)
class AccessList:
    """A mode and a list for each mode; only the list of the mode counts."""

    mode: str = ONLY_LISTED
    only_listed: tuple[Entry, ...] = ()
    all_except_listed: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The list that counts."""
        return self.only_listed if self.mode == ONLY_LISTED else self.all_except_listed


@dataclass(frozen=True, slots=True)
class ConnectionControl(AccessList):
    """Who may connect. `when_dns_fails` ("defer", "permit") is for domain entries of `all_except_listed`."""

    when_dns_fails: str = "defer"


@dataclass(frozen=True, slots=True)
class RelayRestrictions(AccessList):
    """Who may relay. `allow_authenticated` has an effect only where authentication is configured."""

    allow_authenticated: bool = True


EVERYBODY_LISTED: Final = AccessList(ALL_EXCEPT_LISTED)


@dataclass(frozen=True, slots=True)
class Network:
    """A named set of addresses.

    `addresses` is what decides: pinned and fetched addresses without the excepted ones. `pinned` and `excepted` are
    as written, in normal form. `removal_grace` and `refresh_every` are seconds, `growth_held_above` is a share (0.5).
    """

    name: str
    addresses: AddressSet = EMPTY
    description: str = ""
    pinned: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    service: str = ""
    region: str = ""
    names: tuple[str, ...] = ()
    spf: tuple[str, ...] = ()
    file: str = ""
    url: str = ""
    refresh_every: float = 3600.0
    removal_grace: float = 259_200.0
    growth_held_above: float = 0.5


@dataclass(frozen=True, slots=True)
class Ldap:
    """Where a directory is asked. `bind_name` may hold `{username}`; `password_file` names the secret for a search."""

    url: str
    bind_name: str = ""
    base: str = ""
    filter: str = ""
    password_file: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class NextHopAddress:
    """`scheme` is "smtp", "lmtp", "lmtp+unix", "maildir" or "tcp"; `target` a host (no brackets) or a path."""

    scheme: str
    target: str
    port: int | None = None

    @property
    def text(self) -> str:
        """As the document writes it."""
        if self.scheme in {"lmtp+unix", "maildir"}:
            return f"{self.scheme}:{self.target}"
        host = f"[{self.target}]" if ":" in self.target else self.target
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}")


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where mail goes. Addresses are tried in order; files are relative to the settings file (decisions 15)."""

    name: str
    address: tuple[NextHopAddress, ...]
    tls: str = "opportunistic"
    tls_fingerprints: tuple[str, ...] = ()
    tls_profile: str = "modern"
    tls_certificate: str = ""
    tls_key: str = ""
    identify_client: str = "none"
    recipient_check: str = "at_recipient"
    recipients_file: str = ""
    recipients_ldap: Ldap | None = None
    reply_text: str = "own"
    pass_8bit: bool = False
    connections: int = 15
    fallback: str | None = None
    username: str = ""
    password_file: str = ""

    @property
    def lists_recipients(self) -> bool:
        """True where a recipient list is set, from a file or a directory."""
        return bool(self.recipients_file) or self.recipients_ldap is not None


@dataclass(frozen=True, slots=True)
class AcceptedDomain:
    """A domain that mail is taken for; `name` is normal and may begin with `*.`; `delivery` is its own list, if any."""

    name: str
    kind: str = "authoritative"
    next_hop: str | None = None
    delivery: AccessList | None = None


@dataclass(frozen=True, slots=True)
class Authentication:
    """Signing in: `with_` is "users", "ldap" or "next_hop"; `sender_addresses` is "any" or "own"."""

    required: bool = False
    with_: str = "users"
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    sender_addresses: str = "any"
    ldap: Ldap | None = None


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One set of access settings. `tarpit` is seconds; None for a limit means that none is set here."""

    name: str
    mode: str = ENFORCE
    refuse_at: str = "recipient"
    relay_next_hop: str | None = None
    postmaster_next_hop: str | None = None
    recipient_exceptions: tuple[str, ...] = ()
    greeting: str = ""
    tarpit: float = 0.0
    message_bytes: int | None = None
    recipients_a_message: int | None = None
    connections_a_source: int = 50
    require_tls: bool = False
    own_domains_from_outside: str = "permit"
    forward: str | None = None
    splice_to: NextHopAddress | None = None
    splice_identify_client: str = "none"
    authentication: Authentication | None = None
    connection_control: ConnectionControl = ConnectionControl()
    delivery: AccessList = EVERYBODY_LISTED
    skip_checks: AccessList = AccessList()
    relay_restrictions: RelayRestrictions = RelayRestrictions()

    @property
    def signs_in(self) -> bool:
        """True where signing in gives the right to relay."""
        return self.authentication is not None and self.relay_restrictions.allow_authenticated

    @property
    def somebody_may_relay(self) -> bool:
        """True where the settings give at least one client the right to relay."""
        relay = self.relay_restrictions
        return self.signs_in or relay.mode == ALL_EXCEPT_LISTED or bool(relay.only_listed)


@dataclass(frozen=True, slots=True)
class Waiver:
    """A gap or a finding, by name, that is accepted; `because` says why. `target` is "" where it names a finding."""

    because: str
    target: str = ""
    gap: str = ""
    finding: str = ""
    key: str = ""
    """Only findings at or below this dotted key are waived; "" for all of that name."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A statement that must stay true. A fact that is not given is None here, and taken as absent when judged.

    `mail_from` "" is the null reverse-path. `at` is the stage that must have decided, where it matters.
    """

    that: str
    from_: str
    outcome: Action
    virtual_server: str = "default"
    reverse_name: str | None = None
    helo: str | None = None
    tls: bool | None = None
    certificate: str | None = None
    authenticated_as: str | None = None
    mail_from: str | None = None
    to: str | None = None
    on: datetime.date | None = None
    at: Stage | None = None
    span: Span | None = field(default=None, compare=False, repr=False)
