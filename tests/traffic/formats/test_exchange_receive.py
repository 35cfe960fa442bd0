"""The protocol log of what Exchange receives: fixtures after formats.md, each expected fact written by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.formats.register import recognised
from arrowslit.traffic.formats.smtp_text import told_by
from tests.traffic.reading import at, read, read_with_stops

HEADER = """\
#Software: Microsoft Exchange Server
#Version: 15.0.0.0
#Log-type: SMTP Receive Protocol Log
#Date: 2026-03-02T09:00:00.000Z
#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context
"""
FRONT = "EX\\Default Frontend EX"
HUB = "EX\\Default EX"


def rows(
    session: str,
    said: Sequence[tuple[str, ...]],
    *,
    remote: str = "198.51.100.7:4368",
    local: str = "10.0.0.5:25",
    connector: str = FRONT,
    first: int = 0,
) -> str:
    """Lines of one session, a second apart from 09:34:00 on, quoted as Exchange quotes them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for at_, (event, data, context) in enumerate(((*one, "", "")[:3] for one in said), first):
        stamp = f"2026-03-02T09:34:{at_:02}.100Z"
        writer.writerow([stamp, connector, session, at_, local, remote, event, data, context])
    return out.getvalue()


PIPELINED = HEADER + rows(
    "08D8A10000000001",
    [
        ("+",),
        (
            "*",
            "SMTPSubmit SMTPAcceptAnySender SMTPAcceptAuthoritativeDomainSender AcceptRoutingHeaders",
            "Set Session Permissions",
        ),
        (">", "220 ex.example.org Microsoft ESMTP MAIL Service ready at Mon, 2 Mar 2026 10:34:00 +0100"),
        ("<", "EHLO mx.example.net"),
        (">", "250  ex.example.org Hello [198.51.100.7] SIZE 37748736 PIPELINING DSN ENHANCEDSTATUSCODES STARTTLS"),
        ("<", "STARTTLS"),
        (">", "220 2.0.0 SMTP server ready"),
        (
            "*",
            "",
            "TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384",
        ),
        ("<", "EHLO mx.example.net"),
        ("*", "", "TlsDomainCapabilities='None'; Status='NoRemoteCertificate'"),
        (
            ">",
            "250  ex.example.org Hello [198.51.100.7] SIZE 37748736 PIPELINING DSN ENHANCEDSTATUSCODES AUTH NTLM LOGIN",
        ),
        ("<", "MAIL FROM:<a@example.net> SIZE=900"),
        ("*", "08D8A10000000001;2026-03-02T09:34:00.100Z;1", "receiving message"),
        ("<", "RCPT TO:<b@example.org>"),
        ("<", "RCPT TO:<b@elsewhere.example>"),
        ("<", "RCPT TO:<nobody@example.org>"),
        (">", "250 2.1.0 Sender OK"),
        (">", "250 2.1.5 Recipient OK"),
        (">", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
        (">", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        ("<", "DATA"),
        (">", "354 Start mail input; end with <CRLF>.<CRLF>"),
        (
            ">",
            "250 2.6.0 <id@example.net> [InternalId=42, Hostname=ex.example.org] 729 bytes in 0.164, 4.3 KB/sec Queued mail for delivery",
        ),
        ("<", "QUIT"),
        (">", "221 2.0.0 Service closing transmission channel"),
        ("-", "", "Local"),
    ],
)

RELAY = Attempt(
    at("2026-03-02 09:34:14.1"),
    "198.51.100.7",
    "refused",
    "08D8A10000000001;2026-03-02T09:34:00.100Z;1",
    first=False,
    service="EX\\Default Frontend EX",
    helo_name="mx.example.net",
    tls=True,
    certificate="",
    authenticated_as="",
    reverse_path="a@example.net",
    forward_path="b@elsewhere.example",
    message_bytes=900,
    reply="550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
)
PIPELINED_EXPECTED = [
    RELAY,
    RELAY._replace(
        time=at("2026-03-02 09:34:15.1"),
        told="refused-otherwise",
        forward_path="nobody@example.org",
        reply="550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ),
    RELAY._replace(
        time=at("2026-03-02 09:34:13.1"),
        told="permitted",
        first=True,
        forward_path="b@example.org",
        message_bytes=729,
        reply="250 2.1.5 Recipient OK",
    ),
]


def test_replies_that_come_after_later_commands() -> None:
    attempts, tally = read(PIPELINED)
    assert attempts == PIPELINED_EXPECTED
    # The five lines of the header and nothing else.
    assert (tally.used, tally.skipped, tally.not_understood) == (26, 5, 0)


def test_it_can_be_stopped_after_each_line() -> None:
    assert read_with_stops(PIPELINED.rstrip("\n"), "exchange-receive") == PIPELINED_EXPECTED


def test_two_sessions_that_mix_do_not_mix_up() -> None:
    one = PIPELINED[len(HEADER) :].splitlines()
    two = (
        PIPELINED[len(HEADER) :]
        .replace("08D8A10000000001", "08D8A10000000002")
        .replace("198.51.100.7", "203.0.113.9")
        .splitlines()
    )
    mixed = [line for pair in zip(one, two, strict=True) for line in pair]
    attempts, _ = read(HEADER + "\n".join(mixed))
    assert [a for a in attempts if a.client_address == "198.51.100.7"] == PIPELINED_EXPECTED
    assert [
        a._replace(client_address="198.51.100.7", id=RELAY.id) for a in attempts if a.client_address == "203.0.113.9"
    ] == (PIPELINED_EXPECTED)


# --- signing in ---------------------------------------------------------------------------------------------------

GREETING = [
    ("+",),
    (">", "220 ex.example.org Microsoft ESMTP MAIL Service ready"),
    ("<", "EHLO [203.0.113.9]"),
    (">", "250  ex Hello"),
]


def test_who_signed_in() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A10000000003",
            [
                *GREETING,
                ("<", "AUTH LOGIN"),
                (">", "334 <authentication response>"),
                ("<", "QUIT"),  # what a client answers to a 334 is no command, whatever it looks like
                (">", "334 <authentication response>"),
                ("*", "SMTPSubmit SMTPAcceptAnyRecipient BypassAntiSpam", "Set Session Permissions"),
                ("*", "EXAMPLE\\ann", "authenticated"),
                (">", "235 2.7.0 Authentication successful"),
                ("<", "MAIL FROM:<ann@example.org>"),
                (">", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
                ("-", "", "Remote"),
            ],
            remote="[2001:db8::9]:51000",
            connector="EX\\Client Frontend EX",
        )
    )
    assert attempts == [
        Attempt(
            at("2026-03-02 09:34:11.1"),
            "2001:db8::9",
            "refused",
            "08D8A10000000003",
            service="EX\\Client Frontend EX",
            helo_name="[203.0.113.9]",
            tls=False,
            authenticated_as="EXAMPLE\\ann",
            reverse_path="ann@example.org",
            reply="550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        )
    ]


def test_who_failed_to_sign_in_and_left() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A10000000004",
            [
                *GREETING,
                ("<", "AUTH LOGIN"),
                (">", "334 <authentication response>"),
                ("*", "", "Inbound AUTH LOGIN failed because of LogonDenied"),
                ("*", "", "User Name: x,authenticated"),
                (">", "535 5.7.3 Authentication unsuccessful"),
                ("-", "", "Remote(SocketError)"),
            ],
        )
    )
    assert [(a.told, a.authenticated_as, a.forward_path, a.reply) for a in attempts] == [
        ("refused-otherwise", "", None, "535 5.7.3 Authentication unsuccessful")
    ]


# --- what is missing ----------------------------------------------------------------------------------------------


def test_a_beginning_that_is_missing_tells_nothing() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A10000000005",
            [
                ("<", "MAIL FROM:<>"),
                (">", "250 2.1.0 Sender OK"),
                ("<", "RCPT TO:<b@example.org>"),
                (">", "250 2.1.5 Recipient OK"),
            ],
            first=11,
        )
    )
    assert [(a.helo_name, a.tls, a.authenticated_as, a.reverse_path, a.told) for a in attempts] == [
        (None, None, None, "", "permitted")
    ]


