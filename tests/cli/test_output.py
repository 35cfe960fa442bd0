"""Colour, escaping and JSON."""

from __future__ import annotations

import io
import json

import pytest

from arrowslit.cli.output import Output, Style, escaped, escaped_lines, painted


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert painted("no", Style.BAD, io.StringIO()) == "no"
    assert painted("no", Style.BAD, _Terminal()) == "\x1b[31mno\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("no", Style.BAD, _Terminal()) == "no"


def test_an_empty_no_color_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert painted("no", Style.BAD, _Terminal()) != "no"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        ("\x85\x7f", "\\x85\\x7f"),
        ("\u202e\u2028", "\\u202e\\u2028"),
        ("\U000e0001", "\\U000e0001"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_lines_and_tabs_stay_in_a_text() -> None:
    assert escaped_lines("a\tb\n\x07\n") == "a\tb\n\\x07\n"


def test_quiet_keeps_data_and_problems(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.data("data")
    output.note("note")
    output.problem("problem")
    assert capsys.readouterr() == ("data\n", "problem\n")


def test_json_has_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).json(answer="\x1b")
    out = capsys.readouterr().out
    assert json.loads(out) == {"version": 1, "answer": "\x1b"}
    assert "\x1b" not in out
