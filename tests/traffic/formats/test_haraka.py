"""Haraka's log in its three shapes, copied from what Haraka 3.3 writes; the facts are those of the dialogues behind it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.haraka_lines import Record, record_of
from tests.traffic.reading import REFERENCE, at, read, read_with_stops

ONE = "642AE320-625A-40C7-872B-D6C801F93501"
TWO = "01EA46BB-ECEC-41F9-A88E-7EA444A15515"
SIX = "3C649934-C787-432A-8BE3-F70B66EF0C93"

PLAIN = f"""\
2026-03-02T05:00:15.100Z [NOTICE] [{ONE}] [core] connect ip=198.51.100.7 port=4711 local_ip=192.0.2.25 local_port=25
2026-03-02T05:00:15.110Z [NOTICE] [{ONE}.1] [core] sender <a@example.net> code=CONT msg=""
2026-03-02T05:00:15.120Z [INFO] [{ONE}.1] [core]  hook=rcpt plugin=rcpt_to.in_host_list function=hook_rcpt params=<b@example.org> retval=OK msg=""
2026-03-02T05:00:15.130Z [NOTICE] [{ONE}.1] [core] recipient <b@example.org> code=OK msg="" sender=a@example.net
2026-03-02T05:00:15.140Z [NOTICE] [{ONE}.1] [core] recipient <v@elsewhere.example> code=OK msg="" sender=a@example.net
2026-03-02T05:00:15.150Z [NOTICE] [{ONE}.1] [core] message mid="" size=21 rcpts=1/0/1 delay=0 code=CONT msg=""
2026-03-02T05:00:15.160Z [NOTICE] [{ONE}.1] [core] queue code=OK msg="Message Queued ({ONE}.1)"
2026-03-02T05:00:15.170Z [NOTICE] [{ONE}.1] [core] disconnect ip=198.51.100.7 rdns=mx.example.net helo=mx.example.net relay=N early=N esmtp=Y tls=Y pipe=N errors=0 txns=1 rcpts=1/0/1 msgs=1/0/0 bytes=21 lr="550 I cannot deliver mail for <v@elsewhere.example>" time=0.018
2026-03-02T05:00:16.100Z [NOTICE] [{TWO}] [core] connect ip=203.0.113.9 port=4712 local_ip=192.0.2.25 local_port=25
2026-03-02T05:00:16.110Z [INFO] [{TWO}.1] [rcpt_to.in_host_list] skip:mail_from.null
2026-03-02T05:00:16.120Z [NOTICE] [{TWO}.1] [core] sender <> code=CONT msg=""
2026-03-02T05:00:16.130Z [NOTICE] [{TWO}.1] [core] recipient <v@elsewhere.example> code=OK msg="" sender=""
2026-03-02T05:00:16.140Z [NOTICE] [{TWO}.1] [core] disconnect ip=203.0.113.9 rdns=NXDOMAIN helo=w relay=N early=N esmtp=Y tls=N pipe=N errors=0 txns=1 rcpts=0/0/1 msgs=0/0/0 bytes=0 lr="550 I cannot deliver mail for <v@elsewhere.example>" time=0.002
2026-03-02T05:00:17.100Z [NOTICE] [{SIX}] [core] connect ip=2001:db8::9 port=4713 local_ip=2001:db8::25 local_port=587
2026-03-02T05:00:17.110Z [NOTICE] [{SIX}.1] [core] sender <ann@example.org> code=CONT msg=""
2026-03-02T05:00:17.120Z [NOTICE] [{SIX}.1] [core] recipient <v@elsewhere.example> code=OK msg="" sender=ann@example.org
2026-03-02T05:00:17.130Z [NOTICE] [{SIX}.1] [core] message mid="<1@example.org>" size=21 rcpts=1/0/0 delay=0 code=CONT msg=""
2026-03-02T05:00:17.140Z [INFO] [{SIX}.1.1] [outbound] bouncing mail: Nowhere to deliver mail to for domain: elsewhere.example
2026-03-02T05:00:17.150Z [NOTICE] [{SIX}.2] [core] sender <ann@example.org> code=CONT msg=""
2026-03-02T05:00:17.160Z [NOTICE] [{SIX}.2] [core] recipient <c@example.org> code=OK msg="" sender=ann@example.org
2026-03-02T05:00:17.170Z [NOTICE] [{SIX}.2] [core] recipient <deny@example.org> code=DENY msg="deny@example.org That recipient is not allowed" sender=ann@example.org
2026-03-02T05:00:17.180Z [NOTICE] [{SIX}.2] [core] disconnect ip=2001:db8::9 rdns=DNSERROR helo=[192.0.2.9] relay=Y early=N esmtp=Y tls=Y pipe=N errors=0 txns=2 rcpts=2/0/1 msgs=1/0/0 bytes=21 lr="550 deny@example.org That recipient is not allowed" time=0.013
"""

FIRST = Attempt(
    at("2026-03-02 05:00:15") + 0.130,
    "198.51.100.7",
    "permitted",
    f"{ONE}.1",
    service=":25",
    reverse_name="mx.example.net",
    helo_name="mx.example.net",
    tls=True,
    authenticated_as="",
    reverse_path="a@example.net",
    forward_path="b@example.org",
    message_bytes=21,
)
SIXTH = Attempt(
    at("2026-03-02 05:00:17") + 0.120,
    "2001:db8::9",
    "permitted",
    f"{SIX}.1",
    service=":587",
    helo_name="[192.0.2.9]",
    tls=True,
    reverse_path="ann@example.org",
    forward_path="v@elsewhere.example",
    message_bytes=21,
)
EXPECTED = [
    FIRST,
    FIRST._replace(
        time=at("2026-03-02 05:00:15") + 0.140,
        told="refused",
        first=False,
        forward_path="v@elsewhere.example",
        reply="550 I cannot deliver mail for <v@elsewhere.example>",
    ),
    Attempt(
        at("2026-03-02 05:00:16") + 0.130,
        "203.0.113.9",
        "refused",
        f"{TWO}.1",
        service=":25",
        reverse_name="",
        helo_name="w",
        tls=False,
        authenticated_as="",
        reverse_path="",
        forward_path="v@elsewhere.example",
        reply="550 I cannot deliver mail for <v@elsewhere.example>",
    ),
    SIXTH,
    SIXTH._replace(
        time=at("2026-03-02 05:00:17") + 0.160, id=f"{SIX}.2", forward_path="c@example.org", message_bytes=None
    ),
    SIXTH._replace(
        time=at("2026-03-02 05:00:17") + 0.170,
        told="refused-otherwise",
        id=f"{SIX}.2",
        first=False,
        forward_path="deny@example.org",
        message_bytes=None,
        reply="deny@example.org That recipient is not allowed",
    ),
]

_LINE = re.compile(r"(\S+) \[(\w+)\] \[(\S+)\] \[(\S+)\] (.*)")
_MESSAGE = re.compile(r"((?:sender|recipient) <[^>]*>|connect|disconnect|message|queue|(?= hook)|.*?(?= \w+=|$)) ?(.*)")


def _logfmt(line: str) -> str:
    """The same line as Haraka writes it where the format is logfmt."""
    stamp, level, uuid, origin, rest = _LINE.fullmatch(line).groups()  # type: ignore[union-attr]
    message, fields = _MESSAGE.fullmatch(rest).groups()  # type: ignore[union-attr]
    quoted = message if message and " " not in message else f'"{message}"'
    return f"{stamp} level={level} uuid={uuid} origin={origin} message={quoted} {fields.strip()}".rstrip()


def _json(line: str) -> str:
    """The same line as Haraka writes it where the format is JSON."""
    stamp, level, uuid, origin, rest = _LINE.fullmatch(line).groups()  # type: ignore[union-attr]
    message, fields = _MESSAGE.fullmatch(rest).groups()  # type: ignore[union-attr]
    found: dict[str, object] = {"level": level, "uuid": uuid, "origin": origin, "message": message}
    for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|(\S*))', fields):
        found[name] = int(bare) if bare.isdigit() else quoted or bare
    if "params" in found:
        found["params"] = {"original": found["params"], "host": "example.org", "user": "b"}
    return f"{stamp} {json.dumps(found, separators=(',', ':'))}"


def _log(shape: str) -> str:
    lines = PLAIN.splitlines()
    turned = {
        "plain": lines,
        "logfmt": [_logfmt(line) for line in lines],
        "json": [_json(line) for line in lines],
        "colour": [f"{line[:25]}\x1b[34m{line[25:]}\x1b[39m" for line in lines],
        "docker": [f"haraka-1  | {line}" for line in lines],
        "origin": [_logfmt(line).replace(" origin=", " source=") for line in lines],
    }[shape]
    return "\n".join(turned) + "\n"


SHAPES = ["plain", "logfmt", "json", "colour", "docker", "origin"]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_it_tells(shape: str) -> None:
    attempts, tally = read(_log(shape))
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (19, 3, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_can_be_stopped_after_each_line(shape: str) -> None:
    assert read_with_stops(_log(shape).rstrip("\n"), "haraka") == EXPECTED


def test_the_shapes_are_those_that_haraka_writes() -> None:
    """The turning of this test is right: beside lines of the real program."""
    plain = '2026-03-02T05:00:15.100Z [NOTICE] [U.1] [core] recipient <b@example.org> code=OK msg="" sender=""'
    assert _logfmt(plain) == (
        '2026-03-02T05:00:15.100Z level=NOTICE uuid=U.1 origin=core message="recipient <b@example.org>" code=OK msg="" sender=""'
    )
    assert _json(plain) == (
        '2026-03-02T05:00:15.100Z {"level":"NOTICE","uuid":"U.1","origin":"core","message":"recipient <b@example.org>","code":"OK","msg":"","sender":""}'
    )
    hook = "2026-03-02T05:00:15.100Z [INFO] [U] [core]  hook=rcpt plugin=p retval=OK"
    assert _logfmt(hook) == (
        '2026-03-02T05:00:15.100Z level=INFO uuid=U origin=core message="" hook=rcpt plugin=p retval=OK'
    )


def test_through_syslog() -> None:
    lines = [f"Mar  2 05:00:15 mx haraka[634]: {line[25:]}" for line in PLAIN.splitlines()]
    attempts, tally = read("\n".join(lines))
    assert [one._replace(time=0.0) for one in attempts] == [one._replace(time=0.0) for one in EXPECTED]
    assert {one.time for one in attempts} == {at("2026-03-02 05:00:15")}
    assert (tally.used, tally.skipped, tally.not_understood) == (19, 3, 0)
    assert read_with_stops("\n".join(lines), "syslog") == attempts


def test_without_any_time() -> None:
    """As Haraka writes it unless it is told otherwise: taken as of the file, and that is said, once."""
    log = "\n".join(line[25:] for line in PLAIN.splitlines())
    attempts, tally = read(log)
    assert [one._replace(time=0.0) for one in attempts] == [one._replace(time=0.0) for one in EXPECTED]
    assert {one.time for one in attempts} == {REFERENCE}
    assert [(one.line, one.says) for one in tally.problems] == [
        (1, "Haraka wrote no times here: all is counted as of when the file was last written")
    ]


# --- what became of a recipient ---------------------------------------------------------------------------------------


def _session(counts: str, *recipients: str, relay: str = "N", last: str = "", message: str = "") -> list[str]:
    """What was told of each of `recipients`: `name`, `+name` where a plugin took him, `-name` where one refused him."""
    lines = [f'[NOTICE] [{ONE}.1] [core] sender <a@example.net> code=CONT msg=""']
    for name in recipients:
        path = f"{name.lstrip('+-')}@example.org"
        if name.startswith("+"):
            lines.append(f'[INFO] [{ONE}.1] [core]  hook=rcpt plugin=p function=f params=<{path}> retval=OK msg=""')
        code = 'DENYSOFT msg="later"' if name.startswith("-") else 'OK msg=""'
        lines.append(f"[NOTICE] [{ONE}.1] [core] recipient <{path}> code={code} sender=a@example.net")
    if message:
        lines.append(f'[NOTICE] [{ONE}.1] [core] message mid="" size=21 rcpts={message} delay=0 code=CONT msg=""')
    if counts:
        lines.append(
            f'[NOTICE] [{ONE}.1] [core] disconnect ip=198.51.100.7 rdns="" helo=w relay={relay} early=N esmtp=Y tls=N pipe=N errors=0 txns=1 rcpts={counts} msgs=0/0/0 bytes=0 lr="{last}" time=0.1'
        )
    attempts, tally = read("\n".join(lines), "haraka")
    assert tally.not_understood == 0
    return [one.told for one in attempts]


P, R, F, N = "permitted", "refused", "refused-otherwise", "not-told"


@pytest.mark.parametrize(
    ("counts", "recipients", "told"),
    [
        # All, none, some: the counts alone.
        ("2/0/0", ["b", "c"], [P, P]),
        ("0/0/2", ["b", "c"], [R, R]),
        ("1/0/1", ["b", "c"], [N, N]),
        # Refused by a plugin: that is true by itself.
        ("1/1/0", ["b", "-c"], [P, F]),
        ("0/1/1", ["b", "-c"], [R, F]),
        ("1/1/1", ["b", "c", "-d"], [N, N, F]),
        # Taken by a plugin: whoever is left was taken by none.
        ("1/0/1", ["+b", "c"], [P, R]),
        ("2/0/1", ["+b", "c", "d"], [P, N, N]),
        ("2/0/0", ["+b", "c"], [P, P]),
        # Lines are missing, or replies; a client that was gone.
        ("2/0/0", ["b"], [N]),
        ("0/0/2", ["b"], [N]),
        ("0/0/0", ["b"], [N]),
        ("0/0/0", ["+b"], [P]),
        ("", ["b", "+c", "-d"], [N, P, F]),
    ],
)
def test_what_the_counts_tell(counts: str, recipients: list[str], told: list[str]) -> None:
    assert _session(counts, *recipients) == told


def test_the_counts_of_a_transaction_come_before_those_of_the_session() -> None:
    assert _session("9/0/9", "b", "c", message="2/0/0") == [P, P]


def test_what_is_left_of_the_counts_is_of_the_other_transactions() -> None:
    """Six has two accepted and one refused; the first transaction had one of them by itself."""
    assert [one.told for one in EXPECTED[3:]] == [P, P, F]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('sender <a@example.net> code=DENY msg="access denied"', R),
        ('sender <a@example.net> code=DENYSOFT msg="No MX for your FROM address"', F),
        ('sender <a@example.net> code=CONT msg=""', None),
    ],
)
def test_who_is_refused_at_mail(line: str, told: str | None) -> None:
    attempts, _ = read(f"[NOTICE] [{ONE}.1] [core] {line}\n", "haraka")
    assert [(one.told, one.forward_path) for one in attempts] == ([] if told is None else [(told, None)])


@pytest.mark.parametrize(("plugin", "told"), [("access", R), ("dns-list", F), ("early_talker", F)])
def test_who_is_refused_at_connect(plugin: str, told: str) -> None:
    lines = [
        f"[NOTICE] [{ONE}] [core] connect ip=198.51.100.7 port=1 local_ip=192.0.2.25 local_port=25",
        f'[INFO] [{ONE}] [core]  hook=connect plugin={plugin} function=f params="" retval=DENY msg="go away"',
        f'[NOTICE] [{ONE}] [core] disconnect ip=198.51.100.7 rdns=Unknown helo="" relay=N early=N esmtp=N tls=N pipe=N errors=0 txns=0 rcpts=0/0/0 msgs=0/0/0 bytes=0 lr="550 go away" time=0.1',
    ]
    attempts, _ = read("\n".join(lines), "haraka")
    assert [(one.told, one.client_address, one.helo_name, one.reply) for one in attempts] == [
        (told, "198.51.100.7", "", "go away")
    ]


# --- strangers --------------------------------------------------------------------------------------------------------

OLD = 'disconnect ip=198.51.100.7 rdns="{}" helo="{}" relay=N early=N esmtp=Y tls=N pipe=N txns=1 rcpts=0/0/1 msgs=0/0/0 bytes=0 lr="{}" time=0.1'


@pytest.mark.parametrize(
    ("rdns", "helo", "last"),
    [
        ("x", 'w" relay=Y early=N esmtp=Y tls=Y pipe=N txns=1 rcpts=1/0/0 msgs=1/0/0 bytes=0 lr="', ""),
        ('x" helo="y" relay=Y tls=Y rcpts=1/0/0', "w", ""),
        ("x", "w", '550 no <"a relay=Y rcpts=1/0/0"@example.org>'),
        ("x", 'w"', ""),
        ("x\\", "w\\", ""),
    ],
)
def test_old_versions_do_not_escape_what_a_stranger_says(rdns: str, helo: str, last: str) -> None:
    lines = [
        f'[NOTICE] [{ONE}.1] [core] recipient <v@elsewhere.example> code=OK msg=""',
        f"[NOTICE] [{ONE}.1] [core] {OLD.format(rdns, helo, last)}",
    ]
    attempts, tally = read("\n".join(lines), "haraka")
    assert tally.used == 2
    assert [one.told for one in attempts] in (["refused"], ["not-told"])
    assert [one.client_address for one in attempts] == ["198.51.100.7"]
    assert attempts[0].tls in {False, None}


@pytest.mark.parametrize(
    ("line", "message", "fields"),
    [
        (
            'recipient <"c d"@example.org> code=OK msg="" sender="\\"a b\\"@example.net"',
            'recipient <"c d"@example.org>',
            {"code": "OK", "msg": "", "sender": '"a b"@example.net'},
        ),
        (
            'recipient <"a> code=OK"@example.org> code=DENY msg=""',
            'recipient <"a> code=OK"@example.org> code=DENY msg=""',
            {},
        ),
        (' hook=rcpt plugin=p function=f params="<\\"a retval=OK\\"@x.example>" retval=DENY msg=""', "", {}),
        (
            ' hook=rcpt plugin=p params="<\\"c d\\"@example.org>" retval=OK',
            "",
            {"hook": "rcpt", "plugin": "p", "params": '<"c d"@example.org>', "retval": "OK"},
        ),
        ('message mid="<a" rcpts=9/0/0 x>" size=21 rcpts=0/0/1', "message", {"mid": "<a"}),
        (
            "Invalid MAIL FROM address <recipient <b@example.org> code=OK>: no",
            "Invalid MAIL FROM address <recipient <b@example.org> code=OK>: no",
            {},
        ),
    ],
)
def test_lines_in_which_strangers_write(line: str, message: str, fields: dict[str, str]) -> None:
    assert record_of(f"[NOTICE] [{ONE}.1] [core] {line}") == Record("", f"{ONE}.1", "core", message, fields)


def test_a_recipient_that_looks_like_two_is_not_told() -> None:
    lines = [
        f'[NOTICE] [{ONE}.1] [core] recipient <"a> code=OK"@example.org> code=DENY msg="" sender=""',
        f"[NOTICE] [{ONE}.1] [core] {OLD.format('x', 'w', '')}",
    ]
    attempts, _ = read("\n".join(lines), "haraka")
    assert [(one.forward_path, one.told) for one in attempts] == [(None, "refused")]


def test_an_endless_session_is_not_held() -> None:
    line = f'[NOTICE] [{ONE}.1] [core] recipient <b@example.org> code=OK msg="" sender=""'
    end = f"[NOTICE] [{ONE}.1] [core] {OLD.format('x', 'w', '')}"
    attempts, _ = read("\n".join([*([line] * 10_001), end]), "haraka")
    assert len(attempts) == 10_001
    assert {one.told for one in attempts} == {"not-told"}


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[NOTICE] [core] connect ip=1",
        "level=NOTICE",
        "{",
        "{}",
        '{"uuid":1,"message":"x"}',
        "2026-02-30T05:00:15Z [INFO] [-] [core] x",
    ],
)
def test_what_is_not_understood_is_named(line: str) -> None:
    attempts, tally = read(line, "haraka")
    assert attempts == []
    assert (tally.not_understood, tally.problems[0].line) == (1, 1)


@pytest.mark.parametrize(
    "line",
    ["Starting up Haraka version 3.3.4", "2026-03-02T05:00:15.100Z loglevel: INFO", "loaded TLD files: 1=1437", ""],
)
def test_what_haraka_says_of_itself_is_skipped(line: str) -> None:
    assert read(line + "\n", "haraka")[1].skipped == 1


_WHOLE = [line for shape in ("plain", "logfmt", "json") for line in _log(shape).encode().splitlines()]
_HEADS = [f"[NOTICE] [{ONE}.1] [core] ".encode(), f"level=NOTICE uuid={ONE}.1 message=".encode(), b"{", b""]
_WORDS = [word.replace("\n", "").encode() for word in PLAIN.split(" ")[:60]]
_CUT = st.tuples(st.sampled_from(_WHOLE), st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]])
_GLUED = st.tuples(st.sampled_from(_HEADS), st.binary(max_size=30)).map(lambda pair: b"".join(pair).replace(b"\n", b""))
_MIXED = st.lists(st.sampled_from(_WORDS), max_size=15).map(lambda words: _HEADS[0] + b" ".join(words))


@given(st.lists(st.one_of(_CUT, _GLUED, _MIXED, st.sampled_from(_WHOLE)), min_size=1, max_size=12))
def test_nothing_in_a_file_stops_it(lines: list[bytes]) -> None:
    text = b"\n".join(lines)
    assert read(text + b"\n", "haraka")[0] == read_with_stops(text, "haraka")


@pytest.mark.parametrize("line", [b'{"a":' * 50_000, b'{"params":' + b'{"original":' * 900 + b"1" + b"}" * 901])
def test_deep_json(line: bytes) -> None:
    assert read(line, "haraka")[1].not_understood == 1
