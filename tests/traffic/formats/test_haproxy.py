"""HAProxy's TCP log: lines by hand, and lines that the real program wrote about connections that were made here."""

from __future__ import annotations

import datetime
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import format_of
from arrowslit.traffic.reader import Piece
from tests.peers import haproxy, smtp_load
from tests.peers.certs import Authority
from tests.traffic.reading import at, read, read_with_stops

LOG = """\
Mar  2 05:00:16 lb haproxy[8]: 203.0.113.9:4735 [02/Mar/2026:05:00:14.418] smtp_in mail/ex1 1/0/2403 218 -- 1/1/0/0/0 0/0
Mar  2 05:00:20 lb haproxy[8]: 203.0.113.10:51000 [02/Mar/2026:05:00:20.001] smtp_in smtp_in/<NOSRV> -1/-1/0 0 PR 2/1/0/0/0 0/0
Mar  2 05:00:24 lb haproxy[8]: 2001:db8::9:4736 [02/Mar/2026:05:00:21.000] smtps_in~ mail/ex1 1/-1/3001 0 SC 1/1/0/0/3 0/0
Mar  2 05:00:30 lb haproxy[8]: 203.0.113.9:4737 [02/Mar/2026:05:00:28.000] smtp_in mail/ex1 1/0/2000 97 CD 1/1/0/0/0 0/0
Mar  2 05:00:40 lb haproxy[8]: 203.0.113.9:4738 [02/Mar/2026:05:00:35.000] smtp_in smtp_in/<NOSRV> -1/-1/5000 0 cR 1/1/0/0/0 0/0
Mar  2 05:00:41 lb haproxy[8]: 203.0.113.9:4739 [02/Mar/2026:05:00:41.000] smtps_in/1: SSL handshake failure
Mar  2 05:00:42 lb haproxy[8]: Connect from 203.0.113.9:4740 to 192.0.2.25:25 (plain/TCP)
Mar  2 05:00:43 lb haproxy[8]: Server mail/ex1 is DOWN, reason: Layer4 connection problem, info: "Connection refused"
Mar  2 05:00:44 lb haproxy[8]: 203.0.113.9:4741 [02/Mar/2026:05:00:44.000] web~ web/w1 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"
Mar  2 05:00:45 lb haproxy[8]: 203.0.113.9:4742 [02/Mar/2026:05:00:45.000] imap_in mail/ex1 1/0/1 218 -- 1/1/0/0/0 0/0
"""

EXPECTED = [
    Attempt(at("2026-03-02 05:00:14") + 0.418, "203.0.113.9", "permitted", "203.0.113.9:4735", service="smtp_in"),
    Attempt(
        at("2026-03-02 05:00:20") + 0.001,
        "203.0.113.10",
        "refused",
        "203.0.113.10:51000",
        service="smtp_in",
        reply="PR",
    ),
    Attempt(
        at("2026-03-02 05:00:21"),
        "2001:db8::9",
        "refused-otherwise",
        "2001:db8::9:4736",
        service="smtps_in",
        tls=True,
        reply="SC",
    ),
    Attempt(at("2026-03-02 05:00:28"), "203.0.113.9", "permitted", "203.0.113.9:4737", service="smtp_in", reply="CD"),
    Attempt(at("2026-03-02 05:00:35"), "203.0.113.9", "not-told", "203.0.113.9:4738", service="smtp_in", reply="cR"),
    Attempt(
        at("2026-03-02 05:00:41"),
        "203.0.113.9",
        "refused-otherwise",
        "203.0.113.9:4739",
        service="smtps_in",
        reply="SSL handshake failure",
    ),
    Attempt(at("2026-03-02 05:00:42"), "203.0.113.9", "permitted", "203.0.113.9:4740", service="plain"),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (7, 3, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "syslog") == EXPECTED


@pytest.mark.parametrize("prefix", ["", "haproxy-1  | ", "\x1b[32mhaproxy-1  | \x1b[0m"])
def test_without_a_frame(prefix: str) -> None:
    """As a container writes it. `Connect from` has no time there, and is skipped."""
    log = "".join(f"{prefix}{line.partition(': ')[2]}\n" for line in LOG.splitlines())
    attempts, tally = read(log)
    assert attempts == EXPECTED[:-1]
    assert (tally.used, tally.skipped, tally.not_understood) == (6, 4, 0)
    assert read_with_stops(log.rstrip("\n"), "haproxy") == EXPECTED[:-1]


def test_the_zone_is_that_of_the_stamp_in_front() -> None:
    """HAProxy runs in Kathmandu (+05:45); the file was copied to Berlin, and syslog says UTC."""
    line = "2026-03-02T05:00:16Z lb haproxy[8]: 203.0.113.9:4735 [02/Mar/2026:10:45:14.418] smtp_in mail/ex1 1/0/2403 218 -- 1/1/0/0/0 0/0"
    attempts, _ = read(line, zone=datetime.timezone(datetime.timedelta(hours=1)))
    assert attempts[0].time == pytest.approx(at("2026-03-02 05:00:14") + 0.418)


@pytest.mark.parametrize(
    "message",
    [
        "203.0.113.999:4735 [02/Mar/2026:05:00:14.418] smtp_in mail/ex1 1/0/2403 218 -- 1/1/0/0/0 0/0",
        "203.0.113.9:4735 [31/Feb/2026:05:00:14.418] smtp_in mail/ex1 1/0/2403 218 -- 1/1/0/0/0 0/0",
        "203.0.113.9:4735 [02/Mrz/2026:05:00:14.418] smtp_in mail/ex1 1/0/2403 218 -- 1/1/0/0/0 0/0",
        "203.0.113.9:4735 [02/Mar/2026:05:00:14.418] of our own: 12",
    ],
)
def test_what_is_not_understood_is_named(message: str) -> None:
    attempts, tally = read(f"Mar  2 05:00:16 lb haproxy[8]: {message}\n", "syslog")
    assert attempts == []
    assert tally.not_understood == 1
    assert tally.problems[0].line == 1


@given(st.data())
def test_nothing_in_a_file_stops_it(data: st.DataObject) -> None:
    lines = LOG.encode().splitlines()
    cut = st.sampled_from(lines).flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at]))
    glued = st.tuples(st.sampled_from(lines), st.binary(max_size=30)).map(lambda pair: pair[0][:60] + pair[1])
    given_lines = data.draw(st.lists(st.one_of(cut, glued, st.sampled_from(lines)), max_size=12))
    read(b"\n".join(line.replace(b"\n", b"") for line in given_lines) + b"\n", "syslog")


