"""Which targets are worked with live, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrowslit.documents.settings import EnforcementPoint
from arrowslit.rollout.live import LIVE, live_point
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.register import MODULES


def test_what_is_live_is_a_target() -> None:
    assert set(LIVE) <= set(MODULES)


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(LIVE)))
def test_what_is_only_compiled_to_says_so_and_where_there_is_another_way(name: str, tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=f"{name} is only compiled to: arrowslit target compile") as said:
        live_point(EnforcementPoint(target=name), tmp_path / "kept.json")
    assert ("the target nftables guards published ports live" in str(said.value)) is (name == "iptables-docker")