def test_a_reply_that_is_missing_shifts_nothing() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A10000000006",
            [
                *GREETING,
                ("<", "MAIL FROM:<a@example.net>"),
                ("<", "RCPT TO:<one@example.org>"),
                ("<", "RCPT TO:<two@example.org>"),
                ("<", "DATA"),
                (">", "250 2.1.5 Recipient OK"),  # of one; those of MAIL and of two are missing
                (">", "354 Start mail input; end with <CRLF>.<CRLF>"),
                (">", "250 2.6.0 <id@example.net> Queued mail for delivery"),
                ("-", "", "Remote"),
            ],
        )
    )
    assert {a.forward_path: a.told for a in attempts} == {"one@example.org": "permitted", "two@example.org": "not-told"}


def test_lines_that_come_twice_count_once() -> None:
    lines = PIPELINED[len(HEADER) :].splitlines()
    twice = [line for one in lines for line in (one, one)]
    attempts, tally = read(HEADER + "\n".join(twice))
    assert attempts == PIPELINED_EXPECTED
    # "+" and "-" are used both times; of the other 24 each second one is skipped.
    assert (tally.used, tally.skipped) == (28, 5 + 24)


def test_a_header_in_mid_file_can_move_the_columns() -> None:
    fields = HEADER + PIPELINED[len(HEADER) :].replace(",-,,Local", ",-,,Local,")
    moved = fields.replace("event,data,context\n", "event,data,context,more\n")
    body = [line + "," if "08D8A1" in line and not line.endswith("Local,") else line for line in moved.splitlines()]
    attempts, tally = read(PIPELINED + "\n".join(body).replace("08D8A10000000001", "08D8A1000000000F"))
    assert [(a.told, a.forward_path) for a in attempts] == 2 * [(a.told, a.forward_path) for a in PIPELINED_EXPECTED]
    assert tally.not_understood == 0


