"""The published examples load as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.trees import load

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/policy.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_loads(path: Path) -> None:
    loaded = load(path.read_text("utf-8"))
    assert loaded.policy is not None, loaded.findings
    assert {finding.name for finding in loaded.findings} <= {"network-source-not-followed", "network-file-missing"}


def test_there_are_examples() -> None:
    assert {path.parent.name for path in EXAMPLES} == {"small-office", "hosted-filter", "everything"}
