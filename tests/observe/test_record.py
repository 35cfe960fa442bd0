"""Records as JSON lines: nothing lost, nothing that a stranger sends breaks a line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.observe.record import INTENT_OCTETS, Record, clean, from_json, queue_id, to_intent, to_json

TEXT = st.text(st.characters(), max_size=400) | st.text('\ud800\udfff\r\n\0\x7f"\\é', max_size=400)
NUMBER = st.none() | st.integers(0, 2**40)


@st.composite
def records(draw: st.DrawFn) -> Record:
    values: dict[str, object] = {}
    for name, kind in Record.__annotations__.items():
        if name == "time":
            values[name] = draw(st.integers(0, 2**32).map(float))
        elif name == "seconds":
            values[name] = draw(st.none() | st.integers(0, 600).map(float))
        elif name == "repeats":
            values[name] = draw(st.integers(1, 9))
        elif "tuple" in str(kind):
            values[name] = draw(st.none() | st.lists(TEXT, max_size=3).map(tuple))
        elif "int" in str(kind):
            values[name] = draw(NUMBER if "None" in str(kind) else st.integers(0, 99))
        else:
            values[name] = draw(st.none() | TEXT if "None" in str(kind) else TEXT)
    return Record(**values)  # type: ignore[arg-type]


@given(records())
def test_a_line_says_all_of_the_record_and_is_one_line_of_printable_ascii(record: Record) -> None:
    line = to_json(record)
    assert line.endswith(b"}\n")
    assert all(0x20 <= octet <= 0x7E for octet in line[:-1])
    assert from_json(line) == clean(record)


@given(records())
def test_an_intent_fits_in_its_slot_whatever_strangers_sent(drawn: Record) -> None:
    ours = {"outcome": (drawn.outcome or "")[:19] or None, "kind": drawn.kind[:19], "action": drawn.action[:19]}
    record = drawn._replace(**ours)
    kept = to_intent(record)
    assert len(kept) <= INTENT_OCTETS
    assert from_json(kept).id in (clean(record).id, clean(record._replace(id=record.id[:60])).id)
    assert from_json(kept).outcome == clean(record).outcome


def test_an_intent_of_common_length_is_the_whole_record() -> None:
    record = Record(id="7Q4MK2XN9DTB", reverse_path="", forward_path="bob@example.org", outcome="unknown", time=5.0)
    assert from_json(to_intent(record)) == record


def test_none_is_left_out_the_null_reverse_path_is_not() -> None:
    said = json.loads(to_json(Record(reverse_path="")))
    assert said["reverse_path"] == ""
    assert said["v"] == 1
    assert "forward_path" not in said
    assert "count" not in said


def test_what_strict_readers_refuse_is_replaced() -> None:
    line = to_json(Record(helo_name="a\udcffb", reverse_path="\0", forward_path="\x7f", client_name="\U0001f600"))
    said = json.loads(line)
    assert (said["helo_name"], said["reverse_path"], said["forward_path"]) == ("a\ufffdb", "\ufffd", "\x7f")
    assert said["client_name"] == "\U0001f600"
    assert b"\\udcff" not in line
    assert b"\x7f" not in line


def test_a_flood_has_a_count() -> None:
    assert json.loads(to_json(Record(repeats=7)))["count"] == 7


def test_equal_fixed_fields_do_not_mix_up_records() -> None:
    first, second = Record(node="a", action="reject", code=550), Record(node="a", action="reject", code=450)
    assert json.loads(to_json(first))["code"] == 550
    assert json.loads(to_json(second))["code"] == 450
    assert json.loads(to_json(first))["code"] == 550


@pytest.mark.parametrize("line", [b"{}", b'{"v":2}', b"[1]", b"", b"\xff", b'{"v":1'])
def test_what_is_no_record_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        from_json(line)


def test_a_field_of_a_later_version_of_the_format_is_passed_over() -> None:
    assert from_json(b'{"v":1,"id":"x","weather":"fine"}') == Record(id="x")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2.0.0 Ok: queued as 4ZZ1k25Xz9", "4ZZ1k25Xz9"),
        ("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9F3", "9F3"),
        ("OK id=1sXyZ0-000abc-1D", "1sXyZ0-000abc-1D"),
        ("2.6.0 <a@b> [InternalId=10101, Hostname=x.y] 8 bytes Queued mail for delivery", "10101"),
        ("2.0.0 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),
        ("2.0.0: 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),
        ("2.0.0 Ok", None),
        ("valid=true", None),
        ("queued as " + "x" * 200, None),
        ("queued as \x1b[2J", None),
        ("queued as ", None),
        (" Message accepted for delivery", None),
    ],
)
def test_the_next_hops_own_name_for_a_message(text: str, wanted: str | None) -> None:
    assert queue_id(text) == wanted
