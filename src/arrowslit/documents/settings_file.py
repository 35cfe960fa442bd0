"""Loads `arrowslit.toml`: every error at once, each with its place (DESIGN, "Two files, one truth").

Paths in the file are relative to it. The files that it names are looked at (a certificate must be readable and fit
its key), but nothing is written and no name is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from arrowslit.documents.devices import check_devices
from arrowslit.documents.files import Placed
from arrowslit.documents.parsed import read_document
from arrowslit.documents.reader import Reader
from arrowslit.documents.settings import (
    TABLES,
    AlarmSettings,
    EnforcementPoint,
    ListenerSettings,
    NodeSettings,
    Settings,
)
from arrowslit.documents.tls_files import check_tls_files
from arrowslit.mail.domain import normalise_domain
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.tree import Document, Item, Span, Table
from arrowslit.targets.register import MODULES as TARGETS

_KEYS = [name for name, _ in TABLES] + ["listeners", "enforcement_points"]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """`settings` is None where a finding is an error; `document` is None where the file could not be parsed."""

    settings: Settings | None
    findings: tuple[Placed, ...]
    document: Document | None = None


def load_settings(path: Path) -> LoadedSettings:
    """The settings in the file at `path`. Never raises for what the file says or for a file that is not there."""
    parsed = read_document(path)
    document = parsed.document
    if document is None:
        return LoadedSettings(None, () if parsed.problem is None else (parsed.problem,))
    reader = Reader(path.parent)
    settings = _read(reader, document.root)
    wrong = any(finding.severity is Severity.ERROR for finding in reader.findings)
    findings = tuple(Placed(document, finding) for finding in reader.findings)
    return LoadedSettings(None if wrong else settings, findings, document)


def _read(reader: Reader, root: Table) -> Settings:
    reader.known(root, _KEYS)
    tables: dict[str, object] = {}
    for name, cls in TABLES:
        item = root.items.get(name)
        table = None if item is None else reader.table(item, name)
        tables[name] = cls() if table is None else reader.read(cls, table, name)
    settings = Settings(**tables, listeners=_listeners(reader, root), enforcement_points=_points(reader, root))  # type: ignore[arg-type]
    settings = _placed(settings, root, reader.base)
    _check_name(reader, settings.node, root)
    check_tls_files(reader, settings.tls, root)
    _check_webhook(reader, settings.alarms, root)
    return settings


def _listeners(reader: Reader, root: Table) -> tuple[ListenerSettings, ...]:
    item = root.items.get("listeners")
    if item is None:
        help = 'write [[listeners]] and address = "127.0.0.1:2525"'
        start = Span(1, 1, 1, 1)
        reader.fault("missing-key", "listeners", start, "no listener: nothing would be listened on", help=help)
        return ()
    read: list[ListenerSettings] = []
    for key, table in reader.tables(item, "listeners"):
        listener = reader.read(ListenerSettings, table, key)
        _check_listener(reader, listener, table, key, read)
        read.append(listener)
    return tuple(read)


def _check_listener(
    reader: Reader, listener: ListenerSettings, table: Table, key: str, earlier: list[ListenerSettings]
) -> None:
    address = table.items.get("address")
    if address is None:
        return
    for other in earlier:
        if listener.address.clashes(other.address):
            message = f"two listeners on one address: {listener.address.text} and {other.address.text}"
            says, help = "the first one is further up", "give each listener an address or a port of its own"
            reader.fault("duplicate-listener", f"{key}.address", address.value.span, message, says, help)
    asks = table.items.get("ask_certificate")
    if asks is not None and listener.ask_certificate and listener.tls == "off":
        message = f"{key} asks for a certificate but has no TLS"
        help = 'add tls = "starttls"'
        reader.fault("certificate-without-tls", f"{key}.ask_certificate", asks.value.span, message, help=help)


def _points(reader: Reader, root: Table) -> dict[str, EnforcementPoint]:
    item = root.items.get("enforcement_points")
    table = None if item is None else reader.table(item, "enforcement_points")
    points: dict[str, EnforcementPoint] = {}
    for point in table.items.values() if table is not None else ():
        key = f"enforcement_points.{point.key}"
        inner = reader.table(point, key)
        if inner is not None:
            points[point.key] = reader.read(EnforcementPoint, inner, key)
            _check_target(reader, points[point.key], inner, key)
    if table is not None:
        check_devices(reader, points, table)
    return points


def _check_target(reader: Reader, point: EnforcementPoint, table: Table, key: str) -> None:
    item = table.items.get("target")
    if item is None:
        help = 'write target = "nftables", or another one of: arrowslit target list'
        reader.fault("missing-key", f"{key}.target", table.span, f"{key} has no target", help=help)
    elif point.target and point.target not in TARGETS:
        near = get_close_matches(point.target, TARGETS, 1)
        help = f'did you mean "{near[0]}"?' if near else "all of them: arrowslit target list"
        message = f'there is no target "{point.target}"'
        reader.fault("unknown-target", f"{key}.target", item.value.span, message, "not a target", help)


def _placed(settings: Settings, root: Table, base: Path) -> Settings:
    """Default paths too are relative to the file, and what lies in the state folder follows it."""
    state = base / settings.node.state
    log, limits = settings.log, settings.limits
    if not _written(root, "limits", "spool"):
        limits = replace(limits, spool=state / "spool")
    if not _written(root, "log", "decisions"):
        log = replace(log, decisions=state / "decisions.jsonl")
    agent = replace(settings.agent, state=base / settings.agent.state)
    return replace(settings, node=replace(settings.node, state=state), limits=limits, log=log, agent=agent)


def _written(root: Table, table: str, key: str) -> Item | None:
    item = root.items.get(table)
    return item.value.data.items.get(key) if item is not None and isinstance(item.value.data, Table) else None


def _check_name(reader: Reader, node: NodeSettings, root: Table) -> None:
    if _written(root, "node", "name") is not None:
        return
    try:
        normalise_domain(node.name)
    except ValueError:
        message = f'the machine calls itself "{node.name}", which is no domain name'
        item = root.items.get("node")
        span = item.span if item is not None else Span(1, 1, 1, 1)
        reader.fault("missing-key", "node.name", span, message, help='write [node] and name = "mx.example.org"')


def _check_webhook(reader: Reader, alarms: AlarmSettings, root: Table) -> None:
    item = _written(root, "alarms", "webhook")
    parts = urlsplit(alarms.webhook or "")
    if item is None or parts.scheme != "http" or parts.hostname in _THIS_MACHINE:
        return
    message = "alarms would go over the network in clear, and so would whatever secret the address holds"
    reader.findings.append(
        Finding(
            "webhook-in-clear",
            Severity.WARNING,
            message,
            "alarms.webhook",
            Mark(item.value.span, "not encrypted"),
            help="write https://",
        )
    )


_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