# --- the real program -------------------------------------------------------------------------------------------------


def _connect(address: str, port: int, source: str, says: bytes = b"QUIT\r\n") -> None:
    with suppress(OSError), socket.create_connection((address, port), 5, source_address=(source, 0)) as client:
        client.settimeout(5)
        client.recv(512)
        client.sendall(says)
        while client.recv(512):
            pass


def _lines(log: socket.socket, wanted: int, source: str) -> list[str]:
    """The lines about one client, until there are `wanted` of them."""
    lines: list[str] = []
    until = time.monotonic() + 10
    while len(lines) < wanted and time.monotonic() < until:
        with suppress(TimeoutError):
            line = log.recv(4096).decode()
            lines += [line] if f"{source}:" in line else []
    return lines


@pytest.mark.peer("haproxy", "smtp-source")
class TestRealLines:
    """Fields of real lines, told apart by the client's loopback address."""

    @pytest.fixture
    def log(self, running: ExitStack) -> socket.socket:
        found = running.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        found.bind(("127.0.0.1", 0))
        found.settimeout(0.5)
        return found

    @staticmethod
    def _asked(log: socket.socket, *more: str) -> list[str]:
        return [f"log 127.0.0.1:{log.getsockname()[1]} local0", "option tcplog", *more]

    @pytest.mark.parametrize("shape", ["rfc3164", "rfc5424"])
    def test_let_in_and_refused(self, running: ExitStack, log: socket.socket, shape: str) -> None:
        to = running.enter_context(smtp_load.sink())
        log_line = f"log 127.0.0.1:{log.getsockname()[1]} format {shape} local0"
        rule = "tcp-request content reject if { src 127.0.0.3 }"
        more = [log_line, "option tcplog", "tcp-request inspect-delay 2s", rule]
        front = running.enter_context(haproxy.front((to.address, to.port), more=more))
        for source, told, reply in (("127.0.0.2", "permitted", ""), ("127.0.0.3", "refused", "PR")):
            before = time.time()
            _connect(front.address, front.port, source)
            attempts = self._read(_lines(log, 1, source))
            assert [(one.client_address, one.told, one.reply, one.service, one.tls) for one in attempts] == [
                (source, told, reply, "smtp", None)
            ]
            assert before - 1 < attempts[0].time < time.time() + 1

    def test_a_server_that_is_down(self, running: ExitStack, log: socket.socket) -> None:
        front = running.enter_context(haproxy.front(("127.0.0.1", 1), more=self._asked(log, "retries 0")))
        _connect(front.address, front.port, "127.0.0.2")
        attempts = self._read(_lines(log, 1, "127.0.0.2"))
        assert [(one.told, one.reply) for one in attempts] == [("refused-otherwise", "SC")]

    def test_tls_that_fails(self, running: ExitStack, log: socket.socket, authority: Authority) -> None:
        to = running.enter_context(smtp_load.sink())
        more = self._asked(log)
        front = running.enter_context(
            haproxy.front((to.address, to.port), certificate=authority.issue("mx.example.org"), more=more)
        )
        with socket.create_connection((front.address, front.port), 5, source_address=("127.0.0.2", 0)) as client:
            client.sendall(b"EHLO mx.example.net\r\n")
            client.recv(512)
        attempts = self._read(_lines(log, 1, "127.0.0.2"))
        assert [(one.told, one.service) for one in attempts] == [("refused-otherwise", "smtp")]
        assert "SSL handshake" in attempts[0].reply

    def test_without_a_format_it_says_who_connects(self, running: ExitStack, log: socket.socket) -> None:
        to = running.enter_context(smtp_load.sink())
        more = self._asked(log)[:1]
        front = running.enter_context(haproxy.front((to.address, to.port), more=more))
        _connect(front.address, front.port, "127.0.0.2")
        attempts = self._read(_lines(log, 1, "127.0.0.2"))
        assert [(one.client_address, one.told, one.service) for one in attempts] == [("127.0.0.2", "permitted", "smtp")]

    @staticmethod
    def _read(lines: list[str]) -> list[Attempt]:
        """Read as a file that is written now, in the zone of this machine."""
        reader = format_of("syslog").make()
        zone = datetime.datetime.now().astimezone().tzinfo
        assert zone is not None
        reader.begin(Piece("log", time.time(), zone))
        found = [*reader.read([line.rstrip("\n").encode() for line in lines], 1), *reader.end()]
        assert reader.tally.not_understood == 0, reader.tally.problems
        return found
