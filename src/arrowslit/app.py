"""Puts a node together from its files and its store: the one place that knows both.

Terms: at its start a node takes up what the store has as active; an empty store gets `policy.toml` as revision 1. From
then on a node runs what the copies in its state folder say (`documents.local_copy`), so that an edit of `policy.toml`
changes nothing before it is applied (decisions 21). Where the store is away, the last copy holds, and without one
everybody is deferred. Never judges a policy: a site that is not admissible is refused.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from arrowslit.documents.alarm_routes import alarm_routes
from arrowslit.documents.certificates import LISTENERS, CertificateUse, named_in
from arrowslit.documents.files import Placed
from arrowslit.documents.local_copy import LocalCopies, Target, text_hash
from arrowslit.documents.own_certificate import CertificateFiles, certificate_files
from arrowslit.documents.packed import packed
from arrowslit.documents.settings import COUNTERS_SOCKET, Settings
from arrowslit.documents.settings_file import LoadedSettings, load_settings
from arrowslit.documents.site import POLICY_NAME, Site, load_site, settings_for_workers
from arrowslit.gateway.plan import AlarmPlan, ListenerPlan, NodePlan, PolicySource
from arrowslit.policy.model import Policy


class NotAdmissibleError(Exception):
    """The site may not be served; it stands in `site`, with everything that is wrong."""

    def __init__(self, site: Site) -> None:
        super().__init__("; ".join(_reasons(site)))
        self.site = site


@dataclass(frozen=True, slots=True)
class Active:
    """What was taken up: the plan of the node, the site it comes from, the certificate where listeners need one.

    `problem` says what is wrong with the store, where the node starts without it.
    """

    plan: NodePlan
    site: Site
    certificate: CertificateFiles | None
    settings: LoadedSettings
    problem: str = ""


def today() -> datetime.date:
    """The day (UTC)."""
    return datetime.datetime.now(datetime.UTC).date()


def take_up(settings_path: Path, policy_path: Path | None = None) -> Active:
    """What a node starts with: the store's active revision, or the last copy of one where the store is away.

    Raises NotAdmissibleError, StoreError where the store can be reached and can't be used, and OSError where the state
    folder can't be written.
    """
    from arrowslit.upkeep.start import bring_active  # noqa: PLC0415 - the store takes 160 ms to import

    loaded = load_settings(settings_path)
    settings = _settings(loaded)
    file = policy_path or settings_path.parent / POLICY_NAME
    first_text = cache(lambda: _first_text(settings_path, file))
    found = bring_active(settings, first_text, settings_path.parent)
    active = take_up_copy(settings_path, policy_path, found.target, loaded)
    LocalCopies(settings.node.state).set_active(found.target)
    return replace(active, problem=found.problem)


def take_up_copy(
    settings_path: Path,
    policy_path: Path | None = None,
    target: Target | None = None,
    in_force: LoadedSettings | None = None,
) -> Active:
    """The settings that are in force, else as the file has them, with the policy of `target`, else the active one.

    The policy was judged when it became a revision; here it must load, and fit the settings. Raises NotAdmissibleError,
    and OSError where files of the state folder can't be used.
    """
    loaded = in_force or load_settings(settings_path)
    settings = _settings(loaded)
    copies = LocalCopies(settings.node.state)
    if target is None:
        active = copies.active()
        if active is None:
            raise FileNotFoundError(f"there is no whole copy of a policy in {copies.folder}")
        target = active.target
    path = copies.path(target.revision)
    site = load_site(
        settings_path,
        path,
        date=today(),
        revision=target.revision,
        generation=target.generation,
        secrets=True,
        certificates_at=time.time(),
        contents=packed(path, target.generation),
        settings_in_force=loaded,
    )
    if site.settings is None or site.policy is None or _unfit(site, path):
        raise NotAdmissibleError(site)
    return _active(site, loaded, site.policy, settings_path, policy_path, path)


def _settings(loaded: LoadedSettings) -> Settings:
    if loaded.settings is None:
        raise NotAdmissibleError(Site(None, None, tuple(loaded.findings)))
    return loaded.settings


def _first_text(settings_path: Path, file: Path) -> str:
    """The text of the first revision, judged with what its networks' sources say now. Raises NotAdmissibleError."""
    from arrowslit.upkeep.living import asked_now  # noqa: PLC0415

    site = load_site(settings_path, file, date=today(), certificates_at=time.time())
    if site.policy is not None and site.settings is not None:
        known = asked_now(site.policy, site.settings.dns.servers, settings_path.parent)
        if known:
            site = load_site(settings_path, file, date=today(), certificates_at=time.time(), contents=known)
    if not site.admissible:
        raise NotAdmissibleError(site)
    return site.policy_text


def _unfit(site: Site, path: Path) -> bool:
    """Whether something keeps the node from running that revision: what lint thinks of it was asked before."""
    return any(
        not placed.finding.waivable or placed.document is None or placed.document.name != str(path)
        for placed in site.errors
    )


def _active(
    site: Site, loaded: LoadedSettings, policy: Policy, settings_path: Path, policy_path: Path | None, path: Path
) -> Active:
    settings = _settings(loaded)
    file = policy_path or settings_path.parent / POLICY_NAME
    source = PolicySource(path, policy.revision, generation=policy.generation)
    if file.exists():
        source = replace(source, file=file.absolute(), file_sha256=text_hash(site.policy_text))
    needs_certificate = any(listener.tls != "off" for listener in settings.listeners)
    certificate = certificate_files(settings) if needs_certificate else None
    told = settings_for_workers(settings, settings_path, generation=policy.generation, sources=site.sources)
    base = settings_path.parent.absolute()
    plan = replace(
        _plan(settings, told, source, certificate),
        alarms=_alarms(settings, policy, site.sources.secrets, base),
        certificates=tuple(_certificates(settings, policy, certificate, base)),
        beside=_beside(settings, base),
    )
    return Active(plan, site, certificate, loaded)


def _beside(settings: Settings, base: Path) -> dict[str, Any]:
    """What the process beside the workers needs to know (`gateway.beside`)."""
    return {
        "store": settings.store,
        "keep_seconds": settings.log.keep,
        "base": str(base),
        "dns": list(settings.dns.servers),
    }


def run(active: Active, reload: Callable[[Target | None], NodePlan], say: Callable[[str], None]) -> int:
    """Run the node until it is told to stop; 0 where every session ended by itself, else 1.

    `reload` gives the next plan, with the policy of a target or with the active one, or raises to refuse; `say` takes
    lines for the operator. Raises OSError where a listener cannot be opened.
    """
    from arrowslit.gateway.listeners import ListenerError  # noqa: PLC0415 - asyncio is not needed to judge files
    from arrowslit.gateway.supervisor import serve  # noqa: PLC0415

    try:
        return serve(active.plan, reload, say=say)
    except ListenerError as error:
        raise OSError(str(error)) from None


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
        journal=settings.node.state.absolute() / "journal",
        agent_counters=_counters(settings),
    )


def _counters(settings: Settings) -> Path | None:
    if not any(point.follow for point in settings.enforcement_points.values()):
        return None
    return settings.agent.state.absolute() / COUNTERS_SOCKET


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
