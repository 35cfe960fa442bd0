"""Excerpts: the right line, the carets under the right columns, nothing that a terminal would obey."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arrowslit.documents.excerpt import excerpt
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.tree import Document, Span, Table


def shown(text: str, *marks: Mark, name: str = "open.toml") -> str:
    """The excerpt for a finding with these marks."""
    document = Document(name, text, Table({}, Span(1, 1, 1, 1)))
    mark = marks[0] if marks else None
    return excerpt(document, Finding("relay-open", Severity.ERROR, "message", "key", mark, marks[1:]))


def test_the_place_and_what_is_said_there() -> None:
    text = "\n" * 40 + 'mode = "all_except_listed"\nall_except_listed = []\n'
    own = Mark(Span(41, 8, 41, 27), "everyone not listed may relay")
    other = Mark(Span(42, 21, 42, 23), "and the list is empty")
    assert shown(text, own, other) == (
        "  --> open.toml:41:8\n"
        '41 | mode = "all_except_listed"\n'
        "   |        ^^^^^^^^^^^^^^^^^^^ everyone not listed may relay\n"
        "42 | all_except_listed = []\n"
        "   |                     -- and the list is empty\n"
    )


def test_other_marks_stand_in_the_order_of_the_file() -> None:
    text = "a = 1\nb = 2\n\n\nc = 3\n"
    own, other = Mark(Span(5, 1, 5, 2), "again"), Mark(Span(1, 1, 1, 2), "first")
    assert shown(text, own, other) == (" --> open.toml:5:1\n1 | a = 1\n  | - first\n  ...\n5 | c = 3\n  | ^ again\n")


def test_two_marks_in_one_line() -> None:
    text = "a = b\n"
    assert shown(text, Mark(Span(1, 5, 1, 6), "value"), Mark(Span(1, 1, 1, 2), "key")) == (
        " --> open.toml:1:5\n1 | a = b\n  | - key\n  |     ^ value\n"
    )


def test_tabs_and_wide_and_combining_characters() -> None:
    text = '\tk = "日本e\u0301", bad'
    start = text.index("bad") + 1
    _, line, underline = shown(text, Mark(Span(1, start, 1, start + 3))).splitlines()
    assert line == '1 |     k = "日本e\u0301", bad'
    assert underline == "  |" + " " * (1 + 4 + 5 + 4 + 1 + 3) + "^^^"


def test_control_characters_are_escaped_and_counted() -> None:
    text = "\x1b[31m\u202e = x"
    output = shown(text, Mark(Span(1, 10, 1, 11), "\x07"), name="a\nb")
    assert output == " --> a\\nb:1:10\n1 | \\x1b[31m\\u202e = x\n  |                  ^ \\x07\n"


def test_a_place_that_goes_on_below_is_underlined_to_its_lines_end() -> None:
    assert shown("a = [\r\n 1 ]\r\n", Mark(Span(1, 5, 2, 4))).endswith("1 | a = [\n  |     ^\n")


def test_the_end_of_the_file() -> None:
    assert shown("a =", Mark(Span(1, 4, 1, 5), "here")).endswith("1 | a =\n  |    ^ here\n")
    assert shown("", Mark(Span(1, 1, 1, 1))).endswith("1 |\n  | ^\n")


def test_a_place_that_is_not_there_and_none_at_all() -> None:
    assert shown("a = 1", Mark(Span(9, 1, 9, 2))) == " --> open.toml:9:1\n"
    assert shown("a = 1") == "  --> open.toml\n"


def test_of_a_long_line_the_neighbourhood_is_shown() -> None:
    text = "x = [" + "1, " * 100_000 + "bad, " + "2, " * 100_000 + "]"
    start = text.index("bad") + 1
    _, line, underline = shown(text, Mark(Span(1, start, 1, start + 3), "here")).splitlines()
    assert len(line) < 200
    assert line[underline.index("^") :].startswith("bad,")
    assert "^^^ here" in underline


@given(st.text(max_size=30), st.integers(1, 40), st.integers(0, 40), st.text(max_size=5))
def test_whatever_stands_there_is_printable(text: str, column: int, length: int, says: str) -> None:
    output = shown(text, Mark(Span(1, column, 1, column + length), says), name=says)
    assert output.endswith("\n")
    assert all(line.isprintable() for line in output.splitlines())
