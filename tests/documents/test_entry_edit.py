"""Entries are added and removed without touching another character of the policy."""

from __future__ import annotations

import datetime
import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.documents.entry_edit import EditError, Place, add_entry, remove_entry
from arrowslit.documents.toml import parse
from tests.policy.test_examples import EXAMPLES as _PATHS

EXAMPLES = {path.parent.name: path.read_text("utf-8") for path in _PATHS}
CONNECT = Place("default", "connection_control", "only_listed")
SKIP = Place("default", "skip_checks", "only_listed")
NEW = {"computer": "203.0.113.9", "note": 'the "new" one \\ \u00e9', "expires": datetime.date(2027, 1, 2)}


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:3] not in ("---", "+++") and line[:2] != "@@"]


def test_an_entry_is_one_more_line_of_a_long_list() -> None:
    text = EXAMPLES["everything"]
    assert changed(text, add_entry(text, CONNECT, NEW)) == [
        '+  { computer = "203.0.113.9", note = "the \\"new\\" one \\\\ \u00e9", expires = 2027-01-02 },'
    ]


def test_an_entry_goes_with_its_line_and_its_comment() -> None:
    text = EXAMPLES["everything"]
    assert changed(text, remove_entry(text, CONNECT, 6)) == [
        '-  { certificate = "mail.filter.example" },          # a subject alternative name, or "sha256:\u2026"'
    ]


def test_what_was_added_can_be_removed_again() -> None:
    for text in EXAMPLES.values():
        for table in ("connection_control", "relay_restrictions", "skip_checks", "delivery"):
            place = Place("default", table, "only_listed")
            added = add_entry(text, place, NEW)
            found = parse(added, "x").root.items["virtual_servers"].value.data.items["default"]  # type: ignore[union-attr]
            entries = found.value.data.items[table].value.data.items["only_listed"].value.data  # type: ignore[union-attr]
            again = remove_entry(added, place, len(entries) - 1)
            assert [line for line in changed(text, again) if "only_listed" not in line and table not in line] in (
                [],
                ["+"],
            )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[]", '[ { computer = "192.0.2.9" } ]'),
        ("[ ]", '[ { computer = "192.0.2.9" } ]'),
        ('[{computer="192.0.2.1"}]', '[{computer="192.0.2.1"}, { computer = "192.0.2.9" }]'),
        ('[ {computer="192.0.2.1"}, ]', '[ {computer="192.0.2.1"}, { computer = "192.0.2.9" }, ]'),
        (
            '[\n\t{computer="192.0.2.1"} # no comma\n\t# the end\n]',
            '[\n\t{computer="192.0.2.1"}, # no comma\n\t# the end\n\t{ computer = "192.0.2.9" },\n]',
        ),
        ("[\n  # nobody yet, really\n]", '[\n  # nobody yet, really\n  { computer = "192.0.2.9" },\n]'),
        ('[{computer="192.0.2.1"},\n {computer="192.0.2.2"}]', None),
    ],
)
def test_every_way_to_write_a_list(before: str, after: str | None) -> None:
    head = "version = 1\n[virtual_servers.default.connection_control]\nonly_listed = "
    text = f'{head}{before} # behind\nmode = "only_listed"\n'
    result = add_entry(text, CONNECT, {"computer": "192.0.2.9"})
    assert result.endswith(' # behind\nmode = "only_listed"\n')
    if after is not None:
        assert result == f'{head}{after} # behind\nmode = "only_listed"\n'


def test_a_table_or_a_list_that_is_not_there_is_made() -> None:
    text = "version = 1\n[virtual_servers.default]\n[virtual_servers.default.skip_checks]\n# why\nmode = 'only_listed'"
    assert changed(text, add_entry(text, SKIP, {"network": "office"})) == ['+only_listed = [ { network = "office" } ]']
    place = Place("mx one", "delivery", "only_listed")
    made = add_entry(text, place, {"network": "office"})
    assert made.endswith('\n\n[virtual_servers."mx one".delivery]\nonly_listed = [ { network = "office" } ]\n')


@pytest.mark.parametrize(
    "text",
    [
        'virtual_servers = { default = { skip_checks = { mode = "only_listed" } } }\n',
        'virtual_servers.default.skip_checks.mode = "only_listed"\n',
        "virtual_servers.default.skip_checks.only_listed = 5\n",
        "[virtual_servers\n",
    ],
)
def test_what_can_not_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(EditError):
        add_entry(text, SKIP, {"network": "office"})


def test_an_entry_that_is_not_there() -> None:
    with pytest.raises(EditError, match="no such entry"):
        remove_entry(EXAMPLES["small-office"], Place("none", "delivery", "only_listed"), 0)


@given(
    st.lists(st.tuples(st.sampled_from(["", " ", "\n", "\n  ", " # x, ]\n "]), st.booleans()), max_size=5), st.data()
)
def test_any_layout_keeps_all_other_entries(parts: list[tuple[str, bool]], data: st.DataObject) -> None:
    items = [f'{gap}{{ computer = "192.0.2.{n}" }}{" " if space else ""}' for n, (gap, space) in enumerate(parts)]
    text = f"[virtual_servers.default.connection_control]\nonly_listed = [{','.join(items)}\n]\n"
    added = add_entry(text, CONNECT, {"network": "x"})
    assert added.count("192.0.2.") == len(parts)
    at = data.draw(st.integers(0, len(parts)))
    assert remove_entry(added, CONNECT, at).count("192.0.2.") == len(parts) - (at < len(parts))
