"""Lines of the kernel's firewall, in the shapes that nftables, iptables, ufw, firewalld, Shorewall and OpenWrt give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.kernel import told
from tests.traffic.reading import at, read, read_with_stops

PACKET = "LEN=60 TOS=0x00 PREC=0x00 TTL=50 ID=1 DF PROTO=TCP SPT=2492 DPT=25 WINDOW=64240 RES=0x00 SYN URGP=0 "
MAC = "MAC=52:54:00:00:00:01:52:54:00:00:00:02:08:00 "
LOG = f"""\
Mar  2 05:00:00 fw kernel: [ 12.345678] [UFW BLOCK] IN=eth0 OUT= {MAC}SRC=203.0.113.9 DST=192.0.2.25 {PACKET}
Mar  2 05:00:01 fw kernel: [ 13.345678] [UFW BLOCK] IN=eth0 OUT= {MAC}SRC=203.0.113.9 DST=192.0.2.25 {PACKET}
Mar  2 05:00:03 fw kernel: [ 15.345678] [UFW BLOCK] IN=eth0 OUT= {MAC}SRC=203.0.113.9 DST=192.0.2.25 {PACKET}
Mar  2 05:00:03 fw kernel: mail: IN=eth0 OUT= {MAC}SRC=2001:0db8:0000:0000:0000:0000:0000:0009 DST=2001:0db8:0000:0000:0000:0000:0000:0025 LEN=80 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=40000 DPT=587 WINDOW=64800 RES=0x00 SYN URGP=0
Mar  2 05:00:04 fw kernel: nft ACCEPT:IN=wan0 OUT=lan0 {MAC}SRC=198.51.100.7 DST=192.168.1.25 LEN=60 PROTO=TCP SPT=5000 DPT=25 WINDOW=64240 RES=0x00 SYN URGP=0
Mar  2 05:00:05 fw kernel: nft ACCEPT:IN=lan0 OUT=wan0 {MAC}SRC=192.168.1.9 DST=198.51.100.7 LEN=60 PROTO=TCP SPT=5001 DPT=25 WINDOW=64240 RES=0x00 SYN URGP=0
Mar  2 05:00:06 fw kernel: out: IN= OUT=eth0 SRC=192.0.2.25 DST=198.51.100.7 LEN=60 PROTO=TCP SPT=5002 DPT=25 WINDOW=64240 RES=0x00 SYN URGP=0
Mar  2 05:00:07 fw kernel: DROP IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 LEN=40 PROTO=TCP SPT=2492 DPT=25 WINDOW=64240 RES=0x00 ACK FIN URGP=0
Mar  2 05:00:08 fw kernel: DROP IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 LEN=60 PROTO=TCP SPT=2493 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0
Mar  2 05:00:09 fw kernel: DROP IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 LEN=60 PROTO=ICMP TYPE=3 CODE=1 [SRC=192.0.2.25 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=2492 DPT=25 SYN ]
Mar  2 05:00:10 fw kernel: usb 1-1: new high-speed USB device
Mar  2 05:10:00 fw kernel: [UFW BLOCK] IN=eth0 OUT= {MAC}SRC=203.0.113.9 DST=192.0.2.25 {PACKET}
"""

FIRST = Attempt(
    at("2026-03-02 05:00:00"), "203.0.113.9", "refused", "203.0.113.9:2492", service=":25", reply="[UFW BLOCK]"
)
EXPECTED = [
    FIRST,
    Attempt(at("2026-03-02 05:00:03"), "2001:db8::9", "not-told", "2001:db8::9:40000", service=":587", reply="mail:"),
    Attempt(
        at("2026-03-02 05:00:04"), "198.51.100.7", "permitted", "198.51.100.7:5000", service=":25", reply="nft ACCEPT:"
    ),
    FIRST._replace(time=at("2026-03-02 05:10:00")),
]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (6, 6, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(LOG.rstrip("\n"), "syslog") == EXPECTED


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", "not-told"),
        ("mail: ", "not-told"),
        ("[UFW BLOCK] ", "refused"),
        ("[UFW ALLOW] ", "permitted"),
        ("[UFW AUDIT] ", "not-told"),
        ("[UFW LIMIT BLOCK] ", "refused-otherwise"),
        ("FINAL_REJECT: ", "refused"),
        ("STATE_INVALID_DROP: ", "refused-otherwise"),
        ("filter_IN_public_DENY: ", "refused"),
        ("Shorewall:net-fw:DROP:", "refused"),
        ("Shorewall:net-fw:ACCEPT:", "permitted"),
        ("DROP wan in: ", "refused"),
        ("iptables denied: ", "refused"),
        ("IPTables-Dropped: ", "refused"),
        ("BAD:", "not-told"),
        ("ACCEPT or DROP ", "not-told"),
        ("backdrop passive blocklist: ", "not-told"),
    ],
)
def test_only_the_prefix_tells_what_was_done(prefix: str, expected: str) -> None:
    assert told(prefix) == expected
    line = f"Mar  2 05:00:00 fw kernel: {prefix}IN=eth0 OUT= {MAC}SRC=203.0.113.9 DST=192.0.2.25 {PACKET}"
    attempts, _ = read(line)
    assert [(one.told, one.reply) for one in attempts] == [(expected, prefix.strip())]


def _lines(*lines: tuple[str, str, str]) -> str:
    """Of each: when, prefix, source port."""
    end = "LEN=60 PROTO=TCP SPT={} DPT=25 WINDOW=64240 RES=0x00 SYN URGP=0"
    return "\n".join(
        f"Mar  2 {time} fw kernel: {prefix} IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 {end.format(port)}"
        for time, prefix, port in lines
    )


def test_packets_that_are_sent_again_are_one_attempt() -> None:
    """Linux sends a SYN again after 1, 2, 4, 8, 16 and 32 seconds."""
    times = ["05:00:00", "05:00:01", "05:00:03", "05:00:07", "05:00:15", "05:00:31", "05:01:03"]
    attempts, tally = read(_lines(*((time, "DROP", "2492") for time in times)))
    assert [(one.time, one.told, one.repeats) for one in attempts] == [(at("2026-03-02 05:00:00"), "refused", 1)]
    assert tally.used == 7


def test_another_port_or_much_later_is_another_attempt() -> None:
    attempts, _ = read(_lines(("05:00:00", "DROP", "2492"), ("05:00:01", "DROP", "2493"), ("05:00:41", "DROP", "2492")))
    assert [(one.id, one.time - at("2026-03-02 05:00:00")) for one in attempts] == [
        ("203.0.113.9:2492", 0),
        ("203.0.113.9:2493", 1),
        ("203.0.113.9:2492", 41),
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("[UFW AUDIT]", "[UFW BLOCK]", ("refused", "[UFW BLOCK]")),
        ("[UFW BLOCK]", "mail:", ("refused", "[UFW BLOCK]")),
        ("raw ACCEPT", "filter DROP", ("refused", "filter DROP")),
    ],
)
def test_two_rules_for_one_packet(first: str, second: str, expected: tuple[str, str]) -> None:
    attempts, _ = read(_lines(("05:00:00", first, "2492"), ("05:00:00", second, "2492")))
    assert [(one.told, one.reply) for one in attempts] == [expected]


def test_the_bridge_of_a_machine_for_others() -> None:
    line = "Mar  2 05:00:00 fw kernel: DROP IN=br0 PHYSIN=eth0 OUT=br0 PHYSOUT=vnet0 SRC=203.0.113.9 DST=192.0.2.25 LEN=60 PROTO=TCP SPT=1 DPT=465 WINDOW=1 RES=0x00 SYN URGP=0"
    attempts, _ = read(line)
    assert [(one.client_address, one.service, one.told) for one in attempts] == [("203.0.113.9", ":465", "refused")]


@pytest.mark.parametrize("program", ["kernel", "ulogd[812]"])
@pytest.mark.parametrize("stamp", ["Mar  2 05:00:00", "2026-03-02T06:00:00.000+01:00"])
def test_frames(program: str, stamp: str) -> None:
    attempts, _ = read(f"{stamp} fw {program}: DROP IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 {PACKET}")
    assert [(one.time, one.told) for one in attempts] == [(at("2026-03-02 05:00:00"), "refused")]


def test_the_journal() -> None:
    line = '{"__REALTIME_TIMESTAMP":"1772427600000000","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"DROP IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.25 LEN=60 PROTO=TCP SPT=2492 DPT=25 SYN URGP=0"}'
    attempts, _ = read(line)
    assert [(one.time, one.told) for one in attempts] == [(at("2026-03-02 05:00:00"), "refused")]


@pytest.mark.parametrize(
    ("source", "target", "taken"),
    [
        ("203.0.113.9", "192.168.1.25", True),
        ("203.0.113.9", "198.51.100.25", True),
        ("192.168.1.9", "192.168.1.25", True),
        ("192.168.1.9", "198.51.100.25", False),
        ("fd00::9", "2001:db8::25", False),
        ("2001:db8::9", "2001:db8::25", True),
        ("100.64.0.9", "198.51.100.25", False),
    ],
)
def test_what_a_router_forwards(source: str, target: str, taken: bool) -> None:
    attempts, tally = read(f"Mar  2 05:00:00 fw kernel: IN=a OUT=b SRC={source} DST={target} {PACKET}")
    assert [one.client_address for one in attempts] == ([source] if taken else [])
    assert (tally.used, tally.skipped) == ((1, 0) if taken else (0, 1))


@pytest.mark.parametrize("addresses", ["SRC=203.0.113.999 DST=192.0.2.25", "SRC=203.0.113.9", "SRC= DST=192.0.2.25"])
def test_what_is_not_understood_is_named(addresses: str) -> None:
    attempts, tally = read(f"Mar  2 05:00:00 fw kernel: IN=eth0 OUT= {addresses} {PACKET}")
    assert attempts == []
    assert [(one.line, one.says) for one in tally.problems] == [
        (1, "the addresses in this line of the firewall are none")
    ]


@given(st.data())
def test_nothing_in_a_file_stops_it(data: st.DataObject) -> None:
    lines = LOG.encode().splitlines()
    cut = st.sampled_from(lines).flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at]))
    mixed = st.lists(st.sampled_from(LOG.split(" ")), max_size=30).map(lambda parts: " ".join(parts).encode())
    framed = st.binary(max_size=60).map(lambda octets: b"Mar  2 05:00:00 fw kernel: IN=eth0 OUT= " + octets)
    lines = data.draw(st.lists(st.one_of(cut, mixed, framed, st.sampled_from(lines)), max_size=12))
    read(b"\n".join(line.replace(b"\n", b"") for line in lines) + b"\n", "syslog")
