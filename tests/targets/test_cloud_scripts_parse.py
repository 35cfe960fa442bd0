"""The scripts for clouds in the shells that an administrator may have."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.targets.samples import POLICIES, made


@pytest.mark.parametrize("shell", [["sh", "-n"], ["bash", "-n"], ["bash", "--posix", "-n"]], ids=" ".join)
@pytest.mark.parametrize("name", ["aws", "azure", "gcp"])
@pytest.mark.parametrize("sample", ["small", "everybody-but", "nobody"])
def test_a_shell_reads_it(name: str, sample: str, shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]}")
    text = made(name, POLICIES[sample]).text
    done = subprocess.run([*shell, "-s"], input=text, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "missing"), [("aws", "SECURITY_GROUP"), ("azure", "RESOURCE_GROUP"), ("gcp", "NETWORK")]
)
def test_it_says_what_it_has_to_be_told(name: str, missing: str) -> None:
    text = made(name, POLICIES["small"]).text
    done = subprocess.run(["sh", "-s", "apply"], input=text, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert missing in done.stderr
