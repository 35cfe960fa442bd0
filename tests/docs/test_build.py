"""The pages can be built without a warning, and the generated ones are up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.cli.reference import pages
from arrowslit.documents.words import words

DOCS = Path(__file__).parents[2] / "docs"
HTML = ["tutorial/first-lock-down.html", "reference/commands.html", "explanation/security-model.html"]
MAN = ["arrowslit.1", "arrowslit.toml.5", "arrowslit-policy.5"]


def build(docs: Path, to: Path, kind: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", kind, "-d", str(to / "trees"), str(docs), str(to / "out")]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("html")
    done = build(DOCS, folder, "html")
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.mark.parametrize("made", HTML)
def test_the_pages_build(html: Path, made: str) -> None:
    assert (html / made).is_file()


def test_every_finding_and_reason_has_its_place(html: Path) -> None:
    for page, kind in (("findings", "finding"), ("reasons", "reason")):
        places = set(re.findall(r'id="([a-z0-9-]+)"', (html / "reference" / f"{page}.html").read_text("utf-8")))
        wanted = {word.name for word in words().values() if word.kind == kind}
        assert wanted - places == set()
        assert len(wanted) > 20


def test_no_page_needs_another_machine(html: Path) -> None:
    for page in html.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text("utf-8"))
        assert loaded == [], page


def test_the_man_pages_build(tmp_path: Path) -> None:
    done = build(DOCS, tmp_path, "man")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(MAN)
    assert "arrowslit policy apply" in (tmp_path / "out" / "arrowslit.1").read_text("utf-8").replace("\\-", "-")


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    (docs / "index.md").write_text("# A page\n\n[gone](gone.md)\n")
    done = build(docs, tmp_path, "html")
    assert done.returncode != 0
    assert "gone.md" in done.stderr


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / "reference" / name).read_text("utf-8") == pages()[name], "run: make docs-reference"
