"""Message tracking of Exchange 2007 and later: fixtures after formats.md, each expected fact written by hand."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from tests.traffic.reading import at, read, read_with_stops

TOP = "#Software: Microsoft Exchange Server\n#Version: 15.01.2375.007\n#Log-type: Message Tracking Log\n#Date: 2026-03-02T09:00:00.000Z\n"
COLUMNS = (
    "date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,"
    "internal-message-id,message-id,network-message-id,recipient-address,recipient-status,total-bytes,recipient-count,"
    "related-recipient-address,reference,message-subject,sender-address,return-path,message-info,directionality,"
    "tenant-id,original-client-ip,original-server-ip,custom-data,transport-traffic-type,log-id,schema-version"
)
# Exchange 2007: 21 columns.
OLD_COLUMNS = (
    "date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,"
    "internal-message-id,message-id,recipient-address,recipient-status,total-bytes,recipient-count,"
    "related-recipient-address,reference,message-subject,sender-address,return-path,message-info"
)
HEADER = f"{TOP}#Fields: {COLUMNS}\n"
OLD_HEADER = f"{TOP}#Fields: {OLD_COLUMNS}\n"

ARRIVAL = {
    "date-time": "2026-03-02T09:34:38.100Z",
    "client-ip": "10.0.0.5",
    "client-hostname": "ex",
    "server-ip": "10.0.0.5",
    "server-hostname": "ex",
    "source-context": "08D8B20000000001;2026-03-02T09:34:37.900Z;0",
    "connector-id": "ex\\Default ex",
    "source": "SMTP",
    "event-id": "RECEIVE",
    "internal-message-id": "42",
    "message-id": "<id@example.net>",
    "network-message-id": "13fad5b7-39c5-46e7-130e-08d4a138ac67",
    "recipient-address": "b@example.org;c@example.org",
    "total-bytes": "729",
    "recipient-count": "2",
    "message-subject": 'Hi, "you"',
    "sender-address": "someone.else@example.com",
    "return-path": "a@example.net",
    "message-info": "0cA: ",
    "directionality": "Incoming",
    "original-client-ip": "198.51.100.7",
    "custom-data": "S:ProxiedClientIPAddress=198.51.100.7;S:ProxiedClientHostname=mx.example.net",
}


def row(columns: str = COLUMNS, **changed: str) -> str:
    values = ARRIVAL | {name.replace("_", "-"): value for name, value in changed.items()}
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([values.get(name, "") for name in columns.split(",")])
    return out.getvalue()


EXPECTED = [
    Attempt(
        at("2026-03-02 09:34:38.1"),
        "198.51.100.7",
        "permitted",
        "08D8B20000000001;2026-03-02T09:34:37.900Z;0",
        service="ex\\Default ex",
        reverse_path="a@example.net",
        forward_path="b@example.org",
        message_bytes=729,
    ),
    Attempt(
        at("2026-03-02 09:34:38.1"),
        "198.51.100.7",
        "permitted",
        "08D8B20000000001;2026-03-02T09:34:37.900Z;0",
        first=False,
        service="ex\\Default ex",
        reverse_path="a@example.net",
        forward_path="c@example.org",
        message_bytes=729,
    ),
]

STEPS = "".join(
    row(source=source, event_id=event)
    for source, event in [
        ("SMTP", "HAREDIRECT"),
        ("SMTP", "HARECEIVE"),
        ("SMTP", "SEND"),
        ("STOREDRIVER", "DELIVER"),
        ("STOREDRIVER", "NOTIFYMAPI"),
        ("STOREDRIVER", "RECEIVE"),
        ("AGENT", "AGENTINFO"),
    ]
)


def test_who_handed_it_in_stands_behind_the_front_end() -> None:
    log = HEADER + row() + STEPS
    attempts, tally = read(log)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (1, 5 + 7, 0)
    assert read_with_stops(log.rstrip("\n"), "exchange-tracking") == EXPECTED


@pytest.mark.parametrize(
    ("changed", "client"),
    [
        ({"original_client_ip": ""}, "198.51.100.7"),  # by custom-data
        ({"original_client_ip": "", "custom_data": ""}, None),  # the server itself hides whoever it was
        ({"original_client_ip": "", "custom_data": "", "client_ip": "192.0.2.77"}, "192.0.2.77"),  # no front end
        ({"original_client_ip": "", "custom_data": "", "client_ip": "fe80::1%3"}, None),
        ({"original_client_ip": "2001:db8::7"}, "2001:db8::7"),
        ({"original_client_ip": "127.0.0.1"}, None),
        ({"original_client_ip": "10.0.0.5"}, None),
        # A stranger's From is repeated in the same field.
        (
            {
                "original_client_ip": "",
                "custom_data": ARRIVAL["custom-data"] + ";S:OriginalFromAddress=x;S:ProxiedClientIPAddress=192.0.2.1",
            },
            None,
        ),
    ],
)
def test_which_field_is_the_client(changed: dict[str, str], client: str | None) -> None:
    attempts, _ = read(HEADER + row(**changed))
    assert [a.client_address for a in attempts] == [client, client]


def test_exchange_2007_has_fewer_columns() -> None:
    attempts, _ = read(
        OLD_HEADER + row(OLD_COLUMNS, client_ip="198.51.100.7", return_path="<>", recipient_address="b@example.org")
    )
    assert attempts == [EXPECTED[0]._replace(reverse_path="")]


def test_columns_that_change_in_mid_file() -> None:
    old = OLD_HEADER + row(OLD_COLUMNS, client_ip="198.51.100.7", source_context="")
    attempts, tally = read(HEADER + row() + old + HEADER + row(network_message_id="another"))
    assert [a.client_address for a in attempts] == ["198.51.100.7"] * 6
    assert [a.id for a in attempts[2:4]] == ["42", "42"]
    assert tally.not_understood == 0


def test_the_same_message_at_two_servers_counts_once() -> None:
    again = row(
        client_ip="10.0.0.5",
        server_ip="10.0.0.6",
        source_context="08D8C30000000001;x;1",
        recipient_address="c@example.org;d@example.org",
    )
    attempts, tally = read(HEADER + row() + again + row())
    assert [a.forward_path for a in attempts] == ["b@example.org", "c@example.org", "d@example.org"]
    assert (tally.used, tally.skipped) == (2, 6)


def test_a_message_id_is_a_strangers_word_and_hides_nothing() -> None:
    attempts, _ = read(HEADER + row() + row(network_message_id="another", original_client_ip="203.0.113.9"))
    assert [a.client_address for a in attempts] == ["198.51.100.7"] * 2 + ["203.0.113.9"] * 2


def test_what_mailboxes_send_is_left_out_with_a_word() -> None:
    own = row(directionality="Originating", original_client_ip="10.1.2.3", custom_data="")
    relayed = row(
        directionality="Originating", original_client_ip="10.1.2.4", custom_data="S:ProxiedClientIPAddress=10.1.2.4"
    )
    attempts, tally = read(HEADER + own + own + relayed)
    assert [a.client_address for a in attempts] == ["10.1.2.4", "10.1.2.4"]
    assert [(problem.line, "mailboxes" in problem.says) for problem in tally.problems] == [(6, True)]


def test_health_checks() -> None:
    check = {"return_path": "HealthMailboxab12@example.org", "recipient_address": "HealthMailboxcd34@example.org"}
    assert read(HEADER + row(**check, original_client_ip="127.0.0.1"))[0] == []
    assert len(read(HEADER + row(**check, original_client_ip="203.0.113.9"))[0]) == 1


def test_a_subject_with_line_ends_is_one_row() -> None:
    log = HEADER + row(message_subject='one\ntwo "three"\n' + row().strip()) + row(network_message_id="another")
    attempts, tally = read(log)
    assert [a.forward_path for a in attempts] == ["b@example.org", "c@example.org"] * 2
    assert (tally.used, tally.skipped) == (4, 5)
    assert read_with_stops(log.rstrip("\n"), "exchange-tracking") == attempts


def test_without_a_header_nothing_is_guessed() -> None:
    attempts, tally = read(row() + row(), "exchange-tracking")
    assert attempts == []
    assert tally.not_understood == 2
    assert "header" in tally.problems[0].says


def test_a_row_with_too_few_columns() -> None:
    _, tally = read(HEADER + "2026-03-02T09:34:38.100Z,10.0.0.5,ex\n", "exchange-tracking")
    assert tally.not_understood == 1
    assert tally.problems[0].says == "this line has 3 columns; the header has 30"


LINES = [
    *HEADER.splitlines(),
    *OLD_HEADER.splitlines(),
    row().strip(),
    *STEPS.splitlines(),
    *row(message_subject='a\n"b').splitlines(),
]
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda line, at_, text: line[:at_] + text, st.sampled_from(LINES), st.integers(0, 400), st.text(max_size=5)
    ),
    st.builds(
        lambda line, at_, text: line[:at_] + text + line[at_:],
        st.sampled_from(LINES),
        st.integers(0, 400),
        st.text(max_size=5),
    ),
    st.text(max_size=60),
    st.sampled_from(['"', "," * 29, "#Fields:"]),
).map(lambda line: line.replace("\n", " "))


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_LINE, max_size=40))
def test_garbage_never_raises_and_no_line_is_lost(lines: list[str]) -> None:
    log = "\n".join(lines).encode("utf-8", "surrogatepass")
    attempts, _ = read(log, "exchange-tracking")
    if lines and lines[-1]:
        assert read_with_stops(log, "exchange-tracking") == attempts
