"""Judges the facts of a check-up (access-control, "Before locking"). Pure: facts in, verdicts out.

Terms: a check is *bad* where something must be mended before a virtual server is enforced, *doubtful* where somebody
should look, *unknown* where it could not be found out, which is never taken for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Final

_DAY: Final = 86_400.0
_SHARE: Final = 0.8
_FEW: Final = 20
_TWICE: Final = 3


class State(Enum):
    """How it stands."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it stands, what was found, what to do."""

    name: str
    state: State
    found: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Mx:
    """The mail exchangers of a domain; `services` those of the catalogue that they belong to, "" for none of them.

    `since` is when they were first seen like that (Unix seconds). `problem` says why they are not known.
    """

    domain: str
    names: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    since: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a next hop says to a recipient that can't exist: the code, 0 where it could not be asked."""

    next_hop: str
    code: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate; `ends` in Unix seconds, 0 where it can't be read."""

    purpose: str
    ends: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged. What could not be found out is None, or says why."""

    now: float
    own_name: str = ""
    wait_hours: int = 72
    mx: Sequence[Mx] = ()
    from_filter: int | None = None
    """Messages of the last days that came from listed public addresses."""
    own_address: str = ""
    own_address_permitted: bool | None = None
    probes: Sequence[Probe] = ()
    clients: Mapping[str, int] = field(default_factory=dict)
    """Decisions of the last day by client."""
    certificates: Sequence[Ending] = ()
    clock_kept: bool | None = None
    undeclared: Mapping[str, int] = field(default_factory=dict)
    """Domains that were refused as relay although their mail comes the same way as ours."""
    filter_expected: bool | None = None
    pending: int | None = None
    nodes: Sequence[tuple[str, int, str]] = ()
    """Name, revision and problem of each node that was seen lately."""
    revision: int = 0
    store_problem: str = ""


def judge(facts: Facts) -> list[Check]:
    """All checks, in the order of the list in the reference."""
    return [
        *_mx(facts),
        _filter(facts),
        _own_address(facts),
        *_recipients(facts),
        _hidden(facts),
        *_certificates(facts),
        _clock(facts),
        _undeclared(facts),
        _expected(facts),
        *_life(facts),
    ]


def must_be_mended(checks: Sequence[Check]) -> list[Check]:
    """Those that keep a virtual server from being enforced."""
    return [check for check in checks if check.state is State.BAD]


def _mx(facts: Facts) -> Iterator[Check]:
    if not facts.mx:
        yield Check("mx", State.UNKNOWN, "the policy has no accepted domain that could be looked up")
    for one in facts.mx:
        yield _mx_of(facts, one)
        if one.names and not one.problem:
            yield _moved(facts, one)


def _mx_of(facts: Facts, one: Mx) -> Check:
    name = f"mx {one.domain}"
    if one.problem:
        return Check(name, State.UNKNOWN, one.problem, "ask again when DNS answers, or see: --dns-server")
    if not one.names:
        return Check(name, State.BAD, "it has no MX", "let its MX point at the filter")
    names = ", ".join(one.names)
    if facts.own_name in one.names:
        return Check(name, State.BAD, f"{names}: that is this server", "let the MX point at the filter, and only there")
    known = {service for service in one.services if service}
    if known and "" not in one.services and len(known) == 1:
        return Check(name, State.GOOD, f"{names} ({next(iter(known))})")
    if known:
        todo = "remove every MX that is not the filter's: whoever uses it goes past the filter"
        return Check(name, State.BAD, f"{names}: not all of them are the filter's", todo)
    return Check(name, State.DOUBTFUL, f"{names}: no filtering service of the catalogue", "see that it is your filter")


def _moved(facts: Facts, one: Mx) -> Check:
    name = f"mx-moved {one.domain}"
    hours = max(facts.now - one.since, 0) / 3600
    if hours >= facts.wait_hours:
        return Check(name, State.GOOD, f"the same for {hours / 24:.0f} days")
    todo = f"enforce when it has stood for {facts.wait_hours} hours: senders remember the old MX; until then observe"
    return Check(name, State.DOUBTFUL, f"seen like that for {hours:.0f} hours", todo)


def _filter(facts: Facts) -> Check:
    if facts.from_filter is None:
        return Check("filter-seen", State.UNKNOWN, facts.store_problem or "no decisions could be read")
    if facts.from_filter:
        return Check("filter-seen", State.GOOD, f"{facts.from_filter} messages came from listed addresses in 7 days")
    todo = "observe until its mail comes in; if it comes from elsewhere, list that: arrowslit decision list --would-be"
    return Check("filter-seen", State.BAD, "no mail came from a listed public address in 7 days", todo)


def _own_address(facts: Facts) -> Check:
    if not facts.own_address or facts.own_address_permitted is None:
        return Check(
            "own-address", State.UNKNOWN, "you are at the machine, or your address is not known", "--my-address"
        )
    if facts.own_address_permitted:
        return Check("own-address", State.GOOD, f"{facts.own_address} may connect")
    todo = f"if you send mail from there: arrowslit entry add connection {facts.own_address}"
    return Check("own-address", State.DOUBTFUL, f"{facts.own_address}, where you are, may not connect", todo)


def _recipients(facts: Facts) -> Iterator[Check]:
    for one in facts.probes:
        name = f"recipient-check {one.next_hop}"
        if 500 <= one.code < 600:
            yield Check(name, State.GOOD, f"it refuses a recipient that can't exist ({one.code})")
        elif 200 <= one.code < 300:
            todo = 'write recipient_check = "at_data" or "never", and a recipients_file or recipients_ldap'
            yield Check(name, State.BAD, f"it takes a recipient that can't exist ({one.code})", todo)
        else:
            yield Check(name, State.UNKNOWN, one.problem or f"it says {one.code} to a recipient that can't exist")


def _hidden(facts: Facts) -> Check:
    total = sum(facts.clients.values())
    if total < _FEW:
        return Check("hidden-client", State.UNKNOWN, "too few decisions of the last day to tell")
    client, most = max(facts.clients.items(), key=lambda one: one[1])
    if most >= total * _SHARE and is_private(client):
        todo = (
            "what stands in front (NAT, balancer, container network) hides the clients: use PROXY v2, or pass them on"
        )
        return Check("hidden-client", State.BAD, f"{most} of {total} decisions are about {client}", todo)
    return Check("hidden-client", State.GOOD, f"{len(facts.clients)} different clients in the last day")


_OWN: Final = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
]


def is_private(client: str) -> bool:
    """Whether a client address is of those that no stranger comes from (RFC 1918, RFC 4193, RFC 6598)."""
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in _OWN)


def _certificates(facts: Facts) -> Iterator[Check]:
    for one in facts.certificates:
        name = f"certificate {one.purpose}"
        days = (one.ends - facts.now) / _DAY
        if one.problem:
            yield Check(name, State.BAD, one.problem, "put a readable certificate there, and reload")
        elif days < 0:
            yield Check(name, State.BAD, f"it ended {-days:.0f} days ago", "renew it, and reload")
        elif days < 21:
            yield Check(name, State.DOUBTFUL, f"it ends in {days:.0f} days", "renew it, and reload")
        else:
            yield Check(name, State.GOOD, f"it ends in {days:.0f} days")


def _clock(facts: Facts) -> Check:
    if facts.clock_kept is None:
        return Check("clock", State.UNKNOWN, "the system does not say whether its clock is kept")
    if facts.clock_kept:
        return Check("clock", State.GOOD, "it is kept by a time service")
    return Check("clock", State.DOUBTFUL, "no time service keeps it", "run one: entries expire by it, records bear it")


def _undeclared(facts: Facts) -> Check:
    found = {name: count for name, count in facts.undeclared.items() if count >= _TWICE}
    if facts.store_problem:
        return Check("alias-domains", State.UNKNOWN, facts.store_problem)
    if not found:
        return Check(
            "alias-domains", State.GOOD, "nobody wrote to a domain that comes the same way and is not declared"
        )
    names = ", ".join(f"{name} ({count})" for name, count in sorted(found.items(), key=lambda one: -one[1])[:5])
    todo = 'declare them: [accepted_domains."NAME"], or their mail is relay and refused'
    return Check("alias-domains", State.BAD, f"mail for {names} was refused, and it comes the same way as yours", todo)


def _expected(facts: Facts) -> Check:
    if facts.filter_expected is None:
        return Check("expectations", State.UNKNOWN, "the policy could not be judged")
    if facts.filter_expected:
        return Check("expectations", State.GOOD, "one says that the filter delivers")
    todo = "write one with from = its address, to = one of yours: no change that cuts it off is applied then"
    return Check("expectations", State.DOUBTFUL, "none says that the filter delivers", todo)


def _life(facts: Facts) -> Iterator[Check]:
    if facts.pending is not None:
        found = f"revision {facts.pending} waits to be confirmed"
        yield Check("pending", State.DOUBTFUL, found, "arrowslit confirm, or arrowslit undo")
    for name, revision, problem in facts.nodes:
        if problem or revision != facts.revision:
            found = problem or f"it has revision {revision}, active is {facts.revision}"
            yield Check(f"node {name}", State.BAD, found, "see: arrowslit status")
    if facts.nodes and all(revision == facts.revision and not problem for _, revision, problem in facts.nodes):
        yield Check("nodes", State.GOOD, f"{len(facts.nodes)} have revision {facts.revision}")
    if not facts.nodes:
        yield Check("nodes", State.DOUBTFUL, "no node is running", "start it: arrowslit serve")