# --- refusals -----------------------------------------------------------------------------------------------------


def _refused(*said: tuple[str, ...]) -> list[tuple[str, str | None, str | None]]:
    attempts, _ = read(HEADER + rows("08D8A10000000007", [*GREETING, *said, ("-", "", "Remote")]))
    return [(a.told, a.reverse_path, a.forward_path) for a in attempts]


def test_a_message_that_is_refused_as_a_whole_was_not_let_in() -> None:
    sent = [
        ("<", "MAIL FROM:<a@example.net>"),
        (">", "250 2.1.0 Sender OK"),
        ("<", "RCPT TO:<b@example.org>"),
        (">", "250 2.1.5 Recipient OK"),
        ("<", "BDAT 100"),
        (">", "250 2.6.0 CHUNK received OK, 100 octets"),
        ("<", "BDAT 3 LAST"),
    ]
    assert _refused(*sent, (">", "550 5.7.1 Message rejected as spam by Content Filtering.")) == [
        ("refused-otherwise", "a@example.net", "b@example.org")
    ]
    assert _refused(*sent, (">", "550 5.7.1 Client does not have permissions to send as this sender")) == [
        ("refused", "a@example.net", "b@example.org")
    ]
    assert _refused(*sent, (">", "451 4.7.0 Timeout waiting for client input")) == [
        ("permitted", "a@example.net", "b@example.org")
    ]


def test_refusals_before_a_recipient() -> None:
    assert _refused(("<", "MAIL FROM:<a@example.net>"), (">", "530 5.7.1 Client was not authenticated")) == [
        ("refused", "a@example.net", None)
    ]
    assert _refused(("<", "MAIL FROM:<a@example.net>"), (">", "452 4.3.1 Insufficient system resources")) == [
        ("refused-otherwise", "a@example.net", None)
    ]


def test_a_connection_in_which_nothing_was_asked_comes_to_nothing() -> None:
    assert _refused() == []
    attempts, tally = read(HEADER + rows("08D8A10000000008", [("+",), (">", "220 ex ready"), ("-", "", "Remote")]))
    assert attempts == []
    assert tally.used == 3


