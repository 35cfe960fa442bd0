"""The reply parser: strict, bounded, printable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.reply import Reply
from arrowslit.smtp.reply_parser import (
    LINE_OCTETS,
    LINES,
    REPLY_OCTETS,
    WAITING_OCTETS,
    MalformedReplyError,
    ReplyParser,
)


def parse(octets: bytes, size: int = 0) -> list[Reply | str]:
    """The replies in `octets` fed in pieces of `size`, "malformed" where the parser gives up."""
    parser = ReplyParser()
    found: list[Reply | str] = []
    for start in range(0, len(octets), size or len(octets) or 1):
        parser.receive(octets[start : start + size] if size else octets)
        try:
            while (reply := parser.next_reply()) is not None:
                found.append(reply)
        except MalformedReplyError:
            return [*found, "malformed"]
    return found


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 2.1.0 Ok\r\n", Reply(250, "2.1.0", ("Ok",))),
        (b"250 Ok\r\n", Reply(250, "", ("Ok",))),
        (b"250\r\n", Reply(250, "", ("",))),
        (b"250 \r\n", Reply(250, "", ("",))),
        (b"550 5.7.1\r\n", Reply(550, "5.7.1", ("",))),
        (b"550 4.7.1 other class\r\n", Reply(550, "", ("4.7.1 other class",))),
        (b"550 5.07.1 leading zero\r\n", Reply(550, "", ("5.07.1 leading zero",))),
        (b"550 5.1000.1 x\r\n", Reply(550, "", ("5.1000.1 x",))),
        (b"550 5.1 x\r\n", Reply(550, "", ("5.1 x",))),
        (b"550 5.7.1x\r\n", Reply(550, "", ("5.7.1x",))),
        (b"354 3.0.0 no such class\r\n", Reply(354, "", ("3.0.0 no such class",))),
        (b"571 5.7.1 Exchange\r\n", Reply(571, "5.7.1", ("Exchange",))),
        (b"550-5.7.1 a\r\n550 5.7.1 b\r\n", Reply(550, "5.7.1", ("a", "b"))),
        (b"550-5.7.1 a\r\n550-b\r\n550\r\n", Reply(550, "5.7.1", ("a", "b", ""))),
        (b"550 \x1b[31mred\xff\r\n", Reply(550, "", ("\\x1b[31mred\\xff",))),
        (b"550 a\tb\0\r\n", Reply(550, "", ("a b\\x00",))),
    ],
)
def test_reply(octets: bytes, reply: Reply) -> None:
    assert parse(octets) == [reply]
    assert parse(octets, 1) == [reply]


@pytest.mark.parametrize(
    "octets",
    [
        b"250 Ok\n",
        b"\n",
        b"\r\n",
        b"25\r\n",
        b"250 a\rb\r\n",
        b"250 a\r\r\n",
        b"250Ok\r\n",
        b"250_Ok\r\n",
        b"150 Ok\r\n",
        b"650 Ok\r\n",
        b"2\xb20 Ok\r\n",
        b"abc Ok\r\n",
        b"abc-Ok\r\n",
        b" 250 Ok\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n250b\r\n",
        b"250-a\n250 b\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_malformed(octets: bytes) -> None:
    assert parse(octets) == ["malformed"]
    assert parse(octets, 1) == ["malformed"]


def test_a_line_ends_at_its_limit() -> None:
    at_limit = b"250 " + b"x" * (LINE_OCTETS - 6) + b"\r\n"
    (reply,) = parse(at_limit)
    assert isinstance(reply, Reply)
    assert parse(b"250 " + b"x" * (LINE_OCTETS - 5) + b"\r\n") == ["malformed"]
    assert parse(b"250 " + b"x" * LINE_OCTETS) == ["malformed"]


def test_a_reply_ends_at_its_limits() -> None:
    (reply,) = parse(b"250-x\r\n" * (LINES - 1) + b"250 x\r\n")
    assert isinstance(reply, Reply)
    assert parse(b"250-x\r\n" * LINES + b"250 x\r\n") == ["malformed"]
    line = b"250-" + b"x" * 1994 + b"\r\n"
    assert parse(line * (REPLY_OCTETS // len(line) + 1)) == ["malformed"]


def test_limits_are_those_of_one_reply() -> None:
    reply = (b"250-" + b"x" * 1000 + b"\r\n") * 60 + b"250 x\r\n"
    assert "malformed" not in parse(reply * 3)


def test_unread_octets_have_a_limit() -> None:
    parser = ReplyParser()
    for _ in range(3):
        parser.receive(b"250 ok\r\n" * (WAITING_OCTETS // 16))
    with pytest.raises(MalformedReplyError):
        parser.next_reply()


_LINE = st.sampled_from([b"250 2.1.0 Ok", b"250-x", b"251 y", b"354 z", b"4", b"", b"550-5.1.1 no", b"550 5.1.1 \xe9"])
_END = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"])
_STREAM = st.lists(st.tuples(_LINE, _END), max_size=8).map(lambda lines: b"".join(a + b for a, b in lines))


@given(_STREAM | st.binary(max_size=64), st.integers(1, 9))
def test_pieces_change_nothing(octets: bytes, size: int) -> None:
    assert parse(octets, size) == parse(octets)


@given(st.binary(max_size=64))
def test_text_is_always_printable(octets: bytes) -> None:
    for reply in parse(b"250 " + octets.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"):
        assert isinstance(reply, Reply)
        assert reply.text.isascii()
        assert reply.text.isprintable()
