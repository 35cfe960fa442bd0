"""The policy that an import comes to, by way of its text: what the format says against it is a failure."""

from __future__ import annotations

from pathlib import Path

from arrowslit.documents.site import Site, load_site
from arrowslit.imports.document import document
from arrowslit.imports.imported import Imported
from arrowslit.policy.model import Policy
from tests.targets.truth import TODAY


def site_of(text: str) -> Site:
    """The site that the text of a policy comes to; no settings, no files."""
    return load_site(None, Path("policy.toml"), date=TODAY, text=text)


def policy_from(found: Imported) -> Policy:
    """The policy, which has no error finding and keeps all of its expectations."""
    text = document(found, "a test")
    site = site_of(text)
    assert not site.errors, [(one.finding.name, one.finding.message, one.finding.key) for one in site.errors]
    assert not site.broken_expectations, [one.says for one in site.broken_expectations]
    assert site.policy is not None
    return site.policy
