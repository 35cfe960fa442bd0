"""A node without store and without the process beside it, for comparison: `python -m bench.bare SETTINGS`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from arrowslit.app import run, take_up
from arrowslit.gateway.plan import NodePlan


def _bare(plan: NodePlan) -> NodePlan:
    return replace(plan, beside={}, journal=None)


def main(settings: Path) -> int:
    """Run it until it is told to stop."""
    active = take_up(settings)
    plan = _bare(active.plan)
    return run(replace(active, plan=plan), lambda _target: plan, lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
