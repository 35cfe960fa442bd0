"""What a stranger can make long costs little more than its length: no pattern goes over a line again and again."""

from __future__ import annotations

import time

import pytest

from arrowslit.traffic.formats.register import format_of
from arrowslit.traffic.reader import Piece
from tests.traffic.reading import REFERENCE

_UUID = "642AE320-625A-40C7-872B-D6C801F93501"
HEADS = {
    "syslog": [
        "Mar  2 05:00:15 mx kernel: ",
        "Mar  2 05:00:15 mx kernel: IN=eth0 OUT= SRC=203.0.113.9 ",
        "Mar  2 05:00:15 mx haproxy[1]: ",
        "Mar  2 05:00:15 mx haproxy[1]: 203.0.113.9:1 [02/Mar/2026:05:00:14.418] ",
        "Mar  2 05:00:15 mx haproxy[1]: 203.0.113.9:1 [02/Mar/2026:05:00:14.418] a b/c 1/0/",
        f"Mar  2 05:00:15 mx haraka[1]: [NOTICE] [{_UUID}.1] [core] ",
    ],
    "haproxy": ["", "203.0.113.9:1 [02/Mar/2026:05:00:14.418] smtp/"],
    "haraka": [
        "",
        f"[NOTICE] [{_UUID}.1] [core] ",
        f"[NOTICE] [{_UUID}.1] [core] recipient <",
        f"[NOTICE] [{_UUID}.1] [core] disconnect ip=",
        f"level=NOTICE uuid={_UUID}.1 message=",
        '{"uuid":"',
    ],
    "hmailserver": [
        "",
        '"SMTPD"\t1\t2\t"2026-03-02 05:00:15.204"\t"198.51.100.7"\t"RECEIVED: RCPT TO:<',
        '"SMTPD"\t1\t2\t"2026-03-02 05:00:15.204"\t"198.51.100.7"\t"RECEIVED: ',
        '"SMTPD"\t1\t2\t"2026-03-02 05:00:15.204"\t"198.51.100.7"\t"SENT: ',
        '"TCPIP"\t1\t"',
    ],
    "proofpoint": ["", '{"connection":'],
    "mimecast": ["", "acc=C0A0|"],
}
FILLERS = [
    "a",
    " ",
    '"',
    '\\"',
    '"a" ',
    "<",
    ">",
    "> code=",
    "a=b ",
    'a="b ',
    "IN=",
    "IN=a ",
    "=",
    "|",
    "/",
    "1/",
    ":",
    "a: ",
]
FILLERS += ["[", "\x1b[", "{", '{"a":', "\t", " retval=", " rcpts=1/0/0", "1", "0x"]


@pytest.mark.parametrize("name", HEADS)
def test_a_long_line_costs_little(name: str) -> None:
    reader = format_of(name).make()
    reader.begin(Piece("log", REFERENCE))
    for head in HEADS[name]:
        for filler in FILLERS:
            for tail in ("", '"', ">", " "):
                line = (head + filler * (60_000 // len(filler)) + tail).encode()
                begun = time.process_time()
                list(reader.read([line], 1))
                assert time.process_time() - begun < 0.2, (head, filler, tail)
