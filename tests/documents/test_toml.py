"""TOML with places: the values are tomllib's, the places are where the text says."""

from __future__ import annotations

import datetime
import time
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.documents.toml import TomlError, parse
from arrowslit.policy.tree import Document, Item, Span, Table, Value

EVERYTHING = '''\
# every form of TOML 1.0
title = "a \\"b\\" \\u00e9 \\t" # remark
'q.k' = 'C:\\raw'
"k\\u0065y".sub = """
first \\
   joined "quoted" """
raw = \'\'\'
x\\y\'\'\'
empty = ""
ints = [ +1, -2, 0, 1_000, 0xdead_beef, 0o17, 0b1010 ]
floats = [1.5, -0.1e-3, 6e5, 1_0.5, inf, -inf]
truth = [true, false]
when = [1979-05-27T07:32:00Z, 1979-05-27 00:32:00.999-07:00, 1979-05-27t07:32:00]
days = [
  1979-05-27, # a remark
  07:32:00, 07:32:00.5,
]
mixed = [1, "ä", [2, { x = 1, y.z = [ { } ] }], 3.0]
none = []
"ü" = { "ö" = "ä", b = 1 }
a.b.c = 1
a.b.d = 2
a . "e f" = 3

[table]
x = 1
[ table . inner . "deep.er" ]
y = "日本" # wide
[late.sub]
z = 1
[late]
w = 2
[[list]]
n = 1
[list.of]
m = 1
[[list.items]]
k = 1
[[list.items]]
[[list]]
[list.of]
m = 2
'''


def plain(value: Value | Table) -> Any:
    """The value without places."""
    data = value.data if isinstance(value, Value) else value
    if isinstance(data, Table):
        return {key: plain(item.value) for key, item in data.items.items()}
    return [plain(item) for item in data] if isinstance(data, tuple) else data


def cut(text: str, span: Span) -> str:
    """What stands at the place."""
    lines = text.split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def check(document: Document) -> None:
    """The values are tomllib's, and every place holds what the tree says."""
    assert repr(plain(document.root)) == repr(tomllib.loads(document.text))
    _check_table(document.text, document.root)


def _check_table(text: str, table: Table) -> None:
    for key, item in table.items.items():
        assert item.key == key
        assert list(tomllib.loads(f"{cut(text, item.span)} = 0")) == [key]
        _check_value(text, item.value)


def _check_value(text: str, value: Value) -> None:
    written = cut(text, value.span)
    if isinstance(value.data, Table):
        assert value.data.span == value.span
        _check_table(text, value.data)
        if written.startswith("{"):
            assert repr(tomllib.loads(f"x = {written}")["x"]) == repr(plain(value))
        return
    if isinstance(value.data, tuple):
        for item in value.data:
            _check_value(text, item)
    if not written.startswith("[["):
        assert repr(tomllib.loads(f"x = {written}")["x"]) == repr(plain(value))


def item(document: Document, *path: str | int) -> Item | Value:
    """What is at a path."""
    found: Item | Value = Item("", document.root.span, Value(document.root, document.root.span))
    for step in path:
        value = found.value if isinstance(found, Item) else found
        if isinstance(step, str):
            assert isinstance(value.data, Table)
            found = value.data.items[step]
        else:
            assert isinstance(value.data, tuple)
            found = value.data[step]
    return found


def test_every_form() -> None:
    document = parse(EVERYTHING, "x.toml")
    check(document)
    assert document.name == "x.toml"
    assert document.text == EVERYTHING


def test_line_ends_of_windows() -> None:
    check(parse(EVERYTHING.replace("\n", "\r\n"), "x.toml"))


def test_kinds_of_scalars() -> None:
    document = parse(EVERYTHING, "x.toml")
    day = item(document, "days", 0)
    assert isinstance(day, Value)
    assert day.data == datetime.date(1979, 5, 27)
    truth = item(document, "truth", 1)
    assert isinstance(truth, Value)
    assert truth.data is False


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (("title",), '"a \\"b\\" \\u00e9 \\t"'),
        (("table", "inner", "deep.er"), '[ table . inner . "deep.er" ]'),
        (("table", "inner", "deep.er", "y"), '"日本"'),
        (("table", "inner"), "inner"),
        (("late",), "[late]"),
        (("list",), "[[list]]"),
        (("list", 1), "[[list]]"),
        (("list", 0, "items", 1), "[[list.items]]"),
        (("a", "b"), "b"),
        (("ü",), '{ "ö" = "ä", b = 1 }'),
        (("ü", "b"), "1"),
        (("mixed", 2, 1, "y", "z", 0), "{ }"),
    ],
)
def test_place_of_a_value(path: tuple[str | int, ...], written: str) -> None:
    found = item(parse(EVERYTHING, "x.toml"), *path)
    value = found.value if isinstance(found, Item) else found
    assert cut(EVERYTHING, value.span) == written


