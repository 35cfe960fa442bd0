"""Puts a node together from its files: the one place that knows which store and which files stand behind the gateway.

Terms: to *activate* a site is to make its policy a revision: a copy in the state folder that workers load, so that an
edit of `policy.toml` changes nothing before it is taken up (decisions 21). Until there is a store, the copies of the
last revisions in the folder `revisions` are it. Never judges a policy: a site that is not admissible is refused.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arrowslit.documents.alarm_routes import alarm_routes
from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.certificates import LISTENERS, CertificateUse, named_in
from arrowslit.documents.files import Placed
from arrowslit.documents.own_certificate import CertificateFiles, certificate_files
from arrowslit.documents.packed import folder_of, pack
from arrowslit.documents.settings import Settings
from arrowslit.documents.site import POLICY_NAME, Site, load_site, settings_for_workers
from arrowslit.gateway.plan import AlarmPlan, ListenerPlan, NodePlan, PolicySource
from arrowslit.policy.model import Policy

_KEPT = 10


class NotAdmissibleError(Exception):
    """The site may not be served; it stands in `site`, with everything that is wrong."""

    def __init__(self, site: Site) -> None:
        super().__init__("; ".join(_reasons(site)))
        self.site = site


@dataclass(frozen=True, slots=True)
class Active:
    """What was taken up: the plan of the node, the site it comes from, the certificate where listeners need one."""

    plan: NodePlan
    site: Site
    certificate: CertificateFiles | None


@dataclass(frozen=True, slots=True)
class Revision:
    """The active revision: its number and the SHA-256 (hex) of its text; the same of the files that it names."""

    number: int
    policy_hash: str
    generation: int = 1
    sources_hash: str = ""


def today() -> datetime.date:
    """The day (UTC)."""
    return datetime.datetime.now(datetime.UTC).date()


def take_up(settings_path: Path, policy_path: Path | None = None) -> Active:
    """Read the files, judge them and activate them.

    The revision is a new one where the policy's text is another than the active one, the generation where a file that
    it names has changed (decisions 14). Raises NotAdmissibleError, and OSError where the state folder cannot be
    written.
    """
    site = load_site(settings_path, policy_path, date=today(), secrets=True, certificates_at=time.time())
    settings = site.settings
    if settings is None or site.policy is None or not site.admissible:
        raise NotAdmissibleError(site)
    active = activate(site, settings.node.state)
    file = policy_path or settings_path.parent / POLICY_NAME
    path = _copy(settings.node.state, active.number)
    source = PolicySource(path.absolute(), active.number, file.absolute(), site.policy_hash)
    needs_certificate = any(listener.tls != "off" for listener in settings.listeners)
    certificate = certificate_files(settings) if needs_certificate else None
    told = settings_for_workers(settings, settings_path, generation=active.generation, sources=site.sources)
    base = settings_path.parent.absolute()
    plan = replace(
        _plan(settings, told, source, certificate),
        alarms=_alarms(settings, site.policy, site.sources.secrets, base),
        certificates=tuple(_certificates(settings, site.policy, certificate, base)),
    )
    return Active(plan, site, certificate)


def run(active: Active, reload: Callable[[], NodePlan], say: Callable[[str], None]) -> int:
    """Run the node until it is told to stop; 0 where every session ended by itself, else 1.

    `reload` gives the next plan, or raises to refuse; `say` takes lines for the operator. Raises OSError where a
    listener cannot be opened.
    """
    from arrowslit.gateway.listeners import ListenerError  # noqa: PLC0415 - asyncio is not needed to judge files
    from arrowslit.gateway.supervisor import serve  # noqa: PLC0415

    try:
        return serve(active.plan, reload, say=say)
    except ListenerError as error:
        raise OSError(str(error)) from None


def active_revision(state: Path) -> Revision | None:
    """The revision that was activated last, None where there is none (or its record is broken)."""
    try:
        found = json.loads((state / "revisions" / "active.json").read_bytes())
        return Revision(int(found["revision"]), found["sha256"], int(found["generation"]), found["sources_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def activate(site: Site, state: Path) -> Revision:
    """Keep the policy's text as a revision in `state`, unless it is the active one already. Raises OSError."""
    folder = state / "revisions"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = _next(active_revision(state), site, _highest(folder))
    path = _copy(state, made.number)
    write_atomically(path, site.policy_text.encode(), 0o600)
    if site.policy is not None:
        pack(site.policy, path)
    record = {
        "revision": made.number,
        "sha256": made.policy_hash,
        "generation": made.generation,
        "sources_sha256": made.sources_hash,
    }
    write_atomically(folder / "active.json", json.dumps(record).encode(), 0o600)
    _prune(folder)
    return made


