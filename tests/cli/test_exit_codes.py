"""Exit codes and streams of the real command (0, 1, 2, 3, 130); node unreachable is in `test_send`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import EXAMPLES, REPOSITORY, arrowslit

BROKEN = REPOSITORY / "tests" / "documents" / "broken"


def test_done() -> None:
    assert arrowslit("policy", "lint", cwd=EXAMPLES / "hosted-filter").code == 0
    assert arrowslit("--version", cwd=EXAMPLES).out.startswith("arrowslit, version ")


@pytest.mark.parametrize("command", ["lint", "test", "show"])
def test_a_policy_that_does_not_load(command: str) -> None:
    result = arrowslit("policy", command, "policy-unknown-network.toml", cwd=BROKEN)
    assert result.code == 2
    text = result.out if command == "lint" else result.err
    assert "error[unknown-network]" in text
    assert " --> policy-unknown-network.toml:13:29" in text
    assert "Traceback" not in result.err


def test_explain_needs_a_policy_that_loads() -> None:
    result = arrowslit("explain", "192.0.2.1", "--policy", "policy-syntax.toml", cwd=BROKEN)
    assert (result.code, result.out) == (2, "")
    assert " --> policy-syntax.toml:13:19" in result.err


def test_settings_that_do_not_load() -> None:
    result = arrowslit("policy", "lint", "-c", "settings-all-at-once.toml", "--json", cwd=BROKEN)
    assert result.code == 2
    found = json.loads(result.out)
    places = {(one["file"], one["line"], one["column"]) for one in found["findings"]}
    assert ("settings-all-at-once.toml", 2, 1) in places
    assert found["loads"] is False


def test_the_answer_is_no_for_an_error_that_loads() -> None:
    result = arrowslit("policy", "lint", "policy-relay-open.toml", cwd=BROKEN)
    assert result.code == 3
    assert "error[relay-open]" in result.out
    assert "1 error, 2 warnings" in result.err


def test_the_answer_is_no_for_a_broken_expectation(tmp_path: Path) -> None:
    text = (EXAMPLES / "hosted-filter" / "policy.toml").read_text()
    (tmp_path / "policy.toml").write_text(text.replace('outcome = "reject"', 'outcome = "permit"'))
    result = arrowslit("policy", "test", cwd=tmp_path)
    assert result.code == 3
    assert result.out.splitlines()[1:] == [
        "broken  only the partner may write to globex",
        "        wanted  permit",
        "        got     reject at recipient",
        "        rule    default/delivery@globex.example/only_listed/end-of-list",
    ]


def test_explain_is_done_whatever_it_says() -> None:
    result = arrowslit("explain", "203.0.113.9", "--to", "info@globex.example", cwd=EXAMPLES / "hosted-filter")
    assert result.code == 0
    assert result.out.startswith("reject")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("explain",),
        ("explain", "203.0.113.9", "--to", "nobody"),
        ("explain", "203.0.113.9", "--from", "no address"),
        ("explain", "203.0.113.9", "--reverse-name", "-x-"),
        ("explain", "203.0.113.9", "--date", "tomorrow"),
        ("completion", "tcsh"),
        ("policy", "lint", "--json=yes"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = arrowslit(*arguments, cwd=EXAMPLES / "small-office")
    assert result.code == 2
    assert "Traceback" not in result.err


def test_no_policy_anywhere(tmp_path: Path) -> None:
    result = arrowslit("policy", "lint", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert "there is no policy.toml here" in result.err


def test_control_characters_are_never_printed_as_they_are() -> None:
    result = arrowslit("explain", "203.0.113.9", "--virtual-server", "a\x1b[2Jb\u202e", cwd=EXAMPLES / "small-office")
    assert result.code == 2
    assert 'no virtual server "a\\x1b[2Jb\\u202e"' in result.err
    assert "\x1b" not in result.err


def test_interrupted(tmp_path: Path) -> None:
    (tmp_path / "arrowslit.toml").write_text('[node]\nname = "mx.example"\n[[listeners]]\naddress = "127.0.0.1:25"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "arrowslit.cli.main", "user", "add", "bob"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    time.sleep(0.7)  # it waits for the password
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_who_has_seen_enough() -> None:
    command = f"{sys.executable} -m arrowslit.cli.main policy show -c no.toml policy.toml | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=EXAMPLES / "small-office",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_no_colour_without_a_terminal() -> None:
    result = arrowslit("policy", "lint", cwd=EXAMPLES / "small-office")
    assert "\x1b" not in result.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    result = arrowslit("completion", shell, cwd=EXAMPLES)
    assert result.code == 0
    assert "_ARROWSLIT_COMPLETE" in result.out


def test_completion_knows_the_commands() -> None:
    result = arrowslit(cwd=EXAMPLES, _ARROWSLIT_COMPLETE="bash_complete", COMP_WORDS="arrowslit po", COMP_CWORD="1")
    assert result.out == "plain,policy\n"


def test_help_lists_every_word() -> None:
    result = arrowslit("help", cwd=EXAMPLES)
    assert result.code == 0
    words = [line.split()[0] for line in result.out.splitlines()]
    assert {"relay-open", "may-not-relay", "syntax", "source-broken"} <= set(words)
    assert json.loads(arrowslit("help", "syntax", "--json", cwd=EXAMPLES).out)["words"][0]["name"] == "syntax"
