"""The client engine from MAIL to the answer to the final dot, and between transactions."""

from __future__ import annotations

import pytest

from arrowslit.mail.mailbox import NULL_REVERSE_PATH, Mailbox, Postmaster
from arrowslit.mail.reply import Reply
from arrowslit.smtp.client import ClientIdentity
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import Mail
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Step
from tests.smtp.client_dialogue import ALSO_TO, FROM, TO, Dialogue

MAIL_OCTETS = b"MAIL FROM:<a@a.example>\r\n"
RCPT_OCTETS = b"RCPT TO:<b@b.example>\r\n"
OK = Reply(250, "2.1.0", ("Ok",))
NO = Reply(550, "5.1.1", ("no",))
BUSY = Reply(421, "4.3.2", ("bye",))
WIRE_OK, WIRE_NO, WIRE_BUSY = OK.encode(), NO.encode(), BUSY.encode()
UTF8 = Mail(Mailbox("ü", "a.example", "ü@a.example"), smtputf8=True)


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue().set_up("PIPELINING")


@pytest.fixture
def one_by_one() -> Dialogue:
    return Dialogue().set_up()


def answered(step: Step, *replies: Reply) -> list[Outcome]:
    return [Answered(step, reply) for reply in replies]


def test_mail_and_rcpt_in_one_flight_and_data_alone(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS
    assert dialogue.hears(WIRE_OK * 2) == answered(Step.MAIL, OK) + answered(Step.RCPT, OK)
    dialogue.engine.data()
    assert dialogue.says() == b"DATA\r\n"
    go_on = Reply(354, "", ("go on",))
    assert dialogue.hears(go_on.encode()) == answered(Step.DATA, go_on)
    assert dialogue.engine.dot() == b".\r\n"
    assert dialogue.says() == b""
    assert dialogue.hears(WIRE_OK) == answered(Step.DOT, OK)
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS


def test_one_command_at_a_time_without_pipelining(one_by_one: Dialogue) -> None:
    engine = one_by_one.engine
    engine.mail(FROM, TO)
    engine.rcpt(ALSO_TO)
    assert one_by_one.says() == MAIL_OCTETS
    assert one_by_one.hears(WIRE_OK) == answered(Step.MAIL, OK)
    assert one_by_one.says() == RCPT_OCTETS
    assert one_by_one.hears(WIRE_NO) == answered(Step.RCPT, NO)
    assert one_by_one.says() == b"RCPT TO:<c@b.example>\r\n"
    assert one_by_one.hears(WIRE_OK) == answered(Step.RCPT, OK)
    assert one_by_one.says() == b""


def test_more_recipients_before_the_answers(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.rcpt(ALSO_TO)
    dialogue.engine.rcpt(TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS + b"RCPT TO:<c@b.example>\r\n" + RCPT_OCTETS
    expected = answered(Step.MAIL, OK) + answered(Step.RCPT, OK, NO, OK)
    assert dialogue.hears(WIRE_OK + WIRE_OK + WIRE_NO + WIRE_OK) == expected


def test_mail_refused_swallows_what_was_sent_behind_it(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.rcpt(ALSO_TO)
    assert dialogue.hears(WIRE_NO) == answered(Step.MAIL, NO)
    dialogue.says()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.hears(b"503 5.5.1 MAIL first\r\n" * 2 + WIRE_OK) == answered(Step.MAIL, OK)


def test_mail_refused_sends_nothing_more_without_pipelining(one_by_one: Dialogue) -> None:
    one_by_one.engine.mail(FROM, TO)
    one_by_one.engine.rcpt(ALSO_TO)
    one_by_one.says()
    assert one_by_one.hears(WIRE_NO) == answered(Step.MAIL, NO)
    assert one_by_one.says() == b""
    with pytest.raises(LocalProtocolError):
        one_by_one.engine.rcpt(TO)


FULL = Mail(
    Mailbox("a", "a.example", "a@a.example"),
    size=1000,
    body="8BITMIME",
    smtputf8=True,
    dsn=(("RET", "HDRS"), ("ENVID", "x+20y")),
    auth="somebody",
)


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ((), ""),
        (("SIZE 5",), " SIZE=1000"),
        (("8BITMIME",), " BODY=8BITMIME"),
        (("SMTPUTF8",), " SMTPUTF8"),
        (("DSN", "AUTH PLAIN"), " RET=HDRS ENVID=x+20y"),
        (("SIZE", "8BITMIME", "SMTPUTF8"), " SIZE=1000 BODY=8BITMIME SMTPUTF8"),
    ],
)
def test_parameters_of_mail_only_where_offered(offer: tuple[str, ...], said: str) -> None:
    dialogue = Dialogue().set_up(*offer)
    dialogue.engine.mail(FULL, TO)
    assert dialogue.says() == f"MAIL FROM:<a@a.example>{said}\r\n".encode()


@pytest.mark.parametrize(("offer", "said"), [((), ""), (("DSN",), " NOTIFY=NEVER ORCPT=rfc822;x")])
def test_parameters_of_rcpt_only_where_offered(offer: tuple[str, ...], said: str) -> None:
    dialogue = Dialogue().set_up("PIPELINING", *offer)
    dsn = (("NOTIFY", "NEVER"), ("ORCPT", "rfc822;x"))
    dialogue.engine.mail(FROM, TO, dsn)
    dialogue.engine.rcpt(TO, dsn)
    assert dialogue.says() == MAIL_OCTETS + f"RCPT TO:<b@b.example>{said}\r\n".encode() * 2


def test_null_reverse_path_and_postmaster(dialogue: Dialogue) -> None:
    dialogue.engine.mail(Mail(NULL_REVERSE_PATH), Postmaster("PostMaster"))
    assert dialogue.says() == b"MAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\n"


def test_an_address_beyond_ascii_where_it_is_offered() -> None:
    dialogue = Dialogue().set_up("SMTPUTF8")
    dialogue.engine.mail(UTF8, TO)
    assert dialogue.says() == "MAIL FROM:<ü@a.example> SMTPUTF8\r\n".encode()


def test_an_address_beyond_ascii_never_goes_out_unannounced(dialogue: Dialogue) -> None:
    dialogue.engine.mail(UTF8, TO)
    assert dialogue.outcomes() == [Broken(Step.MAIL, Fault.NOT_OFFERED)]
    assert dialogue.says() == b""


def test_a_recipient_beyond_ascii_needs_smtputf8_in_mail() -> None:
    dialogue = Dialogue().set_up("PIPELINING", "SMTPUTF8")
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.rcpt(Mailbox("ü", "a.example", "ü@a.example"))
    assert dialogue.outcomes() == [Broken(Step.RCPT, Fault.NOT_OFFERED)]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_line_end_gets_into_a_command(dialogue: Dialogue, end: str) -> None:
    with pytest.raises(LocalProtocolError):
        dialogue.engine.mail(FROM, Mailbox("x", "y", f"x>{end}RSET{end}@y"))


# XFORWARD

IDENTITY = ClientIdentity("XFORWARD", (("ADDR", "192.0.2.1"), ("NAME", None), ("IDENT", "x=1")))


def test_xforward_in_the_same_flight() -> None:
    dialogue = Dialogue().set_up("PIPELINING", "XFORWARD NAME ADDR")
    dialogue.engine.forward_identity(IDENTITY)
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b"XFORWARD ADDR=192.0.2.1 NAME=[UNAVAILABLE]\r\n" + MAIL_OCTETS + RCPT_OCTETS
    assert dialogue.hears(WIRE_OK) == []
    assert dialogue.hears(WIRE_OK * 2) == answered(Step.MAIL, OK) + answered(Step.RCPT, OK)


def test_xforward_before_mail_without_pipelining() -> None:
    dialogue = Dialogue().set_up("XFORWARD NAME ADDR IDENT")
    dialogue.engine.forward_identity(IDENTITY)
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b"XFORWARD ADDR=192.0.2.1 NAME=[UNAVAILABLE] IDENT=x+3D1\r\n"
    assert dialogue.hears(WIRE_OK) == []
    assert dialogue.says() == MAIL_OCTETS


def test_xforward_counts_for_one_transaction() -> None:
    dialogue = Dialogue().set_up("PIPELINING", "XFORWARD ADDR")
    dialogue.engine.forward_identity(IDENTITY)
    dialogue.engine.mail(FROM, TO)
    dialogue.hears(WIRE_OK + WIRE_NO + WIRE_NO)
    dialogue.says()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS


def test_xforward_of_the_settings_is_said_each_time() -> None:
    dialogue = Dialogue(identity=IDENTITY).set_up("PIPELINING", "XFORWARD ADDR")
    for _ in range(2):
        dialogue.engine.mail(FROM, TO)
        assert dialogue.says() == b"XFORWARD ADDR=192.0.2.1\r\n" + MAIL_OCTETS + RCPT_OCTETS
        dialogue.hears(WIRE_OK + WIRE_NO + WIRE_NO)


def test_xforward_not_offered_is_left_out(dialogue: Dialogue) -> None:
    dialogue.engine.forward_identity(IDENTITY)
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS


@pytest.mark.parametrize("refusal", [NO, Reply(451, "4.3.0", ("later",))])
def test_xforward_refused_goes_on_without_it(refusal: Reply) -> None:
    dialogue = Dialogue(identity=IDENTITY).set_up("PIPELINING", "XFORWARD ADDR")
    dialogue.engine.mail(FROM, TO)
    assert dialogue.hears(refusal.encode() + WIRE_OK * 2) == answered(Step.MAIL, OK) + answered(Step.RCPT, OK)
    assert dialogue.engine.xforward_refused == refusal


@pytest.mark.parametrize(("reply", "fault"), [(BUSY, None), (Reply(354, "", ("x",)), Fault.UNEXPECTED)])
def test_xforward_answered_by_what_ends_it(reply: Reply, fault: Fault | None) -> None:
    dialogue = Dialogue(identity=IDENTITY).set_up("PIPELINING", "XFORWARD ADDR")
    dialogue.engine.mail(FROM, TO)
    assert dialogue.hears(reply.encode() + WIRE_OK) == [Broken(Step.XFORWARD, fault, reply)]


# DATA and the final dot


def test_data_waits_for_an_accepted_recipient(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    with pytest.raises(LocalProtocolError):
        dialogue.engine.data()
    dialogue.hears(WIRE_OK + WIRE_NO)
    with pytest.raises(LocalProtocolError):
        dialogue.engine.data()


def test_recipients_of_the_transaction_before_do_not_count(dialogue: Dialogue) -> None:
    dialogue.to_body().engine.dot()
    dialogue.hears(WIRE_OK)
    dialogue.engine.mail(FROM, TO)
    dialogue.hears(WIRE_OK + WIRE_NO)
    with pytest.raises(LocalProtocolError):
        dialogue.engine.data()


def test_data_refused_leaves_the_transaction(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    dialogue.hears(WIRE_OK * 2)
    dialogue.engine.data()
    assert dialogue.hears(WIRE_NO) == answered(Step.DATA, NO)
    dialogue.engine.reset()
    assert dialogue.hears(WIRE_OK) == answered(Step.RSET, OK)


@pytest.mark.parametrize("reply", [Reply(250, "", ("x",)), Reply(334, "", ("x",))])
def test_data_answered_by_neither_354_nor_a_refusal(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.engine.mail(FROM, TO)
    dialogue.hears(WIRE_OK * 2)
    dialogue.engine.data()
    assert dialogue.hears(reply.encode()) == [Broken(Step.DATA, Fault.UNEXPECTED, reply)]


def test_lmtp_answers_the_dot_once_a_recipient() -> None:
    dialogue = Dialogue(lmtp=True).set_up("PIPELINING")
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.rcpt(ALSO_TO)
    dialogue.engine.rcpt(TO)
    dialogue.hears(WIRE_OK * 2 + WIRE_NO + WIRE_OK)
    dialogue.engine.data()
    dialogue.hears(b"354 go on\r\n")
    dialogue.engine.dot()
    assert dialogue.hears(WIRE_OK) == answered(Step.DOT, OK)
    with pytest.raises(LocalProtocolError):
        dialogue.engine.mail(FROM, TO)
    assert dialogue.hears(WIRE_NO) == answered(Step.DOT, NO)
    dialogue.says()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == MAIL_OCTETS + RCPT_OCTETS


def test_smtp_answers_the_dot_once(dialogue: Dialogue) -> None:
    dialogue.to_body(TO, ALSO_TO).engine.dot()
    assert dialogue.hears(WIRE_OK * 2) == [*answered(Step.DOT, OK), Broken(Step.IDLE, Fault.UNEXPECTED)]


def test_no_dot_goes_out_where_the_next_hop_spoke_during_the_message(dialogue: Dialogue) -> None:
    dialogue.to_body()
    dialogue.engine.receive(WIRE_NO)
    assert dialogue.engine.dot() == b""
    assert dialogue.outcomes() == [Broken(Step.BODY, Fault.UNEXPECTED)]


def test_dot_only_behind_354(dialogue: Dialogue) -> None:
    with pytest.raises(LocalProtocolError):
        dialogue.engine.dot()


# Between and at the end


def test_a_new_transaction_follows_rset_in_one_flight(dialogue: Dialogue) -> None:
    dialogue.engine.reset()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b"RSET\r\n" + MAIL_OCTETS + RCPT_OCTETS
    assert dialogue.hears(WIRE_OK * 3) == [Answered(step, OK) for step in (Step.RSET, Step.MAIL, Step.RCPT)]
    dialogue.engine.data()
    assert dialogue.says() == b"DATA\r\n"


def test_a_new_transaction_waits_for_rset_without_pipelining() -> None:
    dialogue = Dialogue().set_up()
    dialogue.engine.reset()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b"RSET\r\n"
    assert dialogue.hears(WIRE_OK) == answered(Step.RSET, OK)
    assert dialogue.says() == MAIL_OCTETS


def test_a_refused_rset_is_told_before_what_followed(dialogue: Dialogue) -> None:
    dialogue.engine.reset()
    dialogue.engine.mail(FROM, TO)
    first, *_ = dialogue.hears(WIRE_NO + WIRE_OK * 2)
    assert isinstance(first, Answered)
    assert (first.step, first.reply.positive) == (Step.RSET, False)


@pytest.mark.parametrize("reply", [BUSY, Reply(221, "", ("bye",))])
def test_the_next_hop_says_good_bye_while_idle(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.engine.receive(reply.encode())
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(Step.IDLE, None, reply)]


@pytest.mark.parametrize("octets", [b"250 ok\r\n", b"\x00", b"\r\n", b"42\r\n", b"222 x\r\n"])
def test_unasked_octets_while_idle(dialogue: Dialogue, octets: bytes) -> None:
    assert dialogue.hears(octets) == [Broken(Step.IDLE, Fault.UNEXPECTED)]


def test_a_half_said_good_bye_is_no_answer_to_the_next_command(dialogue: Dialogue) -> None:
    assert dialogue.hears(b"42") == []
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b""
    assert dialogue.outcomes() == [Broken(Step.IDLE, Fault.UNEXPECTED)]


def test_an_early_answer_is_no_answer(dialogue: Dialogue) -> None:
    """One reply too many would shift all that follow: mail counted as delivered that was not."""
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.receive(WIRE_OK * 2 + b"354 go on\r\n")
    assert [dialogue.engine.next_outcome() for _ in range(2)] == [Answered(Step.MAIL, OK), Answered(Step.RCPT, OK)]
    dialogue.says()
    dialogue.engine.data()
    assert dialogue.says() == b""
    assert dialogue.outcomes() == [Broken(Step.RCPT, Fault.UNEXPECTED)]


def test_421_ends_what_was_still_awaited(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    dialogue.engine.rcpt(ALSO_TO)
    expected = [Answered(Step.MAIL, OK), Answered(Step.RCPT, BUSY), Broken(Step.RCPT, None, BUSY)]
    assert dialogue.hears(WIRE_OK + WIRE_BUSY) == expected


def test_421_to_mail_is_one_answer(dialogue: Dialogue) -> None:
    dialogue.engine.mail(FROM, TO)
    assert dialogue.hears(WIRE_BUSY) == answered(Step.MAIL, BUSY)
    dialogue.says()
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b""
    assert dialogue.outcomes() == [Broken(Step.MAIL, None, BUSY)]


@pytest.mark.parametrize("offer", [(), ("PIPELINING",)])
def test_quit_is_the_end(offer: tuple[str, ...]) -> None:
    dialogue = Dialogue().set_up(*offer)
    dialogue.engine.quit()
    assert dialogue.says() == b"QUIT\r\n"
    dialogue.engine.lost()
    assert dialogue.hears(b"221 bye\r\n") == []


def test_quit_is_not_said_into_a_message(dialogue: Dialogue) -> None:
    dialogue.to_body().engine.quit()
    assert dialogue.says() == b""


def test_quit_after_a_fault_is_no_mistake(dialogue: Dialogue) -> None:
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(Step.IDLE, Fault.LOST)]
    dialogue.engine.quit()
    assert dialogue.says() == b""


def test_a_broken_connection_takes_no_transaction(dialogue: Dialogue) -> None:
    dialogue.engine.lost()
    dialogue.outcomes()
    with pytest.raises(LocalProtocolError):
        dialogue.engine.mail(FROM, TO)
