"""The small values of mail: addresses, domain names, mail addresses, replies."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address import parse_address, source_key
from arrowslit.mail.domain import name_matches, normalise_domain
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox, Postmaster
from arrowslit.mail.mailbox_text import parse_forward_path, parse_mailbox, parse_reverse_path
from arrowslit.mail.reply import Reply, reply


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_addresses(text: str, normal: str) -> None:
    assert str(parse_address(text)) == normal


def test_sources_of_limits() -> None:
    assert source_key(ip_address("192.0.2.1")) != source_key(ip_address("192.0.2.2"))
    assert source_key(ip_address("2001:db8::1")) == source_key(ip_address("2001:db8::ffff:1"))
    assert source_key(ip_address("2001:db8::1")) != source_key(ip_address("2001:db8:0:1::1"))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Example.ORG.", "example.org"),
        ("straße.de", "xn--strae-oqa.de"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("_spf.example.org", "_spf.example.org"),
        ("localhost", "localhost"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_domain_names(text: str, normal: str) -> None:
    assert normalise_domain(text) == normal
    assert normalise_domain(normal) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        ".example",
        "example..",
        "a b",
        "-a.example",
        "a-.example",
        "a" * 64,
        "a@b",
        "[192.0.2.1]",
        "*.example",
        "a." * 127 + "a",
        "a\n",
        "\u0000",
    ],
)
def test_what_is_no_domain_name(text: str) -> None:
    with pytest.raises(ValueError, match="not a domain name"):
        normalise_domain(text)


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        ("example.org", "example.org", True),
        ("a.example.org", "*.example.org", True),
        ("a.b.example.org", "*.example.org", True),
        ("example.org", "*.example.org", False),
        (".example.org", "*.example.org", False),
        ("notexample.org", "*.example.org", False),
        ("a.example.org", "example.org", False),
    ],
)
def test_patterns(name: str, pattern: str, *, matches: bool) -> None:
    assert name_matches(name, pattern) is matches


def test_mail_addresses() -> None:
    assert parse_mailbox("Bob@Example.ORG") == Mailbox("Bob", "example.org", "Bob@Example.ORG")
    assert parse_mailbox('"a b@c"@example.org').local_part == '"a b@c"'
    assert parse_mailbox("bob@[192.0.2.1]").literal
    assert parse_mailbox("böb@example.org").needs_smtputf8
    assert not parse_mailbox("bob@example.org").needs_smtputf8
    assert parse_forward_path("Postmaster") == Postmaster("Postmaster")
    assert parse_reverse_path("<>") is parse_reverse_path("") is NULL_REVERSE_PATH
    assert NULL_REVERSE_PATH.text == ""


@pytest.mark.parametrize(
    "text",
    ["", "bob", "@example.org", "bob@", "a b@example.org", "<bob@example.org>", "a\n@example.org", "bob@-x.example"],
)
def test_what_is_no_mail_address(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_mailbox(text)


def test_a_reply_on_the_wire() -> None:
    assert reply(250, "2.0.0", "OK").encode() == b"250 2.0.0 OK\r\n"
    assert reply(220, "", "mx.example.org ESMTP").encode() == b"220 mx.example.org ESMTP\r\n"
    assert reply(250, "", "mx.example.org", "SIZE 10").encode() == b"250-mx.example.org\r\n250 SIZE 10\r\n"
    assert reply(354, "").encode() == b"354\r\n"
    assert reply(550, "5.7.1", "one", "two").text == "one two"


@pytest.mark.parametrize(("code", "kind"), [(250, "positive"), (354, ""), (450, "transient"), (550, "permanent")])
def test_the_kinds_of_reply(code: int, kind: str) -> None:
    found = reply(code, "")
    assert [name for name in ("positive", "transient", "permanent") if getattr(found, name)] == ([kind] if kind else [])


@given(st.lists(st.text(max_size=700), min_size=1, max_size=3))
def test_nothing_breaks_out_of_a_reply(lines: list[str]) -> None:
    wire = Reply(550, "5.7.1", tuple(lines)).encode()
    out = wire.split(b"\r\n")
    assert out.pop() == b""
    assert len(out) == len(lines)
    assert all(len(line) <= 510 and line.startswith(b"550") for line in out)
    assert all(32 <= octet < 127 for line in out for octet in line)
    assert [line[3:4] for line in out[:-1]] == [b"-"] * (len(out) - 1)
    assert out[-1][3:4] in {b" ", b""}
