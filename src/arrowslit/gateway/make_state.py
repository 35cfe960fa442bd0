"""Putting a worker together from what the parent told it: the one place in the gateway that knows every part."""

from __future__ import annotations

import asyncio
import datetime
import secrets
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from arrowslit.documents.settings import Settings
from arrowslit.documents.site import Site
from arrowslit.documents.sources import normalise_address
from arrowslit.gateway.alarms import RaiseAlarm
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.intents import Intents
from arrowslit.gateway.next_hops import NextHops, Services
from arrowslit.gateway.records import Recorder
from arrowslit.gateway.sign_in import Limits, SignInDesk
from arrowslit.gateway.state import ListenerParts, WorkerState
from arrowslit.gateway.tls import MemoryTls, server_context
from arrowslit.gateway.tls_asking import AskingTls, asking_context
from arrowslit.mail.mailbox import Mailbox
from arrowslit.networks.reverse import Resolver
from arrowslit.observe.metrics import Metrics
from arrowslit.observe.writer import DecisionWriter
from arrowslit.policy.facts import UNKNOWN, Unknown
from arrowslit.policy.model import Policy
from arrowslit.session.node import Listener, Moment, Node

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


_ID_OCTETS = 12
_IDS_AT_ONCE = 64
_TO_ALPHABET = bytes(ord(_ALPHABET[octet & 31]) for octet in range(256))


def new_ids() -> Callable[[], str]:
    """A maker of ids: 60 random bits in 12 characters that nobody mistakes for each other.

    The kernel is asked for the randomness of many at once. Not to be shared by processes.
    """
    letters = ""
    at = 0

    def new_id() -> str:
        nonlocal letters, at
        if at == len(letters):
            octets = secrets.token_bytes(_ID_OCTETS * _IDS_AT_ONCE)
            letters, at = octets.translate(_TO_ALPHABET).decode("ascii"), 0
        at += _ID_OCTETS
        return letters[at - _ID_OCTETS : at]

    return new_id


def moment_now(loop: asyncio.AbstractEventLoop) -> Moment:
    """Now, as sessions are told it."""
    unix = time.time()
    return Moment(loop.time(), datetime.datetime.fromtimestamp(unix, datetime.UTC).date(), formatdate(unix))


def make_state(
    loop: asyncio.AbstractEventLoop,
    message: dict[str, Any],
    site: Site,
    counters: SharedCounters,
    alarm: RaiseAlarm,
    over: Callable[[str, str], None],
) -> WorkerState:
    """The worker's state. `site` has loaded. Raises OSError where a file it needs cannot be used."""
    settings, policy = site.settings, site.policy
    if settings is None or policy is None:
        raise ValueError("the site does not load")
    node = Node(
        name=settings.node.name,
        policy=policy,
        moment=moment_now(loop),
        new_id=new_ids(),
        message_bytes=settings.limits.message_bytes,
        recipients_a_message=settings.limits.recipients_a_message,
        text_line_octets=settings.limits.text_line_bytes,
    )
    settings.limits.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadlines = Deadlines()
    folder = Path(message["settings"]["path"]).parent
    services = Services(loop, deadlines, node, counters, settings.next_hops, {}, alarm, over, folder)
    hops = NextHops(services)
    metrics = Metrics()
    state = WorkerState(
        loop=loop,
        settings=settings,
        node=node,
        deadlines=deadlines,
        counters=counters,
        intents=Intents(Path(message["intents"])),
        hops=hops,
        desk=SignInDesk(hops, settings.node.state / "users", Limits(settings.limits.sign_in_failures)),
        resolver=Resolver(settings.dns.servers),
        recorder=Recorder(node.name, message["worker"]),
        writer=DecisionWriter(settings.log.decisions, _mail_log(message), journal=_journal(message), metrics=metrics),
        metrics=metrics,
        folder=folder,
    )
    if state.intents.problem:
        alarm("intents-full", state.intents.problem)
    take_policy(state, site)
    return state


def _journal(message: dict[str, Any]) -> Path | None:
    folder = message.get("journal")
    return None if folder is None else Path(folder)


def _mail_log(message: dict[str, Any]) -> str | None:
    text = message.get("mail_log")
    return str(text) if text else None


def take_settings(state: WorkerState, settings: Settings) -> None:
    """From now on keep to these settings; what only a restart can change was refused by the parent."""
    settings.limits.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    node = state.node
    node.message_bytes = settings.limits.message_bytes
    node.recipients_a_message = settings.limits.recipients_a_message
    node.text_line_octets = settings.limits.text_line_bytes
    node.capabilities_version += 1
    state.hops.services.times = settings.next_hops
    state.desk.limits.failures = settings.limits.sign_in_failures
    if settings.dns != state.settings.dns:
        state.resolver = Resolver(settings.dns.servers)
    state.settings = settings


def take_policy(state: WorkerState, site: Site) -> None:
    """From now on decide by this policy; sessions that are open go on under it."""
    policy = site.policy
    if policy is None:
        raise ValueError("the policy does not load")
    node, sources = state.node, site.sources
    node.take(policy)
    node.capabilities_version += 1
    node.sign_in_ready = frozenset(
        name for name, server in policy.virtual_servers.items() if server.authentication is not None
    )
    node.recipient_lists = dict(_recipient_lists(policy, sources.recipients))
    services = state.hops.services
    services.passwords.clear()
    services.passwords.update(
        {name: sources.secrets.get(hop.password_file, "") for name, hop in policy.next_hops.items() if hop.username}
    )
    state.desk.secrets = dict(sources.secrets)
    state.hops.policy_changed()


def _recipient_lists(policy: Policy, files: Any) -> Any:
    for name, hop in policy.next_hops.items():
        if hop.recipients_file:
            yield name, _by_file(files.get(hop.recipients_file))
        elif hop.recipients_ldap is not None:
            yield name, _by_directory


def _by_file(known: frozenset[str] | None) -> Callable[[Mailbox], bool | Unknown | None]:
    """A file that is not there is no list at all: a finding said so when the policy was loaded (decisions 15)."""
    if known is None:
        return lambda _recipient: None
    return lambda recipient: _key(recipient) in known


def _by_directory(_recipient: Mailbox) -> Unknown:
    """It has to be asked."""
    return UNKNOWN


def _key(recipient: Mailbox) -> str:
    try:
        return normalise_address(f"{recipient.local_part}@{recipient.domain}")
    except ValueError:
        return ""


def listener_parts(state: WorkerState, listener: dict[str, Any]) -> ListenerParts:
    """What connections need of a listener; `listener` as the parent describes it."""
    index = listener["settings"]["index"]
    settings = state.settings.listeners[index]
    proxies = settings.proxy_protocol_from if len(settings.proxy_protocol_from) else None
    known = Listener(
        address=listener["bound"],
        virtual_server=settings.virtual_server,
        tls=settings.tls,
        expect_proxy=proxies is not None,
        xclient_from=settings.xclient_from if len(settings.xclient_from) else None,
    )
    parts = ListenerParts(known, proxies)
    if settings.tls != "off":
        _add_tls(state, parts, listener["settings"], asking=settings.ask_certificate)
    return parts


def _add_tls(state: WorkerState, parts: ListenerParts, told: dict[str, Any], *, asking: bool) -> None:
    certificate, key = Path(told["certificate"]), Path(told["key"])
    if asking:
        asking_one = asking_context(certificate, key, state.settings.tls.client_ca)
        parts.new_tls = lambda: AskingTls(asking_one)
    else:
        context = server_context(str(certificate), str(key))
        parts.new_tls = lambda: MemoryTls(context, server=True)
