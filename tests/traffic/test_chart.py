"""The chart: days put together, the same numbers in bars and in words, and nothing of a stranger as markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.chart import chart, ticks
from arrowslit.traffic.chart_svg import svg
from arrowslit.traffic.chart_text import lines, table
from arrowslit.traffic.origins import WAYS
from tests.traffic.samples import MONDAY

SVG = "{http://www.w3.org/2000/svg}"
DAYS = {MONDAY: {"filter": 100, "around": 1}, MONDAY + 1: {}, MONDAY + 2: {"filter": 50, "inside": 30}}


def text(width: int = 80) -> list[str]:
    return ["".join(piece for _, piece in line) for line in lines(chart(DAYS, "recipients", 60), width)]


def test_series_without_a_number_are_left_out_and_what_is_stopped_comes_last() -> None:
    made = chart(DAYS, "recipients", 60)
    assert [one.way for one in made.series] == ["filter", "inside", "around"]
    assert [bar.numbers for bar in made.bars] == [(100, 0, 1), (0, 0, 0), (50, 30, 0)]
    assert made.totals == (150, 30, 1)


def test_the_chart_of_a_terminal() -> None:
    assert text(40) == [
        "recipients, each day (UTC)",
        "2026-03-02  101  " + "f" * 22 + "A",
        "2026-03-03    0  ",
        "2026-03-04   80  " + "f" * 11 + "i" * 7,
        "f through the filter 150",
        "i from inside 30   A around the filter 1",
    ]


@pytest.mark.parametrize(("number", "each", "bars"), [(60, 1, 60), (61, 7, 9), (600, 28, 22), (3000, 364, 9)])
def test_many_days_are_put_together_from_monday(number: int, each: int, bars: int) -> None:
    made = chart({MONDAY + n: {"filter": 1} for n in range(number)}, "recipients", 60)
    assert (made.each, len(made.bars), sum(made.totals)) == (each, bars, number)
    if each == 7:
        assert all(bar.first.weekday() == 0 for bar in made.bars)
        assert made.bars[0].first.isoformat() == "2026-03-02"


NUMBERS = st.dictionaries(
    st.integers(0, 40_000), st.dictionaries(st.sampled_from(WAYS), st.integers(0, 10**9), max_size=7), max_size=50
)


@given(NUMBERS, st.integers(20, 200))
def test_no_line_is_wider_than_the_terminal_and_nothing_small_is_lost(
    days: dict[int, dict[str, int]], width: int
) -> None:
    made = chart(days, "recipients", 60)
    for line in lines(made, width):
        assert len("".join(piece for _, piece in line)) <= max(width, 52)
    for bar, line in zip(made.bars, lines(made, width)[1:], strict=False):
        drawn = {way for way, _ in line[1:]}
        if sum(number > 0 for number in bar.numbers) <= 10:
            assert drawn == {one.way for one, number in zip(made.series, bar.numbers, strict=True) if number}


@given(st.integers(0, 10**12))
def test_ticks_are_round_and_reach_the_highest(highest: int) -> None:
    found = ticks(highest)
    assert found[0] == 0
    assert 2 <= len(found) <= 7
    assert found[-1] >= highest
    assert re.fullmatch(r"[125]0*", str(found[1]))


def test_the_table_has_every_number() -> None:
    assert table(chart(DAYS, "recipients", 60)) == [
        ("day", "filter", "inside", "around", "all"),
        ("2026-03-02", "100", "0", "1", "101"),
        ("2026-03-03", "0", "0", "0", "0"),
        ("2026-03-04", "50", "30", "0", "80"),
    ]


def drawing(title: str = "Who delivers") -> ET.Element:
    return ET.fromstring(svg(chart(DAYS, "recipients", 60), title))


def test_the_drawing_needs_nothing_else() -> None:
    text = svg(chart(DAYS, "recipients", 60), "Who delivers")
    for word in ("<script", "href", "http:", "https:", "@import", "<image", "foreignObject", "onload"):
        assert word not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "prefers-color-scheme:dark" in text


def test_the_table_of_the_drawing_is_one_for_a_screen_reader() -> None:
    found = drawing().find(f".//{SVG}g[@role='table']")
    assert found is not None
    rows = [[cell.text for cell in row] for row in found]
    assert rows == [list(row) for row in table(chart(DAYS, "recipients", 60))]
    assert [cell.get("role") for cell in found[0]] == ["columnheader"] * 5
    assert [cell.get("role") for cell in found[1]] == ["rowheader", "cell", "cell", "cell", "cell"]


def test_the_bars_are_as_tall_as_their_numbers() -> None:
    bars = drawing().findall(f".//{SVG}g[@role='img']/{SVG}g")
    heights = [[float(rect.get("height", "")) for rect in bar.findall(f"{SVG}rect")] for bar in bars]
    assert [len(one) for one in heights] == [2, 0, 2]
    assert heights[0][0] == pytest.approx(2 * heights[2][0], abs=0.2)
    assert heights[0][1] == 1.5
    assert bars[0][0].text == "2026-03-02: through the filter 100, from inside 0, around the filter 1"


def test_a_title_from_a_stranger_is_text() -> None:
    bad = '</title><script>alert(1)</script>" onload="x" & \x00\x1b[31m'
    found = drawing(bad)
    assert found.find(f".//{SVG}script") is None
    assert found.get("onload") is None
    assert found.get("aria-label") == '</title><script>alert(1)</script>" onload="x" & [31m'


def test_of_nothing_there_is_a_drawing_too() -> None:
    empty = chart({}, "recipients", 60)
    ET.fromstring(svg(empty, "Nothing"))
    assert lines(empty, 80) == []


def test_where_the_numbers_are_too_wide_for_a_small_screen_rows_are_two_lines() -> None:
    days = {MONDAY: dict.fromkeys(WAYS, 1_234_567), MONDAY + 1: dict.fromkeys(WAYS, 1)}
    found = ET.fromstring(svg(chart(days, "recipients", 60), "Who")).find(f".//{SVG}g[@role='table']")
    assert found is not None
    heights = [[int(cell.get("y", "")) - int(found[1][0].get("y", "")) for cell in row] for row in found[1:]]
    assert heights == [[0, 0, 14, 0, 14, 0, 14, 0, 14], [38, 38, 52, 38, 52, 38, 52, 38, 52]]
    small = drawing().find(f".//{SVG}g[@role='table']")
    assert small is not None
    assert len({cell.get("y") for cell in small[1]}) == 1


@pytest.mark.parametrize(
    ("highest", "marks"), [(4, "0 1 2 3 4"), (1500, "0 500 1 k 1.5 k"), (2_400_000, "0 500 k 1 M 1.5 M 2 M 2.5 M")]
)
def test_marks_are_short(highest: int, marks: str) -> None:
    root = ET.fromstring(svg(chart({MONDAY: {"filter": highest}}, "recipients", 60), "Who"))
    assert " ".join(one.text or "" for one in root.findall(f".//{SVG}g[@role='img']/{SVG}text")) == marks
