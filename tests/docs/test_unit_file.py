"""The unit for systemd fits the program."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from arrowslit.documents.settings import TimeoutSettings

UNIT = Path(__file__).parents[2] / "packaging" / "arrowslit.service"


@pytest.fixture
def service() -> configparser.SectionProxy:
    unit = configparser.RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit["Service"]


def test_systemd_waits_as_long_as_sessions_may_take(service: configparser.SectionProxy) -> None:
    assert int(service["TimeoutStopSec"]) > TimeoutSettings().drain


def test_the_next_process_may_say_that_it_is_the_main_one(service: configparser.SectionProxy) -> None:
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "all")


def test_it_has_one_capability_and_an_account_of_its_own(service: configparser.SectionProxy) -> None:
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    assert service["User"] not in ("", "root")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("name", ["arrowslit.service", "arrowslit-agent.service"])
def test_systemd_knows_every_word_of_it(tmp_path: Path, name: str) -> None:
    unit = tmp_path / name
    unit.write_text(
        UNIT.with_name(name).read_text().replace("/usr/bin/arrowslit", "/bin/true").replace("man:arrowslit(1)", "")
    )
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if name in line]
    assert ours == [], done.stderr
