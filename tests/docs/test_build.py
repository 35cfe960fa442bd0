"""The pages can be built without a warning, and the generated ones are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from arrowslit.cli.reference import pages
from arrowslit.policy.findings import FINDINGS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("kind", "made"), [("html", "tutorial/first-lock-down.html"), ("man", "arrowslit.1")])
def test_the_pages_build(tmp_path: Path, kind: str, made: str) -> None:
    argv = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", kind, "-d", str(tmp_path / "trees"), str(DOCS)]
    done = subprocess.run([*argv, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / made).is_file()


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / "reference" / name).read_text("utf-8") == pages()[name], "run: make docs-reference"


def test_every_finding_has_its_place() -> None:
    text = (DOCS / "reference" / "findings.md").read_text("utf-8")
    assert [name for name in FINDINGS if f"## {name}\n" not in text] == []
