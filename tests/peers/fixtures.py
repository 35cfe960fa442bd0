"""Fixtures for all tests that use peers, and the peers' logs in the report of a test that failed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from tests.peers import process
from tests.peers.certs import Authority


@pytest.fixture
def running() -> Iterator[ExitStack]:
    """Start peers with `running.enter_context(postfix.next_hop(...))`; all are stopped after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issue certificates for this run of the tests."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget the logs of earlier tests."""
    process.journal.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the peers of a failed test have logged."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {name}", text()[-4_000:]) for name, text in process.journal.items()]
    return report