def test_a_connection_that_is_refused_at_once() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A10000000009",
            [
                ("+",),
                (
                    ">",
                    "550 5.7.1 External client with IP address 203.0.113.9 does not have permissions to submit to this server.",
                ),
                ("-",),
            ],
            remote="203.0.113.9:1",
        )
    )
    assert [(a.told, a.client_address, a.forward_path) for a in attempts] == [("refused", "203.0.113.9", None)]


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        "550 5.7.1 Unable to relay",
        "550 5.7.1 Unable to relay for v@elsewhere.example",
        "550 5.7.1 Unable to Relay. ATTR11",
        "550 5.7.64 TenantAttribution; Relay Access Denied",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
        "550 5.7.1 Client does not have permissions to submit to this server",
        "550 5.7.1 Anonymous client does not have permissions to send as this sender",
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        "530 5.7.1 Client was not authenticated",
        "530 5.7.1 Not authenticated",
        "530 5.7.0 Must issue a STARTTLS command first",
        "451 5.7.3 STARTTLS is required to send mail",
    ],
)
def test_refusals_for_access(text: str) -> None:
    assert told_by(text) == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 User unknown",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "550 5.1.1 unable to relay <client was not authenticated@example.org>",
        "550 5.7.1 Recipient not authorized, your IP has been found on a block list",
        "550 5.7.1 Submission has been disabled for this account",
        "552 5.3.4 Message size exceeds fixed maximum message size",
        "452 4.3.1 Insufficient system resources",
        "421 4.3.2 Service not available",
        "501 5.1.7 Invalid address",
    ],
)
def test_refusals_for_other_reasons(text: str) -> None:
    assert told_by(text) == "refused-otherwise"


# --- the front end and the hub ------------------------------------------------------------------------------------


def _hub(front: str, recipients: str = "b@example.org") -> str:
    return rows(
        "08D8B20000000001",
        [
            ("+",),
            (">", "220 ex Microsoft ESMTP MAIL Service ready"),
            ("<", "EHLO ex.example.org"),
            (">", "250  ex Hello [10.0.0.5]"),
            ("<", "X-ANONYMOUSTLS"),
            (">", "220 2.0.0 SMTP server ready"),
            ("*", "", "TLS protocol SP_PROT_TLS1_2_SERVER negotiation succeeded using bulk encryption"),
            ("<", "EHLO ex.example.org"),
            (">", "250  ex Hello [10.0.0.5]"),
            ("<", "X-EXPS EXCHANGEAUTH SHA256 "),
            ("*", "EXAMPLE\\EX$", "authenticated"),
            (">", "235 <authentication response>"),
            (
                "<",
                f"XPROXYFROM SID={front} IP=198.51.100.7 PORT=4368 DOMAIN=mx.example.net SEQNUM=1 PERMS=1077 AUTHSRC=Anonymous",
            ),
            (">", "250 XProxyFrom accepted"),
            ("<", "MAIL FROM:<a@example.net> SIZE=900"),
            (">", "250 2.1.0 Sender OK"),
            ("<", f"RCPT TO:<{recipients}>"),
            (">", "250 2.1.5 Recipient OK"),
            ("<", "BDAT 900 LAST"),
            (
                ">",
                "250 2.6.0 <id@example.net> [InternalId=42, Hostname=ex.example.org] 729 bytes in 0.1, 7 KB/sec Queued mail for delivery",
            ),
            ("-", "", "Local"),
        ],
        remote="10.0.0.5:22334",
        local="10.0.0.5:2525",
        connector=HUB,
    )


def test_the_hub_alone_names_the_client_of_the_front_end() -> None:
    attempts, _ = read(HEADER + _hub("08D8A10000000001"))
    assert attempts == [
        Attempt(
            at("2026-03-02 09:34:16.1"),
            "198.51.100.7",
            "permitted",
            "08D8B20000000001",
            service="EX\\Default EX",
            helo_name="mx.example.net",
            authenticated_as="",
            reverse_path="a@example.net",
            forward_path="b@example.org",
            message_bytes=729,
            reply="250 2.1.5 Recipient OK",
        )
    ]


@pytest.mark.parametrize("front_first", [True, False])
def test_what_front_end_and_hub_both_tell_counts_once(front_first: bool) -> None:
    logs = [PIPELINED, HEADER + _hub("08D8A10000000001")]
    attempts, _ = read("".join(logs if front_first else logs[::-1]))
    assert sorted((a.told, a.forward_path or "") for a in attempts) == [
        ("permitted", "b@example.org"),
        ("refused", "b@elsewhere.example"),
        ("refused-otherwise", "nobody@example.org"),
    ]


