"""What can only be said with both files at hand: virtual servers of listeners, ways for alarms, certificates in use."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from arrowslit.documents.alarm_routes import alarm_routes
from arrowslit.documents.certificates import LISTENERS, Term, named_in, term
from arrowslit.documents.files import Placed
from arrowslit.documents.findings import FINDINGS
from arrowslit.documents.settings import Settings
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.model import Policy
from arrowslit.policy.tree import Document, Item, Span, Table, Value


def strays(settings: Settings, document: Document, policy: Policy) -> Iterator[Finding]:
    """Listeners whose virtual server the policy has not. `document` is that of the settings."""
    item = document.root.items["listeners"]
    tables = item.value.data
    assert isinstance(tables, tuple)  # noqa: S101 - the settings loaded
    known = list(policy.virtual_servers)
    for number, (listener, table) in enumerate(zip(settings.listeners, tables, strict=True)):
        if listener.virtual_server not in known:
            yield _stray(listener.virtual_server, f"listeners[{number}].virtual_server", table, known)


def _stray(name: str, key: str, table: Value, known: list[str]) -> Finding:
    near = get_close_matches(name, known, 1)
    help = f'did you mean "{near[0]}"?' if near else f"the policy has: {', '.join(known) or 'none'}"
    written = table.data.items.get("virtual_server") if isinstance(table.data, Table) else None
    mark = Mark(table.span if written is None else written.value.span, "no such virtual server")
    message = f'the policy has no virtual server "{name}"'
    return Finding("unknown-virtual-server", Severity.ERROR, message, key, mark, help=help, waivable=False)


def stranded_alarms(settings: Settings, document: Document, policy: Policy) -> Iterator[Finding]:
    """Addresses that alarms cannot be mailed to. `document` is that of the settings."""
    _, stranded = alarm_routes(settings.alarms.mail, policy)
    item = _item(document, "alarms", "mail")
    for address in stranded:
        message = f"alarms cannot be mailed to {address}: its domain is not accepted, and there is no relay_next_hop"
        mark = None if item is None else Mark(_span_of(item, address), "no next hop takes this")
        help = "name an address of an accepted domain, or set relay_next_hop"
        yield Finding("alarm-mail-no-way", Severity.WARNING, message, "alarms.mail", mark, help=help)


def _span_of(item: Item, text: str) -> Span:
    values = item.value.data if isinstance(item.value.data, tuple) else ()
    return next((value.span for value in values if value.data == text), item.value.span)


def doubtful_certificates(
    settings: Settings | None,
    settings_document: Document | None,
    policy: Policy,
    document: Document,
    base: Path,
    now: float,
) -> Iterator[Placed]:
    """Certificates that have ended, end soon or have not begun at `now` (Unix seconds)."""
    for use in named_in(settings, policy, base):
        found = term(use)
        name = found.state(now)
        if use.purpose == LISTENERS and settings_document is not None and name != "certificate-unreadable":
            item = _item(settings_document, "tls", "certificate")
            span = None if item is None else item.value.span
            yield from _doubt(found, name, "tls.certificate", settings_document, span, now)
        elif use.purpose != LISTENERS:
            key = f"next_hops.{use.purpose.removeprefix('next hop ')}.tls_certificate"
            yield from _doubt(found, name, key, document, policy.places.get(key), now)


def _doubt(found: Term, name: str, key: str, document: Document, span: Span | None, now: float) -> Iterator[Placed]:
    if name:
        mark = None if span is None else Mark(span, "this file")
        yield Placed(document, Finding(name, FINDINGS[name].severity, found.says(now), key, mark))


def _item(document: Document, table: str, key: str) -> Item | None:
    item = document.root.items.get(table)
    return item.value.data.items.get(key) if item is not None and isinstance(item.value.data, Table) else None
