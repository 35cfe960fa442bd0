"""Tables and lists of addresses."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.imports.csv import CSV
from arrowslit.imports.imported import Entry, Imported, Source
from arrowslit.imports.register import recognised


def read(text: str, name: str = "ranges.csv") -> Imported:
    return CSV.read([Source(name, text)])


def listed(found: Imported) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in found.servers[0].connection_control.only_listed]


def test_a_table_with_all_columns() -> None:
    found = read(
        "\ufeffNetwork;Comment;Owner;Expires;Ticket\r\n"
        "192.0.2.0/28;the filter;it@example.org;2027-03-31;T-1\r\n"
        '"198.51.100.7";"branch; Leeds";;31.12.2026;\r\n'
    )
    [server] = found.servers
    assert server.name == "default"
    assert server.connection_control.mode == "only_listed"
    first, second = server.connection_control.only_listed
    assert (first.kind, first.value, first.note, first.owner) == (
        *("group", "192.0.2.0/28"),
        *("the filter", "it@example.org"),
    )
    assert first.expires == datetime.date(2027, 3, 31)
    assert first.origin.text == "ranges.csv:2"
    assert (second.kind, second.value, second.note) == ("computer", "198.51.100.7", "branch; Leeds")
    assert second.expires == datetime.date(2026, 12, 31)
    assert [(one.origin.line, one.text) for one in found.left] == [(1, "Ticket")]
    assert found.doubts == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from,to\n192.0.2.1,192.0.2.6\n", ("range", "192.0.2.1-192.0.2.6")),
        ("note\tFirst Address\tLast-Address\nx\t192.0.2.0\t192.0.2.7\n", ("group", "192.0.2.0/29")),
        ("From;To\n2001:db8::1;\n", ("computer", "2001:db8::1")),
        ("ip;mask\n192.0.2.16;255.255.255.240\n", ("group", "192.0.2.16/28")),
        ("IP Address,Name\n::ffff:192.0.2.1,x\n", ("computer", "192.0.2.1")),
        ("cidr\n2001:db8:25::/48\n", ("group", "2001:db8:25::/48")),
        ("# made by hand\n\n192.0.2.1-192.0.2.9   # the filter\n", ("range", "192.0.2.1-192.0.2.9")),
        ("192.0.2.0, 255.255.255.0\n", ("group", "192.0.2.0/24")),
        ("192.0.2.1 the filter\n", ("computer", "192.0.2.1")),
        ("192.0.2.1;the filter;more\n", ("computer", "192.0.2.1")),
    ],
)
def test_forms(text: str, wanted: tuple[str, str]) -> None:
    found = read(text)
    assert listed(found) == [wanted]
    assert found.left == []


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("network\n192.0.2.0/33\n", 2, "longer than 32"),
        ("network\nmail.example.org\n", 2, "not an address"),
        ("network;comment\n;nothing here\n", 2, "no address"),
        ("network;note\n192.0.2.1;a;b\n", 2, "no address"),
        ("ip;expires\n192.0.2.1;03/04/2027\n", 2, "2027-03-31"),
        ("ip;expires\n192.0.2.1;2027-02-30\n", 2, "2027-03-31"),
        ("ip;expires\n192.0.2.1;2027-03-31T00:00\n", 2, "2027-03-31"),
        ("from;to\n192.0.2.9;192.0.2.1\n", 2, "behind the last"),
        ("from;to\n;192.0.2.1\n", 2, "without the first"),
        ("from;to\n192.0.2.1;2001:db8::1\n", 2, "different families"),
        ("ip;from;to\n192.0.2.1;192.0.2.1;192.0.2.9\n", 2, "several"),
        ("ip;mask\n192.0.2.0/24;255.255.0.0\n", 2, "beside"),
        ('network;note\n192.0.2.1;"open\n', 2, "no address"),
        ("192.0.2.1, 192.0.2.9\n", 1, "hole"),
        ("192.0.2.1 192.0.2.9\n", 1, "not an address"),
        ("192.0.2.01\n", 1, "not an address"),
    ],
)
def test_a_wrong_line_is_named_and_left(text: str, line: int, says: str) -> None:
    found = read(text)
    assert listed(found) == []
    [left] = found.left
    assert left.origin.line == line
    assert left.text == text.splitlines()[line - 1]
    assert says in left.because
    assert not left.widens


def test_host_bits_are_cleared_with_a_doubt() -> None:
    found = read("192.0.2.77/24\n")
    assert listed(found) == [("group", "192.0.2.0/24")]
    assert [(one.origin.line, one.text) for one in found.doubts] == [(1, "192.0.2.77/24")]
    assert "192.0.2.0/24" in found.doubts[0].because


def test_everybody_is_doubted() -> None:
    found = read("0.0.0.0/0\n::/0\n")
    assert [one.text for one in found.doubts] == ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1d"])
def test_a_note_makes_no_line_of_its_own(end: str) -> None:
    found = read(f"network;note\n192.0.2.1;x{end}203.0.113.9;x\n192.0.2.2;y\n")
    assert ("computer", "203.0.113.9") not in listed(found)
    assert ("computer", "192.0.2.2") in listed(found)


def test_a_long_list_becomes_a_network_and_what_ends_stays_an_entry() -> None:
    rows = "".join(f"10.0.{n >> 8}.{n & 255};\n" for n in range(100_000 // 256))
    found = read(f"ip;expires\n{rows}192.0.2.1;2027-01-01\n")
    assert listed(found) == [("network", "listed"), ("computer", "192.0.2.1")]
    assert len(found.networks["listed"]) == 100_000 // 256


def test_a_huge_list_takes_seconds() -> None:
    found = read("ip,note\n" + "".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255},n{n}\n" for n in range(20_000)))
    assert len(found.networks["listed"]) == 20_000


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("address,note\n192.0.2.1,x\n", "csv"),
        ("# list\n192.0.2.1\n2001:db8::/32\n", "csv"),
        ("Dear all\nthis is 192.0.2.1\n", None),
        ("", None),
        ("from: bob\nto: alice\n", None),
    ],
)
def test_it_is_recognised(text: str, kind: str | None) -> None:
    found = recognised(text)
    assert (found.name if found else None) == kind


LINE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["192.0.2.1", "192.0.2.0/24;x", "a,b,c", '"', "from;to", "network,expires", "::/0", "\x00"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LINE, max_size=12).map("\n".join))
def test_whatever_stands_there_is_listed_or_left(text: str) -> None:
    CSV.recognise(text)
    found = read(text)
    told = {one.origin.line for one in [*found.left, *found.servers[0].connection_control.only_listed]}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip().startswith("192.0.2") and "\r" not in text:
            assert number in told or number == 1


def test_entries_come_with_their_place() -> None:
    [one] = read("192.0.2.1 filter", "list.txt").servers[0].connection_control.only_listed
    assert isinstance(one, Entry)
    assert (one.origin.text, one.note) == ("list.txt:1", "filter")