def test_a_stranger_cannot_name_another_client() -> None:
    attempts, _ = read(
        HEADER
        + rows(
            "08D8A1000000000A",
            [
                *GREETING,
                ("<", "XPROXYFROM SID=08D8A10000000001 IP=192.0.2.1 PORT=1 DOMAIN=good.example"),
                (">", "550 5.7.1 Command not allowed"),
                ("<", "MAIL FROM:<a@b.example>"),
                (">", "250 2.1.0 Sender OK"),
                ("<", "RCPT TO:<b@example.org>"),
                (">", "250 2.1.5 Recipient OK"),
            ],
            remote="203.0.113.9:1",
        )
    )
    assert [(a.client_address, a.helo_name) for a in attempts] == [("203.0.113.9", "[203.0.113.9]")]


def test_health_checks_are_left_out_where_the_server_makes_them() -> None:
    def checks(remote: str) -> int:
        return len(
            read(
                HEADER
                + rows(
                    "08D8A1000000000B",
                    [
                        *GREETING,
                        ("<", "MAIL FROM:<HealthMailboxab12@example.org>"),
                        (">", "250 2.1.0 Sender OK"),
                        ("<", "RCPT TO:<HealthMailboxcd34@example.org>"),
                        (">", "250 2.1.5 Recipient OK"),
                    ],
                    remote=remote,
                )
            )[0]
        )

    assert (checks("127.0.0.1:1"), checks("[::1]:1"), checks("10.0.0.5:1"), checks("203.0.113.9:1")) == (0, 0, 0, 1)


SENT = [
    ("<", "MAIL FROM:<ann@example.org>"),
    (">", "250 2.1.0 Sender OK"),
    ("<", "RCPT TO:<x@elsewhere.example>"),
    (">", "250 2.1.5 Recipient OK"),
]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        # One server of the organisation hands a message to the other.
        (
            [
                ("<", "X-EXPS EXCHANGEAUTH SHA256 "),
                ("*", "EXAMPLE\\EX2$", "authenticated"),
                (">", "235 <authentication response>"),
            ],
            0,
        ),
        ([("<", "X-EXPS NTLM"), ("*", "EXAMPLE\\ann", "authenticated"), (">", "235 <authentication response>")], 1),
        (
            [
                ("<", "AUTH LOGIN"),
                ("*", "EXAMPLE\\PRINTER$", "authenticated"),
                (">", "235 2.7.0 Authentication successful"),
            ],
            1,
        ),
        # The hub has the front end send.
        ([("<", "XPROXYTO DESTINATIONS=192.0.2.9"), (">", "250 XProxyTo accepted")], 0),
        ([("<", "XPROXYTO DESTINATIONS=192.0.2.9"), (">", "500 5.3.3 Unrecognized command")], 1),
    ],
)
def test_what_the_organisations_servers_hand_each_other_is_left_out(said: list[tuple[str, ...]], number: int) -> None:
    attempts, _ = read(HEADER + rows("08D8A1000000000E", [*GREETING, *said, *SENT], remote="10.0.0.6:1"))
    assert len(attempts) == number


def test_what_exchange_sends_is_left_out_with_a_word() -> None:
    attempts, tally = read(PIPELINED.replace("SMTP Receive Protocol Log", "SMTP Send Protocol Log"))
    assert attempts == []
    assert (tally.skipped, tally.not_understood) == (31, 0)
    assert [(problem.line, "SMTP Send Protocol Log" in problem.says) for problem in tally.problems] == [(3, True)]


