"""Paths and parameters: each form of address that relay tests use, and what else mail servers have stumbled over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox, Postmaster
from arrowslit.smtp import commands
from arrowslit.smtp.events import Fault, FaultKind, Mail, Rcpt
from arrowslit.smtp.offer import Offer

PLAIN = Offer()
ALL = Offer(smtputf8=True, dsn=True, auth=("PLAIN",))


def rcpt(argument: bytes, offer: Offer = PLAIN, utf8: bool = False) -> object:
    parsed = commands.rcpt(argument, offer, utf8)
    return parsed.forward_path if isinstance(parsed, Rcpt) else parsed.reply.code


def mail(argument: bytes, offer: Offer = PLAIN) -> object:
    parsed = commands.mail(argument, offer)
    return parsed.reverse_path if isinstance(parsed, Mail) else parsed.reply.code


def mailbox(local_part: str, domain: str, text: str = "", source_route: bool = False) -> Mailbox:
    return Mailbox(local_part, domain, text or f"{local_part}@{domain}", source_route)


IP = "[192.0.2.1]"

# u = u, D = out.example.com, S = mx.example.net, [I] = [192.0.2.1]: numbered as in the list of relay tests.
RELAY_RECIPIENTS = {
    "1 to 4": (b"<u@out.example.com>", mailbox("u", "out.example.com")),
    "5": (b"<u%out.example.com@[192.0.2.1]>", mailbox("u%out.example.com", IP)),
    "6": (b"<u%out.example.com@mx.example.net>", mailbox("u%out.example.com", "mx.example.net")),
    "7": (b'<"u@out.example.com">', 501),
    "8": (b'<"u%out.example.com">', 501),
    "9": (b"<u@out.example.com@[192.0.2.1]>", 501),
    "10": (b'<"u@out.example.com"@[192.0.2.1]>', mailbox('"u@out.example.com"', IP)),
    "11": (b"<u@out.example.com@mx.example.net>", 501),
    "12": (b"<@[192.0.2.1]:u@out.example.com>", mailbox("u", "out.example.com", source_route=True)),
    "13": (b"<@mx.example.net:u@out.example.com>", mailbox("u", "out.example.com", source_route=True)),
    "14": (b"<out.example.com!u>", 501),
    "15": (b"<out.example.com!u@[192.0.2.1]>", mailbox("out.example.com!u", IP)),
    "16": (b"<out.example.com!u@mx.example.net>", mailbox("out.example.com!u", "mx.example.net")),
    "no brackets": (b"u@out.example.com", 501),
    "no brackets, spaces": (b" u@out.example.com", 501),
    "localhost": (b"<u%out.example.com@localhost>", mailbox("u%out.example.com", "localhost")),
    "loopback": (b"<u@[127.0.0.1]>", mailbox("u", "[127.0.0.1]")),
    "empty last domain": (b"<u@out.example.com@>", 501),
    "several hops": (b"<@a.example,@b.example:u@out.example.com>", mailbox("u", "out.example.com", source_route=True)),
    "IPv6 hop": (b"<@[IPv6:2001:db8::1],@b:u@out.example.com>", mailbox("u", "out.example.com", source_route=True)),
    "trailing dot": (b"<u@out.example.com.>", mailbox("u", "out.example.com", "u@out.example.com.")),
    "foreign literal": (b"<u@[198.51.100.7]>", mailbox("u", "[198.51.100.7]")),
    "nested %": (b"<u%d.example%e.example@mx.example.net>", mailbox("u%d.example%e.example", "mx.example.net")),
}


@pytest.mark.parametrize(("path", "expected"), RELAY_RECIPIENTS.values(), ids=RELAY_RECIPIENTS)
def test_recipients_of_relay_tests(path, expected):
    assert rcpt(b"TO:" + path) == expected


RELAY_SENDERS = {
    "null": (b"<>", NULL_REVERSE_PATH),
    "outside": (b"<x@out.example.com>", mailbox("x", "out.example.com")),
    "literal": (b"<x@[192.0.2.1]>", mailbox("x", IP)),
    "bare": (b"<x>", 501),
    "nobody": (b"<nobody>", 501),
    "bang": (b"<out.example.com!x>", 501),
    "localhost": (b"<x@localhost>", mailbox("x", "localhost")),
    "no brackets": (b"x@out.example.com", 501),
    "bare postmaster is no sender": (b"<postmaster>", 501),
}


@pytest.mark.parametrize(("path", "expected"), RELAY_SENDERS.values(), ids=RELAY_SENDERS)
def test_senders_of_relay_tests(path, expected):
    assert mail(b"FROM:" + path) == expected


GRAMMAR = {
    "spaces before the path": (b"TO:   <u@d.example>", mailbox("u", "d.example")),
    "spaces behind it": (b"TO:<u@d.example>  ", mailbox("u", "d.example")),
    "lower case": (b"to:<u@d.example>", mailbox("u", "d.example")),
    "domain in capitals": (b"TO:<U@D.Example>", mailbox("U", "d.example", "U@D.Example")),
    "postmaster": (b"TO:<PostMaster>", Postmaster("PostMaster")),
    "null": (b"TO:<>", 501),
    "dots anywhere": (b"TO:<.u..u.@d.example>", mailbox(".u..u.", "d.example")),
    "quoted": (b'TO:<"u u"@d.example>', mailbox('"u u"', "d.example")),
    "quoted pairs": (b'TO:<"u\\"\\\\"@d.example>', mailbox('"u\\"\\\\"', "d.example")),
    "quoted and empty": (b'TO:<""@d.example>', mailbox('""', "d.example")),
    "IPv6": (b"TO:<u@[IPv6:2001:DB8:0::1]>", mailbox("u", "[IPv6:2001:db8::1]", "u@[IPv6:2001:DB8:0::1]")),
    "IPv4-mapped": (b"TO:<u@[ipv6:::ffff:192.0.2.1]>", mailbox("u", IP, "u@[ipv6:::ffff:192.0.2.1]")),
    "IPv6 without tag": (b"TO:<u@[2001:db8::1]>", 501),
    "zone": (b"TO:<u@[IPv6:fe80::1%eth0]>", 501),
    "leading zero": (b"TO:<u@[192.0.2.01]>", 501),
    "general literal": (b"TO:<u@[x400:abc]>", 501),
    "unclosed literal": (b"TO:<u@[192.0.2.1>", 501),
    "literal and more": (b"TO:<u@[192.0.2.1].example>", 501),
    "unbalanced quote": (b'TO:<"u@d.example>', 501),
    "quote inside": (b'TO:<u"u@d.example>', 501),
    "two quoted strings": (b'TO:<"u"@"v"@d.example>', 501),
    "quoted word and dot": (b'TO:<"u".v@d.example>', 501),
    "escaped end": (b'TO:<"u\\"@d.example>', 501),
    "bracket in quotes": (b'TO:<"u>v"@d.example>', 501),
    "opening bracket in quotes": (b'TO:<"u<v"@d.example>', 501),
    "two paths": (b"TO:<u@d.example><v@d.example>", 501),
    "brackets twice": (b"TO:<<u@d.example>>", 501),
    "space": (b"TO:<u u@d.example>", 501),
    "backslash": (b"TO:<u\\@v@d.example>", 501),
    "control character": (b"TO:<u\x01@d.example>", 501),
    "DEL": (b'TO:<"u\x7f"@d.example>', 501),
    "tab": (b'TO:<"u\t"@d.example>', 501),
    "comment": (b"TO:<u(x)@d.example>", 501),
    "list": (b"TO:<u,v@d.example>", 501),
    "group": (b"TO:<u:v@d.example>", 501),
    "empty label": (b"TO:<u@d..example>", 501),
    "no local part": (b"TO:<@d.example>", 501),
    "route without mailbox": (b"TO:<@d.example:>", 501),
    "route without colon": (b"TO:<@d.example,@e.example>", 501),
    "route with a bad hop": (b"TO:<@d..example:u@e.example>", 501),
    "route without domain": (b"TO:<@:u@e.example>", 501),
    "route with open literal": (b"TO:<@[192.0.2.1:u@e.example>", 501),
    "hop that is no hop": (b"TO:<@a,b:u@e.example>", 501),
    "route of routes": (b"TO:<@a:@b:u@e.example>", 501),
    "postmaster behind a route": (b"TO:<@a:postmaster>", 501),
    "local part of 64": (b"TO:<" + b"u" * 64 + b"@d.example>", mailbox("u" * 64, "d.example")),
    "local part of 65": (b"TO:<" + b"u" * 65 + b"@d.example>", 501),
    "no colon": (b"TO <u@d.example>", 501),
    "another word": (b"FOR:<u@d.example>", 501),
    "nothing": (b"", 501),
    "only TO:": (b"TO:", 501),
    "unclosed": (b"TO:<u@d.example", 501),
    "parameter without space": (b"TO:<u@d.example>NOTIFY=NEVER", 501),
    "eight bit": ("TO:<ü@d.example>".encode(), 553),
    "not UTF-8": (b"TO:<\xff@d.example>", 553),
}  # fmt: skip


@pytest.mark.parametrize(("argument", "expected"), GRAMMAR.values(), ids=GRAMMAR)
def test_grammar(argument, expected):
    assert rcpt(argument) == expected


INTERNATIONAL = {
    "local part": ("ü@d.example", mailbox("ü", "d.example")),
    "U-label": ("u@straße.example", mailbox("u", "xn--strae-oqa.example", "u@straße.example")),
    "ideographic dots": ("u@a。example", mailbox("u", "a.example", "u@a。example")),
    "quoted": ('"ü ü"@d.example', mailbox('"ü ü"', "d.example")),
    "C1 control": ("\x85@d.example", 501),
    "no-break space": ("u\u00a0@d.example", 501),
    "line separator": ("u\u2028@d.example", 501),
    "right-to-left override": ("u\u202e@d.example", 501),
    "bad label": ("u@-ü-.example", 501),
}


@pytest.mark.parametrize(("path", "expected"), INTERNATIONAL.values(), ids=INTERNATIONAL)
def test_international_paths_with_smtputf8(path, expected):
    assert rcpt(f"TO:<{path}>".encode(), ALL, utf8=True) == expected
    assert rcpt(f"TO:<{path}>".encode(), ALL) == 553


def test_undecodable_octets_with_smtputf8():
    assert rcpt(b"TO:<\xff@d.example>", ALL, utf8=True) == 501


def test_smtputf8_is_asked_for_at_mail():
    assert mail("FROM:<ü@d.example> SMTPUTF8".encode(), ALL) == mailbox("ü", "d.example")
    assert mail("FROM:<ü@d.example>".encode(), ALL) == 553
    assert mail("FROM:<ü@d.example> SMTPUTF8".encode()) == 555


def test_a_reverse_path_may_have_a_long_local_part():
    local_part = "srs0=" + "x" * 150
    assert mail(f"FROM:<{local_part}@d.example>".encode()) == mailbox(local_part, "d.example")


@pytest.mark.parametrize(("octets", "refused"), [(254, False), (255, True), (400, True)])
def test_a_path_has_256_octets_with_its_brackets(octets, refused):
    path = b"a@" + b"d." * ((octets - 2) // 2) + b"e" * (octets % 2) + b"e" * (1 - octets % 2)
    path = path[:octets] if octets % 2 else path[: octets - 1] + b"e"
    assert len(path) == octets
    assert (mail(b"FROM:<" + path + b">") == 501) is refused


PARAMETERS = {
    "size": (b"SIZE=12", {"size": 12}),
    "size in small letters": (b"size=12", {"size": 12}),
    "size of 20 digits": (b"SIZE=00000000000000000012", {"size": 12}),
    "size of 21 digits": (b"SIZE=000000000000000000012", 501),
    "size without value": (b"SIZE=", 501),
    "size without sign": (b"SIZE", 501),
    "negative size": (b"SIZE=-1", 501),
    "size in other digits": ("SIZE=\u0661".encode(), 553),
    "too big": (b"SIZE=37748737", 552),
    "7bit": (b"BODY=7bit", {"body": "7BIT"}),
    "8bitmime": (b"BODY=8BITMIME", {"body": "8BITMIME"}),
    "binarymime": (b"BODY=BINARYMIME", 555),
    "body without value": (b"BODY", 501),
    "smtputf8": (b"SMTPUTF8", {"smtputf8": True}),
    "smtputf8 with value": (b"SMTPUTF8=1", 501),
    "ret": (b"RET=hdrs", {"dsn": (("RET", "hdrs"),)}),
    "bad ret": (b"RET=ALL", 501),
    "envid": (b"ENVID=a+2Bb", {"dsn": (("ENVID", "a+2Bb"),)}),
    "bad envid": (b"ENVID=a+b", 501),
    "long envid": (b"ENVID=" + b"x" * 101, 501),
    "auth": (b"AUTH=u+40d.example", {"auth": "u@d.example"}),
    "auth null": (b"AUTH=<>", {"auth": "<>"}),
    "auth with a line end": (b"AUTH=u+0D+0A", 501),
    "unknown": (b"HOLDFOR=1", 555),
    "twice": (b"SIZE=1 size=1", 501),
    "no keyword": (b"=1", 501),
    "odd keyword": (b"S_ZE=1", 501),
    "two equals signs": (b"ENVID=a=b", 501),
    "control character": (b"ENVID=a\x01", 501),
    "all": (b"SIZE=1  BODY=7BIT RET=FULL", {"size": 1, "body": "7BIT", "dsn": (("RET", "FULL"),)}),
}


@pytest.mark.parametrize(("raw", "expected"), PARAMETERS.values(), ids=PARAMETERS)
def test_parameters_of_mail(raw, expected):
    parsed = commands.mail(b"FROM:<> " + raw, ALL)
    if isinstance(expected, dict):
        assert parsed == Mail(NULL_REVERSE_PATH, **expected)
    else:
        assert isinstance(parsed, Fault) and parsed.reply.code == expected


@pytest.mark.parametrize("raw", [b"RET=FULL", b"ENVID=x", b"SMTPUTF8", b"AUTH=<>"])
def test_parameters_that_are_not_offered(raw):
    parsed = commands.mail(b"FROM:<> " + raw, PLAIN)
    assert isinstance(parsed, Fault) and parsed.kind is FaultKind.PARAMETER


DSN = {
    "never": (b"NOTIFY=never", (("NOTIFY", "never"),)),
    "list": (b"NOTIFY=SUCCESS,DELAY", (("NOTIFY", "SUCCESS,DELAY"),)),
    "never and more": (b"NOTIFY=NEVER,DELAY", 501),
    "twice the same": (b"NOTIFY=DELAY,DELAY", 501),
    "empty": (b"NOTIFY=", 501),
    "orcpt": (b"ORCPT=rfc822;u+2Bx@d.example", (("ORCPT", "rfc822;u+2Bx@d.example"),)),
    "orcpt without type": (b"ORCPT=u@d.example", 501),
    "long orcpt": (b"ORCPT=rfc822;" + b"x" * 500, 501),
    "unknown": (b"SIZE=1", 555),
}


@pytest.mark.parametrize(("raw", "expected"), DSN.values(), ids=DSN)
def test_parameters_of_rcpt(raw, expected):
    parsed = commands.rcpt(b"TO:<u@d.example> " + raw, ALL, False)
    if isinstance(expected, int):
        assert isinstance(parsed, Fault) and parsed.reply.code == expected
    else:
        assert isinstance(parsed, Rcpt) and parsed.dsn == expected


def test_dsn_that_is_not_offered():
    assert rcpt(b"TO:<u@d.example> NOTIFY=NEVER") == 555


@given(
    st.binary(max_size=40) | st.text(alphabet='u@<>"\\ .:,[]%!é\x00\r\n\t', max_size=30).map(str.encode), st.booleans()
)
def test_no_path_can_be_read_in_another_way(path, utf8):
    """What is passed on, `text`, parses to the same mailbox again and holds nothing that ends a path or a line."""
    parsed = rcpt(b"TO:<" + path + b">", ALL, utf8)
    if isinstance(parsed, Mailbox):
        assert parsed.text.isprintable() and "<" not in parsed.text and ">" not in parsed.text
        assert parsed.text.rpartition("@")[0] == parsed.local_part
        again = rcpt(f"TO:<{parsed.text}>".encode(), ALL, utf8)
        assert again == Mailbox(parsed.local_part, parsed.domain, parsed.text)
        assert parsed.domain.isascii() and "@" not in parsed.domain
        assert "@" not in parsed.local_part or parsed.local_part.startswith('"')
        assert utf8 or parsed.text.isascii()
    else:
        assert parsed in (501, 553) or isinstance(parsed, Postmaster)
