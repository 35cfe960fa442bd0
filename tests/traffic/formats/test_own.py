"""Our own record: lines that are none, or that hold what no record has."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import PERMITTED, Attempt
from arrowslit.traffic.formats.own import OWN
from arrowslit.traffic.reader import Piece
from arrowslit.traffic.rehearsal import Rehearsing
from tests.traffic.reading import REFERENCE, read
from tests.traffic.test_rehearsal import TEXT, policy

RECORD: dict[str, Any] = {
    "v": 1,
    "time": 1772427615.25,
    "id": "A1",
    "kind": "delivery",
    "action": "permit",
    "virtual_server": "default",
    "client_address": "192.0.2.1",
    "client_name": "mx.example",
    "helo_name": "x",
    "tls": "TLSv1.3",
    "reverse_path": "",
    "forward_paths": ["bob@example.org", "carl@example.org"],
    "message_bytes": 900,
    "certificate": "sha256:" + "0" * 64,
    "certificate_names": ["mx.example"],
}


def line(**changes: Any) -> str:
    return json.dumps(RECORD | changes, separators=(",", ":")) + "\n"


def test_what_it_tells() -> None:
    first = Attempt(
        1772427615.25,
        "192.0.2.1",
        PERMITTED,
        "A1",
        service="virtual server default",
        client_name="mx.example",
        helo_name="x",
        tls=True,
        certificate="sha256:" + "0" * 64,
        authenticated_as="",
        reverse_path="",
        forward_path="bob@example.org",
        message_bytes=900,
        certificate_names=("mx.example",),
    )
    assert read(line())[0] == [first, first._replace(first=False, forward_path="carl@example.org")]


@pytest.mark.parametrize(
    "changes",
    [
        *({"time": value} for value in (float("nan"), float("inf"), 10**400, 1e300, -1, True, "1772427615", None, [])),
        *({"forward_paths": value} for value in ("bob@example.org", {"a": 1}, ["bob@example.org", 7], [[]], 7)),
        *({"forward_paths": [], "forward_path": value} for value in (7, ["x"], True)),
        {"client_address": 7},
        {"kind": []},
        {"reason": {}, "action": "reject", "kind": "decision"},
        {"certificate_names": 7},
    ],
)
def test_what_no_record_has_is_not_understood(changes: dict[str, Any]) -> None:
    attempts, tally = read(line() + line(**changes), "own")
    assert (len(attempts), tally.used, tally.not_understood) == (2, 1, 1)
    assert tally.problems[0].says == "this line is no record of a decision"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["192.0.2.1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@given(st.lists(st.dictionaries(st.sampled_from(list(RECORD)), JSON, max_size=4), max_size=8))
def test_whatever_stands_there_can_be_rehearsed(changes: list[dict[str, Any]]) -> None:
    reader = OWN.make()
    reader.begin(Piece("log", REFERENCE))
    rehearsing = Rehearsing(policy(TEXT), datetime.date(2026, 11, 25))
    rehearsing.take(reader.read([line(**one).rstrip("\n").encode() for one in changes], 1))
    rehearsing.take(reader.end())
    assert reader.tally.read == len(changes)
    json.dumps(rehearsing.result.to_json(), allow_nan=False)
