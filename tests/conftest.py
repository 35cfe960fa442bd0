"""What holds for all tests: how many examples Hypothesis tries, and what happens to a test that
cannot run on this machine.

- `@pytest.mark.peer("postfix", ...)`: needs these peers (names of `tests.peers.install.PEERS`).
- `@pytest.mark.namespaces`: needs root and network namespaces.
- `@pytest.mark.long`: runs only with `--long`.

A test that lacks something is skipped with the reason. With ARROWSLIT_REQUIRE_PEERS=1 every skip is a
failure, so that CI cannot pass by leaving tests out.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.peers import install, netns

pytest_plugins = ["tests.peers.fixtures"]

# Examples are not timed: the machines that CI runs on stall for reasons of their own.
settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile(
    "ci", max_examples=50, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`."""
    parser.addoption("--long", action="store_true", help="also run the tests marked long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests unless they are asked for."""
    if config.getoption("--long") or "long" in str(config.getoption("-m")):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peers or rights are missing, and say which."""
    reasons = [
        reason
        for mark in item.iter_markers("peer")
        for name in mark.args
        if (reason := install.missing(name)) is not None
    ]
    if item.get_closest_marker("namespaces") and (reason := netns.missing()) is not None:
        reasons.append(reason)
    if reasons:
        pytest.skip("; ".join(reasons))


def _no_skips() -> bool:
    return os.environ.get("ARROWSLIT_REQUIRE_PEERS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where nothing may be left out."""
    report = yield
    if _no_skips() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"may not be skipped under ARROWSLIT_REQUIRE_PEERS=1: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a whole module that skips itself, as `pytest.importorskip` makes it."""
    report = yield
    if _no_skips() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"may not be skipped under ARROWSLIT_REQUIRE_PEERS=1: {report.longrepr}"
    return report
