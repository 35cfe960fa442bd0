"""docs/conduct.md names what exists: each rule has a place in the source and a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"\| (?P<rule>[^|]+) \| `(?P<place>[^`|]+)` \| `(?P<test>[^`|]+)` \|")


def _rows() -> list[tuple[str, str, str]]:
    lines = (ROOT / "docs" / "conduct.md").read_text("utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|") and not line.startswith(("| Rule ", "|---"))]
    found = [(line, ROW.fullmatch(line)) for line in tables]
    assert [line for line, match in found if match is None] == []
    return [(match["rule"], match["place"], match["test"]) for _, match in found if match is not None]


def _tests(path: Path) -> set[str]:
    """The tests of a file by name, those of a class as CLASS::NAME."""
    body = ast.parse(path.read_text("utf-8")).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    found = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return found | {
        f"{one.name}::{node.name}" for one in classes for node in one.body if isinstance(node, ast.FunctionDef)
    }


def test_every_rule_has_a_place_and_a_test() -> None:
    rows = _rows()
    missing = [place for _, place, _ in rows if not (ROOT / "src" / "arrowslit" / place).is_file()]
    for _, _, test in rows:
        file, _, name = test.partition("::")
        path = ROOT / "tests" / file
        if not path.is_file() or name not in _tests(path):
            missing.append(test)
    assert missing == []


def test_no_rule_stands_twice() -> None:
    rules = [rule for rule, _, _ in _rows()]
    assert len(rules) > 80
    assert len(set(rules)) == len(rules)
