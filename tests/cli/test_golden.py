"""What the commands print for the examples, word for word: `golden/NAME.txt` holds command, exit code and both streams.

`ARROWSLIT_WRITE=1 pytest tests/cli/test_golden.py` writes them anew; read the difference before it is kept.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, arrowslit

GOLDEN = Path(__file__).parent / "golden"
DAY = "--date 2026-11-25"
LOG = "../../tests/cli/logs/mail.log --zone UTC --until 2026-03-31"
CASES = {
    "lint-small-office": ("small-office", f"policy lint {DAY}"),
    "lint-hosted-filter": ("hosted-filter", f"policy lint {DAY}"),
    "lint-everything": ("everything", f"policy lint {DAY}"),
    "lint-everything-expired": ("everything", "policy lint --date 2027-04-01 -q"),
    "lint-json": ("hosted-filter", f"policy lint --json {DAY}"),
    "test-small-office": ("small-office", f"policy test {DAY}"),
    "test-hosted-filter": ("hosted-filter", f"policy test {DAY}"),
    "test-everything": ("everything", f"policy test {DAY}"),
    "test-json": ("hosted-filter", f"policy test --json {DAY}"),
    "show-small-office": ("small-office", f"policy show {DAY}"),
    "explain-stranger": ("small-office", f"explain 203.0.113.9 --to bob@example.org {DAY}"),
    "explain-stranger-connects": ("small-office", f"explain 203.0.113.9 {DAY}"),
    "explain-filter": ("small-office", f"explain 83.245.15.239 --to bob@example.org {DAY}"),
    "explain-filter-relays": ("small-office", f"explain 83.245.15.239 --to someone@elsewhere.example {DAY}"),
    "explain-branch": (
        "small-office",
        f"explain 198.51.100.77 --reverse-name leeds.branches.example.org --to bob@example.org {DAY}",
    ),
    "explain-user": (
        "small-office",
        "explain 203.0.113.9 --virtual-server submission --authenticated-as bob --from bob@example.net "
        f"--to someone@elsewhere.example {DAY}",
    ),
    "explain-not-signed-in": (
        "small-office",
        f"explain 203.0.113.9 --virtual-server submission --to bob@example.org {DAY}",
    ),
    "explain-needs-tls": ("everything", f"explain 83.245.15.239 --to bob@example.org {DAY}"),
    "explain-certificate": (
        "everything",
        f"explain 203.0.113.9 --certificate mail.filter.example --to bob@example.org {DAY}",
    ),
    "explain-draft": (
        "hosted-filter",
        f"explain 203.0.113.9 --to info@globex.example --policy policy.toml {DAY}",
    ),
    "explain-json": ("hosted-filter", f"explain 203.0.113.9 --to info@globex.example --json {DAY}"),
    "explain-no-address": ("small-office", "explain 203.0.113"),
    "explain-virtual-server": ("small-office", "explain 203.0.113.9 --virtual-server submision"),
    "rehearse": ("small-office", f"policy rehearse {LOG} {DAY}"),
    "rehearse-all": ("hosted-filter", f"policy rehearse {LOG} {DAY} --all -q"),
    "rehearse-json": ("small-office", f"policy rehearse {LOG} {DAY} --json"),
    "rehearse-format": ("small-office", f"policy rehearse {LOG} --format exam {DAY}"),
    "rehearse-service": ("small-office", f"policy rehearse {LOG} --service smtpd=submision {DAY}"),
    "rehearse-no-log": ("small-office", "policy rehearse policy.toml"),
    "import-csv": ("small-office", "policy import ../../tests/cli/logs/ranges.csv"),
    "import-nothing": ("small-office", "policy import policy.toml --from cvs"),
    "help-relay-open": ("small-office", "help relay-open"),
    "help-near": ("small-office", "help may-not-rely"),
    "no-such-command": ("small-office", "polcy lint"),
    "no-such-option": ("small-office", "explain 203.0.113.9 --tsl"),
    "no-subcommand": ("small-office", "policy lnt"),
    "usage": ("small-office", "--help"),
    "usage-explain": ("small-office", "explain --help"),
    "usage-policy": ("small-office", "policy --help"),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    example, line = CASES[name]
    result = arrowslit(*shlex.split(line), cwd=EXAMPLES / example)
    text = f"$ cd examples/{example}; arrowslit {line}\n{result.out}--- stderr\n{result.err}--- exit {result.code}\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("ARROWSLIT_WRITE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_file_is_checked() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)
