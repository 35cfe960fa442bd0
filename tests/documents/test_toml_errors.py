"""What an administrator reads for the usual slips: the place, and what to write instead."""

from __future__ import annotations

import pytest

from arrowslit.documents.toml import TomlError, parse
from arrowslit.policy.tree import Span

# The slip, what is underlined, and a part of the message.
SLIPS = [
    ("a = hello", "hello", 'put it in quotes, "hello"'),
    ("a = 192.168.0.0/24", "192.168.0.0/24", "put it in quotes"),
    ("a = [ 192.168.0.0/24 ]", "192.168.0.0/24", "put it in quotes"),
    ('a = ["x", y]', "y", "put it in quotes"),
    ("a = True", "True", "write true"),
    ("a = yes", "yes", "write true"),
    ("a = OFF # c", "OFF", "write false"),
    ("a = 007", "007", "write 7"),
    ("a = 2026-13-01", "2026-13-01", "no day or time"),
    ("a = \u201cx\u201d", "\u201cx\u201d", "of the wrong kind"),
    ("a = ", "a =", "value is missing"),
    ("a = # c", "a = # c", "value is missing"),
    ("a = [1,,2]", ",", "a value is missing before"),
    ("a", "a", "KEY = VALUE"),
    ('a "x"', 'a "x"', "the equals sign is missing"),
    ('a: "x"', ":", "not a colon"),
    ("a b = 1", "a b = 1", "stands in quotes"),
    ("  = 1", "= 1", "the key is missing"),
    ("\u00e4 = 1", "\u00e4", "put the key in quotes"),
    ("a/b = 1", "a/b = 1", "put the key in quotes"),
    ("}", "}", "nothing was opened"),
    ("[]", "[]", "name of a table is missing"),
    ("[t\na = 1", "[t", "not closed: write ]"),
    ("[[t]\na = 1", "[[t]", "]] for an array of tables"),
    ("b = 1\na = [1, 2\nc = 3", "[1, 2", "this [ is never closed"),
    ("a = [\n 'x',\n\n[t]\nb = 1", "[", "this [ is never closed"),
    ("a = [1, 2", "[1, 2", "this [ is never closed"),
    ("a = [1,\n", "[1,", "this [ is never closed"),
    ("a = [1,\n[\n", "[", "this [ is never closed"),
    ('a = ["x" "y"]', '"y"', "a comma is missing"),
    ("a = [\n 1\n 2\n]", "2", "a comma is missing"),
    ("a = { x = 1", "{ x = 1", "write }"),
    ("a = { x = 1,\n y = 2 }", "{", "on one line"),
    ("a = { x = 1, }", "{", "without a comma"),
    ('a = "x\nb = 1', '"x', "closing quote"),
    ("a = 'x", "'x", "closing quote"),
    ('a = """x\n', '"""x', "closing quote"),
    ('a = ["b", "c]', '"c]', "closing quote"),
    ('a = "C:\\Users"', 'a = "C:\\Users"', "put the text in single quotes"),
    ('a = "\\q"', 'a = "\\q"', "backslash"),
    ('a = "\x01"', "\x01", "write it as \\u0001"),
    ("a = 1 b = 2", "b = 2", "one setting a line"),
    ('a = "x" "y"', '"y"', "one setting a line"),
    ("a = 1\nb = 2\na = 3", "a", '"a" is already set on line 1'),
    ("a = {x=1, x=2}", "x", '"x" is already set on line 1'),
    ("a = 1\na.b = 2", "a", '"a" already has a value on line 1'),
    ("[t]\na = 1\n[t]\nb = 2", "[t]", '"t" is already there on line 1'),
    ("[t]\na = 1\n[[t]]", "[[t]]", '"t" is already there on line 1'),
    ("[a]\nb.c = 1\n[a.b]", "[a.b]", "already there"),
    ("\ufeffa = 1", "\ufeff", "byte order mark"),
    ("a = 1\r\nb = \r\n", "b =", "value is missing"),
]


@pytest.mark.parametrize(("text", "underlined", "message"), SLIPS)
def test_slip(text: str, underlined: str, message: str) -> None:
    with pytest.raises(TomlError) as refusal:
        parse(text, "x.toml")
    span = refusal.value.span
    line = text.replace("\r\n", "\n").split("\n")[span.line - 1]
    assert line[span.column - 1 : span.end_column - 1] == underlined
    assert message in refusal.value.message


def test_nested_too_deeply() -> None:
    with pytest.raises(TomlError, match="nested too deeply"):
        parse("a = " + "[" * 100_000, "x.toml")
    with pytest.raises(TomlError, match="nested too deeply"):
        parse("a = " + "[" * 5_000 + "]" * 5_000, "x.toml")


def test_what_cannot_be_printed_is_escaped() -> None:
    with pytest.raises(TomlError) as refusal:
        parse("a = x\x1b[31m", "x.toml")
    assert "\x1b" not in refusal.value.message


def test_a_refusal_at_the_end_of_the_file_is_placed_in_the_last_line() -> None:
    with pytest.raises(TomlError) as refusal:
        parse("a = 1\nb =", "x.toml")
    assert refusal.value.span == Span(2, 1, 2, 4)
