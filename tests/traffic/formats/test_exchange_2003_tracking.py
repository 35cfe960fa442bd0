"""Message tracking of Exchange 2000 and 2003: fixtures after formats.md, each expected fact written by hand."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import recognised
from tests.traffic.reading import at, read, read_with_stops

HEADER = (
    "# Message Tracking Log File\n"
    "# Exchange System Attendant Version 6.5.7638.1\n"
    "# Date\tTime\tclient-ip\tClient-hostname\tPartner-Name\tServer-hostname\tserver-IP\tRecipient-Address\tEvent-ID\tMSGID\t"
    "Priority\tRecipient-Report-Status\ttotal-bytes\tNumber-Recipients\tOrigination-Time\tEncryption\tservice-Version\t"
    "Linked-MSGID\tMessage-Subject\tSender-Address\n"
)


def line(
    event: str = "1019",
    recipient: str = "b@example.org",
    *,
    client: str = "198.51.100.7",
    message: str = "<id@example.net>",
    sender: str = "a@example.net",
    subject: str = "Hi",
    time: str = "5:0:15 GMT",
    end: str = "\t-\n",
) -> str:
    fields = [
        "2026-3-2",
        time,
        client,
        "mx.example.net",
        "-",
        "SRV",
        "10.0.0.5",
        recipient,
        event,
        message,
        "0",
        "0",
        "729",
        "2",
        "2026-3-2 5:0:14 GMT",
        "0",
        "Version: 6.0.3790.4675",
        "-",
        subject,
        sender,
    ]
    return "\t".join(fields) + end


LOG = (
    HEADER
    + line()
    + line()
    + line(recipient="c@example.org", time="5:0:16 GMT")
    + line("1025")
    + line("1024")
    + line("1033")
    + line("1020", client="-")
    + line("1031")
    + line("1027", client="-")
    + line("1019", client="-", message="<store@example.org>")
)
FIRST = Attempt(
    at("2026-03-02 05:00:15"),
    "198.51.100.7",
    "permitted",
    "<id@example.net>",
    reverse_path="a@example.net",
    forward_path="b@example.org",
    message_bytes=729,
)
EXPECTED = [FIRST, FIRST._replace(time=at("2026-03-02 05:00:16"), first=False, forward_path="c@example.org")]


def test_what_it_tells() -> None:
    attempts, tally = read(LOG)
    assert attempts == EXPECTED
    assert (tally.used, tally.skipped, tally.not_understood) == (2, 3 + 8, 0)
    assert read_with_stops(LOG.rstrip("\n"), "exchange-2003-tracking") == EXPECTED


def test_lines_without_a_header_and_with_crlf() -> None:
    lines = LOG[len(HEADER) :].replace("\t-\n", "\r\n")
    found = recognised(lines.split("\n"))
    assert found is not None
    assert found.name == "exchange-2003-tracking"
    assert read(lines)[0] == EXPECTED


def test_a_message_id_of_another_hides_nothing() -> None:
    attempts, _ = read(HEADER + line() + line(client="203.0.113.9") + line(message="-") + line(message="-"))
    assert [(a.client_address, a.id, a.first) for a in attempts] == [
        ("198.51.100.7", "<id@example.net>", True),
        ("203.0.113.9", "<id@example.net>", True),
        ("198.51.100.7", "", True),
        ("198.51.100.7", "", True),
    ]


def test_reverse_paths() -> None:
    def of(**changed: str) -> str | None:
        return read(HEADER + line(**changed))[0][0].reverse_path

    assert of(sender="<>") == ""
    assert of(sender="-") is None
    # A subject with a tab moves the columns behind it.
    assert of(subject="Hi\tforged@example.com") is None
    assert of(subject="Hi\tforged@example.com", end="\n") is None


def test_what_is_not_understood_is_named() -> None:
    _, tally = read(
        HEADER + line(time="25:0:15 GMT") + "2026-3-2\t5:0:15 GMT\t198.51.100.7\n", "exchange-2003-tracking"
    )
    assert [(problem.line, problem.says) for problem in tally.problems] == [
        (4, "there is no time in this line"),
        (5, "this line has too few columns"),
    ]


LINES = LOG.splitlines()
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(
        lambda line, at_, text: line[:at_] + text, st.sampled_from(LINES), st.integers(0, 300), st.text(max_size=5)
    ),
    st.builds(
        lambda line, at_, text: line[:at_] + text + line[at_:],
        st.sampled_from(LINES),
        st.integers(0, 300),
        st.text(max_size=5),
    ),
    st.text(max_size=60),
).map(lambda line: line.replace("\n", " "))


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_LINE, max_size=40))
def test_garbage_never_raises_and_no_line_is_lost(lines: list[str]) -> None:
    log = "\n".join(lines).encode("utf-8", "surrogatepass")
    attempts, _ = read(log, "exchange-2003-tracking")
    if lines and lines[-1]:
        assert read_with_stops(log, "exchange-2003-tracking") == attempts
