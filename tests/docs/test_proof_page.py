"""The page that says how each target is shown names each one once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from arrowslit.targets.register import MODULES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "proof-of-targets.md"


def test_every_target_is_in_the_table_once() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and "`" in line]
    named = Counter(name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row))
    assert named == Counter(list(MODULES))