def test_columns_count_characters() -> None:
    found = item(parse('"ü" = { "ö" = "ä", b = 1 }', "x.toml"), "ü", "b")
    assert isinstance(found, Item)
    assert found.span == Span(1, 20, 1, 21)
    assert found.value.span == Span(1, 24, 1, 25)


def test_the_key_is_placed_where_it_is_written_first() -> None:
    found = item(parse("[late.sub]\n[late]\nw = 2\n", "x.toml"), "late")
    assert isinstance(found, Item)
    assert found.span == Span(1, 2, 1, 6)
    assert found.value.span == Span(2, 1, 2, 7)


def test_an_empty_file() -> None:
    assert parse("", "x.toml").root.items == {}
    assert parse("# only a remark", "x.toml").root.items == {}


def test_a_large_file() -> None:
    text = "".join(f'[[entries]]\naddress = "192.0.2.{n % 256}/32" # {n}\nnote = "ä {n}"\n' for n in range(20_000))
    started = time.monotonic()
    document = parse(text, "x.toml")
    assert time.monotonic() - started < 20
    assert cut(text, item(document, "entries", 19_999, "note").value.span) == '"ä 19999"'  # type: ignore[union-attr]


def test_a_large_line() -> None:
    """Columns of one long line are not counted from its start each time."""
    text = "x = [" + '"ä", ' * 50_000 + "]"
    started = time.monotonic()
    found = item(parse(text, "x.toml"), "x", 49_999)
    assert time.monotonic() - started < 20
    assert cut(text, found.span) == '"ä"'


# Against tomllib, on texts that Hypothesis makes.

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=8)
_BARE = st.text("abcXYZ012-_", min_size=1, max_size=4)


def _basic(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


_KEY = _BARE | _TEXT.map(_basic) | st.text("abä .#=[]", max_size=4).map(lambda text: f"'{text}'")
_DOTTED = st.lists(_KEY, min_size=1, max_size=3).map(" . ".join) | _KEY
_SCALAR = (
    _TEXT.map(_basic)
    | _TEXT.map(lambda text: f'"""{_basic(text)[1:-1]}"""')
    | st.text('ab ä\\"', max_size=6).map(lambda text: f"'{text}'")
    | st.text('ab\nä\\"', max_size=6).map(lambda text: f"'''{text}'''")
    | st.integers(-(10**12), 10**12).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.sampled_from(["true", "false", "inf", "+inf", "0xFF", "0o7", "0b1", "1_0", "1e3", "07:32:00", "1979-05-27"])
    | st.sampled_from(["1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5+01:00", "1979-05-27T07:32:00"])
)
_SPACE = st.sampled_from(["", " ", "\t"])
_BREAK = st.sampled_from(["", "\n", " # ä, ]\n", "  "])


def _array(items: list[str], gap: str) -> str:
    return f"[{gap}{''.join(f'{text}{gap},{gap}' for text in items)}]"


def _inline(pairs: list[tuple[str, str]], gap: str) -> str:
    return "{ " + ", ".join(f"{key}{gap}={gap}{value}" for key, value in pairs) + " }"


_VALUE = st.recursive(
    _SCALAR,
    lambda inner: (
        st.builds(_array, st.lists(inner, max_size=3), _BREAK)
        | st.builds(_inline, st.lists(st.tuples(_DOTTED, inner), max_size=3), _SPACE)
    ),
    max_leaves=6,
)
_PAIR = st.builds(lambda key, value, gap: f"{key}{gap}={gap}{value}", _DOTTED, _VALUE, _SPACE)
_HEADER = _DOTTED.map(lambda key: f"[{key}]") | _DOTTED.map(lambda key: f"[[ {key} ]]")
_LINE = _PAIR | _PAIR | _HEADER | st.sampled_from(["", "# remark", "  "])
_END = st.sampled_from(["\n", " # é\n", "\r\n"])
_FILE = st.lists(st.tuples(_LINE, _END), max_size=8).map(lambda lines: "".join(a + b for a, b in lines))


def agrees(text: str) -> None:
    """tomllib and `parse` accept the same texts and find the same in them; a refusal has a place in the text."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlError) as refusal:
            parse(text, "x.toml")
        _check_place(text, refusal.value)
    else:
        check(parse(text, "x.toml"))


def _check_place(text: str, error: TomlError) -> None:
    span, lines = error.span, text.split("\n")
    assert 1 <= span.line == span.end_line <= len(lines)
    assert 1 <= span.column < span.end_column <= len(lines[span.line - 1]) + 2
    assert error.message.isprintable()


@given(_FILE)
def test_made_files(text: str) -> None:
    agrees(text)


@given(st.integers(0, len(EVERYTHING)), st.integers(0, 3), st.text("\"'[]{}=.,#\\\n ä1a", max_size=3))
def test_broken_files(place: int, removed: int, added: str) -> None:
    agrees(EVERYTHING[:place] + added + EVERYTHING[place + removed :])


@given(st.text("\"'[]{}=.,#\\\n\r ä1a-:T", max_size=12) | st.text(max_size=12))
def test_garbage(text: str) -> None:
    agrees(text)
