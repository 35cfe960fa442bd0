"""xtext: RFC 3461 4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.smtp.xtext import decode_xtext, encode_xtext


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("", ""), ("mx.example", "mx.example"), ("a b+c=d", "a+20b+2Bc+3Dd"), ("\r\n", "+0D+0A"), ("ü", "+C3+BC")],
)
def test_examples(text: str, encoded: str) -> None:
    assert encode_xtext(text) == encoded
    assert decode_xtext(encoded) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encoded_comes_back(text: str) -> None:
    encoded = encode_xtext(text)
    assert encoded.isascii()
    assert not set(encoded) & set(" =\r\n\t\0")
    assert decode_xtext(encoded) == text


@pytest.mark.parametrize("bad", ["a b", "a=b", "+", "+1", "+1G", "++2020", "a\r", "ü", "+FF", "+ 1"])
def test_what_is_no_xtext_is_refused(bad: str) -> None:
    with pytest.raises(ValueError):
        decode_xtext(bad)


def test_small_digits_are_taken() -> None:
    assert decode_xtext("a+2bb") == "a+b"


def test_a_surrogate_is_never_passed_on() -> None:
    assert encode_xtext("a\udc80") == "a?"
