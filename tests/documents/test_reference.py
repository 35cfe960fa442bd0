"""The reference pages are what the declarations say."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrowslit.documents.reference import main, pages

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
MADE = pages()


@pytest.mark.parametrize("name", MADE)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == MADE[name], "run: make docs-reference"


def test_pages_are_written_where_they_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path / "reference")
    assert sorted(path.name for path in (tmp_path / "reference").iterdir()) == sorted(MADE)
    capsys.readouterr()
    main(tmp_path / "reference")
    assert capsys.readouterr().out == ""
