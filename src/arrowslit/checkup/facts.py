"""Gathers the facts of a check-up: DNS, the store, next hops, the machine. What fails is unknown, with its reason.

A next hop is asked what it says to a recipient that can't exist, up to RCPT and never further. What the MX of a domain
was is kept in the state folder (`doctor.json`), so that the time since it moved is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import datetime
import json
import secrets
import smtplib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arrowslit.checkup.checks import Ending, Facts, Mx, Probe, is_private
from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.certificates import named_in, term
from arrowslit.documents.settings import Settings
from arrowslit.mail.address import parse_address
from arrowslit.mail.address_set import EMPTY
from arrowslit.networks.catalogue import catalogue
from arrowslit.networks.resolver import Resolver, Unanswered
from arrowslit.policy import reasons
from arrowslit.policy.ask import ask
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import as_enforced
from arrowslit.policy.facts import Facts as PolicyFacts
from arrowslit.policy.model import NextHop, Policy
from arrowslit.store.database import Database
from arrowslit.store.errors import StoreError
from arrowslit.store.query import Query

_QUESTION: Final = 5.0
_PROBE: Final = 10.0
_DAY: Final = 86_400.0
_WEEK: Final = 7 * _DAY
_MEMORY: Final = "doctor.json"
_UNSYNCHRONISED: Final = 0x40
_ALIVE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """What is looked at: the node's settings, the policy that is judged, the folder that files are relative to."""

    settings: Settings
    policy: Policy
    base: Path
    own_address: str = ""
    servers: tuple[str, ...] = ()


def gather(site: Site, database: Database | None, problem: str = "") -> Facts:
    """All facts. `problem` says why there is no store."""
    now = time.time()
    found = asyncio.run(_asked(site, now))
    stored = _Stored(problem=problem) if database is None else _stored(database, site, now)
    undeclared = asyncio.run(_same_way(stored.refused, found[0], Resolver(site.servers)))
    return Facts(
        now=now,
        own_name=site.settings.node.name,
        wait_hours=catalogue().wait_hours,
        mx=found[0],
        from_filter=stored.from_filter,
        own_address=site.own_address,
        own_address_permitted=_permitted(site, now),
        probes=found[1],
        clients=stored.clients or {},
        certificates=_certificates(site),
        clock_kept=clock_kept(),
        undeclared=undeclared,
        filter_expected=any(one.outcome is Action.PERMIT and one.to for one in site.policy.expectations),
        pending=stored.pending,
        nodes=stored.nodes,
        revision=stored.revision,
        store_problem=stored.problem,
    )


async def _asked(site: Site, now: float) -> tuple[list[Mx], list[Probe]]:
    resolver = Resolver(site.servers)
    domains = [name for name in site.policy.accepted_domains if not name.startswith("*.")]
    mx = await asyncio.gather(*(_mx(resolver, name) for name in domains))
    probes = await asyncio.gather(*(asyncio.to_thread(_probe, *one, site) for one in _next_hops(site.policy)))
    return _remembered(site.settings.node.state / _MEMORY, list(mx), now), list(probes)


async def _mx(resolver: Resolver, domain: str) -> Mx:
    answer = await resolver.ask(domain, "MX", _QUESTION)
    if isinstance(answer, Unanswered):
        return Mx(domain, problem=f"DNS gave no answer: {answer.why}")
    names = sorted(text.split()[1].lower().rstrip(".") for text in answer.texts if len(text.split()) == 2)
    known = [catalogue().match(name) for name in names]
    return Mx(domain, tuple(names), tuple("" if one is None else one.service.name for one in known))


def _remembered(path: Path, found: list[Mx], now: float) -> list[Mx]:
    """The same with when each was first seen like that."""
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError):
        before = {}
    kept: dict[str, dict[str, object]] = {}
    made = []
    for one in found:
        old = before.get(one.domain) if isinstance(before, dict) else None
        same = isinstance(old, dict) and old.get("mx") == list(one.names)
        since = float(old["since"]) if same and isinstance(old, dict) else now
        if one.problem:
            if isinstance(old, dict):
                kept[one.domain] = old
        else:
            kept[one.domain] = {"mx": list(one.names), "since": since}
        made.append(Mx(one.domain, one.names, one.services, since, one.problem))
    with contextlib.suppress(OSError):  # without a memory it is as the first time
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, json.dumps(kept).encode(), 0o600)
    return made


