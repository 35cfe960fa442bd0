"""The catalogue of replies, and the reference behind a reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.reply import reply
from arrowslit.policy.facts import Facts
from arrowslit.policy.replies import REPLIES, policy_reply, with_reference
from tests.policy.trees import facts


@pytest.mark.parametrize(("reason", "when"), REPLIES)
def test_a_reply_fits_its_class_and_one_line(reason: str, when: str) -> None:
    told = policy_reply(reason, when, facts("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"))
    assert told.enhanced[0] == str(told.code)[0]
    assert len(told.encode()) < 200
    assert "{" not in told.text
    assert told.transient == (when in {"for-now", "at-connect-for-now"})


def test_a_reply_names_the_client() -> None:
    assert policy_reply("may-not-connect", "for-good", facts("203.0.113.9")).encode() == (
        b"550 5.7.1 203.0.113.9 may not deliver here\r\n"
    )
    assert "the client" in policy_reply("may-not-connect", "for-good", Facts()).text


def test_a_reference_stands_behind_the_sentence() -> None:
    told = policy_reply("may-not-connect", "for-good", facts("203.0.113.9"))
    assert with_reference(told, "7Q4M-K2XN").encode() == b"550 5.7.1 203.0.113.9 may not deliver here (7Q4M-K2XN)\r\n"
    assert with_reference(told, "") is told


@given(st.text(max_size=600), st.text(alphabet="abc", max_size=600))
def test_a_reference_survives_a_long_sentence(text: str, reference: str) -> None:
    wire = with_reference(reply(550, "5.7.1", "first", text), reference).encode()
    assert all(len(line) <= 510 for line in wire.split(b"\r\n"))
    if 0 < len(reference) < 400:
        assert wire.endswith(f"({reference})\r\n".encode())
