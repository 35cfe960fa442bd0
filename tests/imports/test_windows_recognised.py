"""The kind of a file of the Windows world is found by what stands in it, among all kinds."""

from __future__ import annotations

import pytest

from arrowslit.imports.register import recognised
from tests.imports.test_windows_hostile import SAMPLES


@pytest.mark.parametrize(("kind", "texts"), SAMPLES)
def test_the_kind_is_found(kind: str, texts: list[str]) -> None:
    found = [recognised(text) for text in texts]
    assert [one.name for one in found if one is not None] == [kind] * len(texts)
