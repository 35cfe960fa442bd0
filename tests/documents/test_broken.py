"""Broken files, each with the text that an administrator sees beside it.

`ARROWSLIT_WRITE=1 pytest tests/documents/test_broken.py` writes the texts anew; read the difference before it is kept.
"""

from __future__ import annotations

import datetime
import io
import os
from pathlib import Path

import pytest

from arrowslit.cli.findings import finding_text, in_order
from arrowslit.documents.files import Placed
from arrowslit.documents.settings_file import load_settings
from arrowslit.documents.site import load_site
from arrowslit.policy.finding import Severity

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.toml"))
DATE = datetime.date(2026, 11, 25)
MILD = {"settings-webhook-in-clear", "policy-network-file-missing", "policy-password-file-missing"}
LOADS = {*MILD, "policy-relay-open", "policy-network-file-broken", "policy-recipients-file-broken"}


def _findings(path: Path) -> tuple[bool, tuple[Placed, ...]]:
    if path.stem.startswith("settings-"):
        loaded = load_settings(path)
        return loaded.settings is not None, loaded.findings
    site = load_site(None, path, date=DATE)
    return site.policy is not None, site.findings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_fault_is_told_with_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    loads, findings = _findings(Path(path.name))
    text = "\n\n".join(finding_text(placed, io.StringIO()) for placed in in_order(findings)) + "\n"
    expected = path.with_suffix(".expected")
    if os.environ.get("ARROWSLIT_WRITE") == "1":
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")
    assert loads is (path.stem in LOADS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_error_has_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    _, findings = _findings(Path(path.name))
    errors = [placed for placed in findings if placed.finding.severity is Severity.ERROR]
    assert bool(errors) is (path.stem not in MILD)
    for placed in errors:
        assert placed.finding.mark is not None
        assert placed.document is not None
        assert 1 <= placed.finding.mark.span.line <= placed.document.text.count("\n") + 1