def _copy(state: Path, number: int) -> Path:
    return state / "revisions" / f"{number}.toml"


def _next(before: Revision | None, site: Site, highest: int) -> Revision:
    sources = site.sources.digest(secrets=False)
    if before is None:
        return Revision(highest + 1, site.policy_hash, 1, sources)
    number = before.number if before.policy_hash == site.policy_hash else highest + 1
    generation = before.generation + (before.sources_hash != sources)
    return Revision(number, site.policy_hash, generation, sources)


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.toml") if path.stem.isascii() and path.stem.isdigit())


def _highest(folder: Path) -> int:
    return max(_numbers(folder), default=0)


def _prune(folder: Path) -> None:
    for number in _numbers(folder)[:-_KEPT]:
        path = folder / f"{number}.toml"
        path.unlink(missing_ok=True)
        shutil.rmtree(folder_of(path), ignore_errors=True)


def _plan(
    settings: Settings, told: dict[str, Any], source: PolicySource, certificate: CertificateFiles | None
) -> NodePlan:
    metrics, log = settings.metrics.address, settings.log
    return NodePlan(
        name=settings.node.name,
        listeners=tuple(_listeners(settings, told["settings"]["listeners"], certificate)),
        policy=source,
        state_directory=settings.node.state.absolute(),
        workers=settings.node.workers,
        settings=told,
        metrics_address=None if metrics is None else metrics.text,
        decision_log=None if log.decisions is None else log.decisions.absolute(),
        mail_log=str(log.mail.absolute()) if isinstance(log.mail, Path) else log.mail,
        drain_seconds=settings.timeouts.drain,
    )


def _alarms(settings: Settings, policy: Policy, secrets: Mapping[str, str], base: Path) -> AlarmPlan:
    routes, _ = alarm_routes(settings.alarms.mail, policy)
    hops = [hop for route in routes for hop in route.hops]
    return AlarmPlan(
        mail=tuple(routes),
        webhook=settings.alarms.webhook or "",
        syslog=settings.alarms.syslog,
        folder=base,
        times=settings.next_hops,
        passwords={hop.name: secrets.get(hop.password_file, "") for hop in hops if hop.username},
    )


def _certificates(
    settings: Settings, policy: Policy, shown: CertificateFiles | None, base: Path
) -> Iterator[CertificateUse]:
    """Those that the files name, and the one that the node made itself where it shows that."""
    named = list(named_in(settings, policy, base))
    if shown is not None and settings.tls.certificate is None:
        yield CertificateUse(LISTENERS, shown.certificate)
    yield from named


def _listeners(
    settings: Settings, told: list[dict[str, Any]], certificate: CertificateFiles | None
) -> list[ListenerPlan]:
    """The plans; what a listener is told says all that it depends on, so that a reload sees what has changed."""
    files = {} if certificate is None else _certificate(certificate, settings.tls.client_ca)
    return [
        ListenerPlan(
            listener.address.text,
            {"index": index, "listener": told[index], **(files if listener.tls != "off" else {})},
        )
        for index, listener in enumerate(settings.listeners)
    ]


def _certificate(certificate: CertificateFiles, client_ca: Path | None) -> dict[str, str]:
    """Where the files are, and a digest: a certificate is mostly renewed in its place."""
    digest = hashlib.sha256(certificate.certificate.read_bytes() + certificate.key.read_bytes())
    if client_ca is not None:
        digest.update(client_ca.read_bytes())
    return {
        "certificate": str(certificate.certificate.absolute()),
        "key": str(certificate.key.absolute()),
        "digest": digest.hexdigest(),
    }


def _reasons(site: Site) -> list[str]:
    return [*map(_message, site.errors), *(result.says for result in site.broken_expectations)]


def _message(placed: Placed) -> str:
    finding, document = placed.finding, placed.document
    if document is None or finding.mark is None:
        return finding.message
    return f"{document.name}:{finding.mark.span.line}:{finding.mark.span.column}: {finding.message}"