def _next_hops(policy: Policy) -> list[tuple[NextHop, str]]:
    """Each next hop that says it can tell recipients at once, with one of its domains."""
    found: dict[str, tuple[NextHop, str]] = {}
    for name, domain in policy.accepted_domains.items():
        hop = policy.next_hops.get(domain.next_hop or "")
        if hop is not None and hop.recipient_check == "at_recipient" and hop.address[0].scheme in ("smtp", "lmtp"):
            found.setdefault(hop.name, (hop, name.removeprefix("*.")))
    return list(found.values())


def _probe(hop: NextHop, domain: str, site: Site) -> Probe:
    """RCPT for an address that can't exist."""
    if hop.identify_client == "proxy-v2":
        return Probe(hop.name, problem="it wants a PROXY header, and can't be asked like this")
    address = hop.address[0]
    client = smtplib.LMTP if address.scheme == "lmtp" else smtplib.SMTP
    try:
        with client(address.target, address.port or 25, local_hostname=site.settings.node.name) as talk:
            if talk.sock is not None:
                talk.sock.settimeout(_PROBE)
            talk.ehlo_or_helo_if_needed()
            talk.mail("")
            code, _ = talk.rcpt(f"no-such-{secrets.token_hex(8)}@{domain}")
            talk.rset()
            return Probe(hop.name, code)
    except (OSError, smtplib.SMTPException) as error:
        return Probe(hop.name, problem=f"it could not be asked: {type(error).__name__}: {error}")


def _permitted(site: Site, now: float) -> bool | None:
    """Whether where the administrator is may connect, were all enforced."""
    try:
        address = parse_address(site.own_address)
    except ValueError:
        return None
    policy = as_enforced(site.policy)
    day = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    return any(
        ask(
            policy, PolicyFacts(virtual_server=name, client_address=address, date=day), to_recipient=False
        ).decision.permitted
        for name in policy.virtual_servers
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    from_filter: int | None = None
    clients: dict[str, int] | None = None
    refused: dict[str, int] | None = None
    pending: int | None = None
    nodes: tuple[tuple[str, int, str], ...] = ()
    revision: int = 0
    problem: str = ""


def _stored(database: Database, site: Site, now: float) -> _Stored:
    try:
        head = database.revisions.head()
        delivered = database.decisions.count_by_client(Query(kind="delivery", since=now - _WEEK), 10_000).clients
        clients = database.decisions.count_by_client(Query(since=now - _DAY), 10_000).clients
        refused = database.decisions.search(Query(reason=reasons.NOT_RELAY, since=now - _WEEK, limit=2000)).records
        nodes = [node for node in database.nodes.list() if abs(now - node.seen) < _ALIVE]
    except StoreError as error:
        return _Stored(problem=str(error))
    listed = EMPTY.union(*(network.addresses for network in site.policy.networks.values()))
    from_filter = sum(
        one.count for one in delivered if _public(one.client) and listed.contains(parse_address(one.client))
    )
    domains = Counter(str(row.get("forward_path", "")).rpartition("@")[2].lower() for row in refused)
    return _Stored(
        from_filter,
        {one.client: one.count for one in clients},
        {name: count for name, count in domains.most_common(20) if name},
        head.revision if head is not None and head.pending is not None else None,
        tuple((node.node, node.revision, node.problem) for node in nodes),
        0 if head is None else head.revision,
    )


def _public(client: str) -> bool:
    try:
        parse_address(client)
    except ValueError:
        return False
    return not is_private(client)


async def _same_way(refused: dict[str, int] | None, ours: Sequence[Mx], resolver: Resolver) -> dict[str, int]:
    """Of the domains that were refused as relay, those whose MX are those of a declared one."""
    ways = {one.names for one in ours if one.names}
    if not refused or not ways:
        return {}
    found = await asyncio.gather(*(_mx(resolver, name) for name in refused))
    return {one.domain: refused[one.domain] for one in found if one.names in ways}


def _certificates(site: Site) -> list[Ending]:
    found = [term(use) for use in named_in(site.settings, site.policy, site.base)]
    return [Ending(one.use.purpose, one.ends, one.problem) for one in found]


def clock_kept() -> bool | None:
    """Whether the kernel knows of a service that keeps its clock (adjtimex); None where it does not say."""
    try:
        buffer = ctypes.create_string_buffer(1024)
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    status = ctypes.c_int.from_buffer(buffer, ctypes.sizeof(ctypes.c_long) * 5).value
    return not status & _UNSYNCHRONISED
