"""Everything that a node or a command needs to know of its files: settings, policy, and what is wrong with them.

Terms: a *site* is what the two files and the files they name say together at one moment; it is *admissible* where
nothing holds it up (policy-semantics, "A policy is not applied when"). Reading never changes anything.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from arrowslit.documents.files import Placed
from arrowslit.documents.packed import packed, with_packed
from arrowslit.documents.parsed import parse_document, read_document
from arrowslit.documents.settings import AlarmSettings, Settings
from arrowslit.documents.settings_file import LoadedSettings, load_settings
from arrowslit.documents.settings_json import settings_from_json, settings_to_json
from arrowslit.documents.sources import Sources, read_sources
from arrowslit.documents.together import doubtful_certificates, stranded_alarms, strays
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy import expectations
from arrowslit.policy.document import load_policy
from arrowslit.policy.expectations import ExpectationResult
from arrowslit.policy.finding import Finding, Severity
from arrowslit.policy.lint import lint
from arrowslit.policy.model import Policy
from arrowslit.policy.reading import dotted
from arrowslit.policy.tree import Document

POLICY_NAME = "policy.toml"


__all__ = ["POLICY_NAME", "Placed", "Site", "load_site", "settings_for_workers", "site_for_worker"]


@dataclass(frozen=True, slots=True)
class Site:
    """The files as values. `settings` and `policy` are None where they do not load (or were not asked for).

    `policy_hash` is the SHA-256 of the policy's text in hex, "" without one; `sources` what the files named by the
    policy hold, the secrets among them only where asked for.
    """

    settings: Settings | None
    policy: Policy | None
    findings: tuple[Placed, ...]
    expectations: tuple[ExpectationResult, ...] = ()
    sources: Sources = field(default_factory=Sources)
    policy_hash: str = ""
    policy_text: str = ""

    @property
    def errors(self) -> tuple[Placed, ...]:
        """The findings that hold the site up."""
        return tuple(placed for placed in self.findings if placed.finding.severity is Severity.ERROR)

    @property
    def loads(self) -> bool:
        """True where every file that was asked for could be read into its value."""
        return not any(not placed.finding.waivable for placed in self.errors)

    @property
    def broken_expectations(self) -> tuple[ExpectationResult, ...]:
        """Those that the policy breaks."""
        return tuple(result for result in self.expectations if not result.kept)

    @property
    def admissible(self) -> bool:
        """True where the site may be served: it loads, no error is left, every expectation holds."""
        return self.policy is not None and not self.errors and not self.broken_expectations


def load_site(
    settings_path: Path | None,
    policy_path: Path | None = None,
    *,
    date: datetime.date,
    revision: int = 1,
    generation: int = 0,
    secrets: bool = False,
    certificates_at: float | None = None,
    contents: Mapping[str, AddressSet] = MappingProxyType({}),
    text: str | None = None,
    settings_in_force: LoadedSettings | None = None,
) -> Site:
    """Read both files and what they name, and judge them as of `date` (UTC).

    Without `settings_path` only the policy is read, and the files that it names are beside it, else beside the
    settings. Without `policy_path` the policy is `policy.toml` beside the settings. With `certificates_at` (Unix
    seconds) there are findings about certificates that are not good at that time. `contents` holds the addresses of
    networks, by name, as they are known already: their files are not read. `text` is the policy's where it lies in no
    file; then `policy_path` is only what it is called. `settings_in_force` stand for the settings file, which is not
    read then: what is half edited there must not keep a policy from being taken up. Never raises for what is in the
    files, or missing.
    """
    settings: Settings | None = None
    settings_document: Document | None = None
    findings: list[Placed] = []
    if settings_path is not None:
        loaded = settings_in_force or load_settings(settings_path)
        settings, settings_document = loaded.settings, loaded.document
        findings += loaded.findings
    path = policy_path or _beside(settings_path)
    parsed = read_document(path) if text is None else parse_document(text, str(path))
    document = parsed.document
    if document is None:
        findings += [] if parsed.problem is None else [parsed.problem]
        return Site(settings, None, tuple(findings))
    sources = read_sources(document.root, (settings_path or path).parent, secrets=secrets, packed=contents)
    site = _judge(document, sources, date, revision, generation, contents)
    if site.policy is not None and settings is not None and settings_document is not None:
        for across in (strays, stranded_alarms):
            findings += [Placed(settings_document, one) for one in across(settings, settings_document, site.policy)]
    if site.policy is not None and certificates_at is not None:
        base = (settings_path or path).parent
        findings += doubtful_certificates(settings, settings_document, site.policy, document, base, certificates_at)
    return Site(
        settings, site.policy, (*findings, *site.findings), site.expectations, sources, site.policy_hash, document.text
    )


def site_for_worker(told: Mapping[str, Any], policy_path: Path, *, revision: int) -> Site:
    """The site as the parent took it up: settings from `told` (`settings_for_workers`), policy from its copy.

    So a settings file that was edited meanwhile, and is not taken up yet, keeps no worker from starting.
    """
    parsed = read_document(policy_path)
    if parsed.document is None:
        return Site(None, None, () if parsed.problem is None else (parsed.problem,))
    generation = int(told["generation"])
    sets = packed(policy_path, generation)
    sources = read_sources(parsed.document.root, Path(told["path"]).parent, secrets=True, packed=sets)
    loaded = load_policy(parsed.document, network_files=sources.networks, revision=revision, generation=generation)
    policy = None if loaded.policy is None else with_packed(loaded.policy, sets)
    findings = tuple(Placed(parsed.document, finding) for finding in loaded.findings)
    return Site(settings_from_json(told["settings"]), policy, findings, sources=sources)


def settings_for_workers(
    settings: Settings, settings_path: Path, *, generation: int = 1, sources: Sources | None = None
) -> dict[str, Any]:
    """What `site_for_worker` needs to be told, in the types that JSON has. Whom to tell of alarms is not theirs.

    It differs where a file that the policy names says something else, so that workers read all of them anew.
    """
    return {
        "path": str(settings_path.absolute()),
        "settings": settings_to_json(replace(settings, alarms=AlarmSettings())),
        "generation": generation,
        "sources": "" if sources is None else sources.digest(secrets=True),
    }


def _beside(settings_path: Path | None) -> Path:
    return Path(POLICY_NAME) if settings_path is None else settings_path.parent / POLICY_NAME


def _answered(finding: Finding, contents: Mapping[str, AddressSet]) -> bool:
    """Whether it only says that a network's addresses are not known, and they are."""
    return finding.name in _ABOUT_SOURCES and any(
        finding.key.startswith(f"{dotted('networks', name)}") for name in contents
    )


_ABOUT_SOURCES = frozenset({"network-file-missing", "network-source-not-followed"})


def _judge(
    document: Document,
    sources: Sources,
    date: datetime.date,
    revision: int,
    generation: int,
    contents: Mapping[str, AddressSet],
) -> Site:
    loaded = load_policy(document, network_files=sources.networks, revision=revision, generation=generation)
    policy = None if loaded.policy is None else with_packed(loaded.policy, contents)
    hashed = hashlib.sha256(document.text.encode()).hexdigest()
    said: Iterable[Finding] = (*sources.findings, *(one for one in loaded.findings if not _answered(one, contents)))
    if policy is None:
        return Site(None, None, tuple(Placed(document, one) for one in said), policy_hash=hashed)
    said = (*said, *lint(policy, date))
    results = tuple(expectations.check(policy, date))
    return Site(None, policy, tuple(Placed(document, one) for one in said), results, policy_hash=hashed)