# --- what strangers write -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        'x,-,,Local"',
        '"',
        "x\n2026-03-02T09:34:59.100Z,EX\\Default,08D8A1000000000C,99,10.0.0.5:25,192.0.2.1:1,<,MAIL FROM:<forged@example.net>,",
        ">,250 2.1.5 Recipient OK",
        "<a@example.net> AUTH=<>",
        "\u202e\x00\x1b[31m",
    ],
)
def test_what_a_stranger_says_stays_in_its_field(hostile: str) -> None:
    log = HEADER + rows(
        "08D8A1000000000C",
        [
            ("+",),
            (">", "220 ex ready"),
            ("<", f"EHLO {hostile}"),
            (">", "501 5.5.4 Invalid domain name"),
            ("<", f"NOOP {hostile}"),
            (">", "250 2.0.0 OK"),
            ("<", "MAIL FROM:<a@example.net>"),
            (">", "250 2.1.0 Sender OK"),
            ("<", 'RCPT TO:<"x> y"@example.org>'),
            (">", "550 5.1.1 User unknown"),
            ("-", "", "Remote"),
        ],
        remote="203.0.113.9:1",
    )
    attempts, tally = read(log)
    assert [(a.client_address, a.helo_name, a.reverse_path, a.forward_path, a.told) for a in attempts] == [
        ("203.0.113.9", hostile.strip(), "a@example.net", '"x> y"@example.org', "refused-otherwise")
    ]
    assert tally.not_understood == 0
    assert read_with_stops(log.rstrip("\n"), "exchange-receive") == attempts


def test_a_line_that_was_cut_off_costs_itself_alone() -> None:
    cut = '2026-03-02T09:33:00.100Z,EX\\Default,08D8A1000000000D,0,10.0.0.5:25,203.0.113.9:1,>,"220 ex ready at Mon\n'
    attempts, tally = read(HEADER + cut + PIPELINED[len(HEADER) :])
    assert attempts == PIPELINED_EXPECTED
    assert (tally.used, tally.not_understood) == (26, 1)
    assert [(problem.line, problem.excerpt[:20]) for problem in tally.problems] == [(6, "2026-03-02T09:33:00.")]


def test_two_lines_that_were_cut_off_do_not_swallow_what_is_between_them() -> None:
    cut = '2026-03-02T09:33:00.100Z,EX\\Default,08D8A1000000000D,0,10.0.0.5:25,203.0.113.9:1,>,"220 ex ready at Mon'
    body = PIPELINED[len(HEADER) :].splitlines()
    log = HEADER + "\n".join([cut, *body[:5], cut, *body[5:]])
    attempts, tally = read(log)
    assert attempts == PIPELINED_EXPECTED
    assert (tally.used, tally.not_understood) == (26, 2)
    assert [problem.line for problem in tally.problems] == [6, 12]
    assert read_with_stops(log, "exchange-receive") == PIPELINED_EXPECTED


def test_who_greets_again_after_starttls_is_in_tls() -> None:
    said = [
        *GREETING,
        ("<", "STARTTLS"),
        (">", "220 2.0.0 SMTP server ready"),
        ("<", "EHLO again"),
        (">", "250  ex Hello"),
    ]
    attempts, _ = read(HEADER + rows("08D8A10000000010", [*said, *SENT]))
    assert [(a.tls, a.helo_name) for a in attempts] == [(True, "again")]
    attempts, _ = read(HEADER + rows("08D8A10000000010", [*said[:4], *said[6:], *SENT]))
    assert [(a.tls, a.helo_name) for a in attempts] == [(False, "again")]


def test_it_is_recognised_by_shape_too() -> None:
    body = PIPELINED[len(HEADER) :].splitlines()
    found = recognised(body)
    assert found is not None
    assert found.name == "exchange-receive"
    assert [a.forward_path for a in read("\n".join(body))[0]] == [a.forward_path for a in PIPELINED_EXPECTED]


LINES = PIPELINED.splitlines() + _hub("08D8A10000000001").splitlines()
ANY_LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(lambda line, at_: line[:at_], st.sampled_from(LINES), st.integers(0, 150)),
    st.builds(
        lambda line, at_, text: line[:at_] + text + line[at_:],
        st.sampled_from(LINES),
        st.integers(0, 150),
        st.text(max_size=5),
    ),
    st.text(max_size=60),
    st.sampled_from(['"', '""', ",,,,,,,,", "#Fields:", "#Fields: data", "#Log-type: x"]),
).map(lambda line: line.replace("\n", " "))


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY_LINE, max_size=60))
def test_garbage_never_raises_and_no_line_is_lost(lines: list[str]) -> None:
    log = "\n".join(lines)
    attempts, _ = read(log.encode("utf-8", "surrogatepass"), "exchange-receive")
    if lines and lines[-1]:
        assert read_with_stops(log.encode("utf-8", "surrogatepass"), "exchange-receive") == attempts
