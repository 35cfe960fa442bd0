"""The client engine from connect to Ready."""

from __future__ import annotations

from base64 import b64encode

import pytest

from arrowslit.mail.reply import Reply
from arrowslit.smtp.client import ClientIdentity, ClientSettings, TlsWish
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.offer import Capabilities
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Ready, StartHandshake, Step
from tests.smtp.client_dialogue import FROM, TO, Dialogue, capabilities, ehlo

GREETING = b"220 mx.example ESMTP\r\n"
PLAIN = b"AUTH PLAIN " + b64encode(b"\0gw\0secret") + b"\r\n"


def greeted(dialogue: Dialogue) -> Dialogue:
    assert dialogue.hears(GREETING) == []
    dialogue.says()
    return dialogue


def test_nothing_is_said_before_the_greeting() -> None:
    dialogue = Dialogue()
    assert dialogue.says() == b""
    assert dialogue.hears(b"220-mx.example\r\n") == []
    assert dialogue.says() == b""
    assert dialogue.hears(b"220 ESMTP\r\n") == []
    assert dialogue.says() == b"EHLO gw.example\r\n"


def test_what_is_offered_is_read() -> None:
    offer = ["pipelining", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "SIZE 1000", "AUTH plain LOGIN", "AUTH=NTLM"]
    offer += ["XCLIENT NAME ADDR", "XFORWARD ADDR", "ETRN", ""]
    assert capabilities(greeted(Dialogue()).hears(ehlo(*offer))) == Capabilities(
        pipelining=True,
        eight_bit=True,
        smtputf8=True,
        dsn=True,
        chunking=True,
        size=1000,
        auth=frozenset({"PLAIN", "LOGIN", "NTLM"}),
        xclient=frozenset({"NAME", "ADDR"}),
        xforward=frozenset({"ADDR"}),
    )


@pytest.mark.parametrize(("said", "size"), [("SIZE", 0), ("SIZE 0", 0), ("SIZE x", 0), ("SIZE " + "9" * 99, 0)])
def test_size_without_a_limit(said: str, size: int) -> None:
    assert capabilities(greeted(Dialogue()).hears(ehlo(said))).size == size


@pytest.mark.parametrize("name", ["gw.example", "GW.Example", "gw.example."])
@pytest.mark.parametrize("code", [220, 421, 554])
def test_own_name_in_the_greeting_is_a_loop(code: int, name: str) -> None:
    (outcome,) = Dialogue().hears(f"{code} {name} ESMTP\r\n".encode())
    assert outcome == Broken(Step.GREETING, Fault.LOOP, Reply(code, "", (f"{name} ESMTP",)))


def test_a_name_that_only_starts_like_ours_is_no_loop() -> None:
    assert Dialogue().hears(b"220 gw.example.net ESMTP\r\n") == []


def test_ehlo_refused_falls_back_to_helo() -> None:
    dialogue = greeted(Dialogue())
    assert dialogue.hears(b"502 what\r\n") == []
    assert dialogue.says() == b"HELO gw.example\r\n"
    assert dialogue.hears(b"250 mx.example\r\n") == [Ready(Capabilities())]


@pytest.mark.parametrize(
    "dialogue",
    [
        Dialogue(lmtp=True),
        Dialogue(tls=TlsWish.DEMANDED),
        Dialogue(tls=TlsWish.OFF, username="gw", password="secret"),
    ],
)
def test_no_helo_where_it_could_not_do(dialogue: Dialogue) -> None:
    assert greeted(dialogue).hears(b"502 what\r\n") == [Broken(Step.EHLO, None, Reply(502, "", ("what",)))]
    assert dialogue.says() == b""


def test_helo_refused() -> None:
    dialogue = greeted(Dialogue())
    dialogue.hears(b"502 what\r\n")
    assert dialogue.hears(b"502 what\r\n") == [Broken(Step.EHLO, None, Reply(502, "", ("what",)))]


def test_ehlo_refused_for_now_does_not_fall_back() -> None:
    assert greeted(Dialogue()).hears(b"451 later\r\n") == [Broken(Step.EHLO, None, Reply(451, "", ("later",)))]


def test_lmtp_says_lhlo() -> None:
    dialogue = Dialogue(lmtp=True)
    dialogue.hears(GREETING)
    assert dialogue.says() == b"LHLO gw.example\r\n"


# TLS


@pytest.mark.parametrize("wish", [TlsWish.OFFERED, TlsWish.DEMANDED])
def test_starttls_forgets_what_was_said_before(wish: TlsWish) -> None:
    dialogue = greeted(Dialogue(tls=wish))
    assert dialogue.hears(ehlo("STARTTLS", "PIPELINING")) == []
    assert dialogue.says() == b"STARTTLS\r\n"
    assert dialogue.hears(b"220 go\r\n") == [StartHandshake()]
    assert dialogue.says() == b""
    dialogue.engine.tls_started()
    assert dialogue.says() == b"EHLO gw.example\r\n"
    assert dialogue.hears(ehlo("DSN", "STARTTLS")) == [Ready(Capabilities(dsn=True, starttls=True))]


@pytest.mark.parametrize("together", [True, False])
def test_octets_behind_starttls_break_it(together: bool) -> None:
    dialogue = greeted(Dialogue())
    dialogue.hears(ehlo("STARTTLS"))
    broken = Broken(Step.STARTTLS, Fault.BUFFERED_BEHIND_TLS)
    if together:
        assert dialogue.hears(b"220 go\r\n2") == [broken]
    else:
        assert dialogue.hears(b"220 go\r\n") == [StartHandshake()]
        assert dialogue.hears(b"250-injected\r\n") == [broken]


def test_nothing_is_left_of_the_first_offer_where_ehlo_is_refused_under_tls() -> None:
    dialogue = greeted(Dialogue())
    dialogue.hears(ehlo("STARTTLS", "PIPELINING"))
    dialogue.hears(b"220 go\r\n")
    dialogue.engine.tls_started()
    dialogue.hears(b"502 what\r\n")
    assert dialogue.hears(b"250 mx.example\r\n") == [Ready(Capabilities())]


def test_tls_off_is_never_asked_for() -> None:
    assert len(greeted(Dialogue(tls=TlsWish.OFF)).hears(ehlo("STARTTLS"))) == 1


def test_tls_from_start_is_not_asked_for_again() -> None:
    dialogue = greeted(Dialogue(tls_from_start=True, tls=TlsWish.DEMANDED))
    assert capabilities(dialogue.hears(ehlo("STARTTLS")))


def test_tls_demanded_and_not_offered() -> None:
    assert greeted(Dialogue(tls=TlsWish.DEMANDED)).hears(ehlo()) == [Broken(Step.STARTTLS, Fault.NOT_OFFERED)]


def test_tls_refused_where_it_was_only_a_wish() -> None:
    dialogue = greeted(Dialogue())
    dialogue.hears(ehlo("STARTTLS", "DSN"))
    assert dialogue.hears(b"454 4.7.0 not now\r\n") == [Ready(Capabilities(starttls=True, dsn=True))]


def test_tls_refused_where_it_is_demanded() -> None:
    dialogue = greeted(Dialogue(tls=TlsWish.DEMANDED))
    dialogue.hears(ehlo("STARTTLS"))
    refusal = Reply(454, "4.7.0", ("not now",))
    assert dialogue.hears(b"454 4.7.0 not now\r\n") == [Broken(Step.STARTTLS, None, refusal)]


def test_handshake_lost() -> None:
    dialogue = greeted(Dialogue())
    dialogue.hears(ehlo("STARTTLS"))
    dialogue.hears(b"220 go\r\n")
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(Step.TLS, Fault.LOST)]


# AUTH


def with_credentials(password: str = "secret", *, tls: TlsWish = TlsWish.OFF) -> Dialogue:
    return greeted(Dialogue(tls=tls, username="gw", password=password))


def test_plain_in_one_step() -> None:
    dialogue = with_credentials()
    assert dialogue.hears(ehlo("AUTH LOGIN PLAIN")) == []
    assert dialogue.says() == PLAIN
    assert len(dialogue.hears(b"235 2.7.0 welcome\r\n")) == 1


def test_plain_that_is_too_long_for_one_step() -> None:
    dialogue = with_credentials("x" * 500)
    dialogue.hears(ehlo("AUTH PLAIN"))
    assert dialogue.says() == b"AUTH PLAIN\r\n"
    assert dialogue.hears(b"334 \r\n") == []
    assert dialogue.says() == b64encode(b"\0gw\0" + b"x" * 500) + b"\r\n"
    assert len(dialogue.hears(b"235 2.7.0 welcome\r\n")) == 1


def test_login() -> None:
    dialogue = with_credentials()
    dialogue.hears(ehlo("AUTH LOGIN"))
    assert dialogue.says() == b"AUTH LOGIN\r\n"
    dialogue.hears(b"334 VXNlcm5hbWU6\r\n")
    assert dialogue.says() == b64encode(b"gw") + b"\r\n"
    dialogue.hears(b"334 UGFzc3dvcmQ6\r\n")
    assert dialogue.says() == b64encode(b"secret") + b"\r\n"
    assert len(dialogue.hears(b"235 welcome\r\n")) == 1


@pytest.mark.parametrize("offer", [(), ("AUTH GSSAPI",)])
def test_no_mechanism_that_we_know(offer: tuple[str, ...]) -> None:
    assert with_credentials().hears(ehlo(*offer)) == [Broken(Step.AUTH, Fault.NOT_OFFERED)]


def test_own_credentials_refused() -> None:
    dialogue = with_credentials()
    dialogue.hears(ehlo("AUTH PLAIN"))
    assert dialogue.hears(b"535 5.7.8 no\r\n") == [Broken(Step.AUTH, None, Reply(535, "5.7.8", ("no",)))]


@pytest.mark.parametrize("reply", [b"250 ok\r\n", b"334 again\r\n"])
def test_an_answer_that_auth_does_not_have(reply: bytes) -> None:
    dialogue = with_credentials()
    dialogue.hears(ehlo("AUTH PLAIN"))
    (outcome,) = dialogue.hears(reply)
    assert isinstance(outcome, Broken)
    assert (outcome.step, outcome.fault) == (Step.AUTH, Fault.UNEXPECTED)


def test_own_credentials_wait_for_tls() -> None:
    dialogue = with_credentials(tls=TlsWish.OFFERED)
    assert dialogue.hears(ehlo("AUTH PLAIN")) == [Broken(Step.STARTTLS, Fault.NOT_OFFERED)]
    assert dialogue.says() == b""


def test_own_credentials_after_tls() -> None:
    dialogue = with_credentials(tls=TlsWish.OFFERED)
    dialogue.hears(ehlo("STARTTLS", "AUTH PLAIN"))
    dialogue.hears(b"220 go\r\n")
    dialogue.engine.tls_started()
    dialogue.says()
    dialogue.hears(ehlo("AUTH PLAIN"))
    assert dialogue.says() == PLAIN


def test_passwords_are_never_shown() -> None:
    settings = ClientSettings("gw.example", "gw.example", username="gw", password="secret")
    assert "secret" not in repr(settings)
    assert "secret" not in str(settings)


@pytest.mark.parametrize(("code", "enhanced"), [(235, "2.7.0"), (535, "5.7.8"), (454, "4.7.0")])
def test_a_clients_credentials(code: int, enhanced: str) -> None:
    dialogue = Dialogue(tls=TlsWish.OFF).set_up("AUTH PLAIN")
    dialogue.engine.auth("gw", "secret")
    assert dialogue.says() == PLAIN
    answered = Answered(Step.AUTH, Reply(code, enhanced, ("so",)))
    assert dialogue.hears(f"{code} {enhanced} so\r\n".encode()) == [answered]
    dialogue.engine.mail(FROM, TO)
    assert dialogue.says() == b"MAIL FROM:<a@a.example>\r\n"


def test_a_clients_login_refused_at_the_name() -> None:
    dialogue = Dialogue(tls=TlsWish.OFF).set_up("AUTH LOGIN")
    dialogue.engine.auth("gw", "secret")
    dialogue.hears(b"334 name\r\n")
    dialogue.says()
    assert dialogue.hears(b"535 5.7.8 no\r\n") == [Answered(Step.AUTH, Reply(535, "5.7.8", ("no",)))]
    dialogue.engine.auth("gw", "secret")
    assert dialogue.says() == b"AUTH LOGIN\r\n"


def test_a_nul_shifts_no_field_of_plain() -> None:
    dialogue = Dialogue(tls=TlsWish.OFF).set_up("AUTH PLAIN LOGIN")
    dialogue.engine.auth("gw\0root", "secret")
    assert dialogue.says() == b"AUTH LOGIN\r\n"


def test_a_clients_credentials_never_go_out_in_plain() -> None:
    dialogue = Dialogue().set_up("AUTH PLAIN")
    dialogue.engine.auth("gw", "secret")
    assert dialogue.outcomes() == [Broken(Step.STARTTLS, Fault.NOT_OFFERED)]
    assert dialogue.says() == b""


# XCLIENT


def test_xclient_starts_again_at_ehlo_and_comes_before_auth() -> None:
    identity = ClientIdentity("XCLIENT", (("ADDR", "192.0.2.1"), ("NAME", None), ("HELO", "a b"), ("PORT", "1")))
    dialogue = greeted(Dialogue(tls=TlsWish.OFF, username="gw", password="secret", identity=identity))
    dialogue.hears(ehlo("XCLIENT ADDR NAME HELO", "AUTH PLAIN"))
    assert dialogue.says() == b"XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE] HELO=a+20b\r\n"
    assert dialogue.hears(GREETING) == []
    assert dialogue.says() == b"EHLO gw.example\r\n"
    dialogue.hears(ehlo("XCLIENT ADDR NAME HELO", "AUTH PLAIN"))
    assert dialogue.says() == PLAIN
    assert len(dialogue.hears(b"235 ok\r\n")) == 1


def test_xclient_in_several_commands() -> None:
    identity = ClientIdentity("XCLIENT", (("NAME", "n" * 300), ("HELO", "h" * 300), ("LOGIN", "=" * 400)))
    dialogue = greeted(Dialogue(identity=identity))
    said = []
    for _ in range(2):
        assert dialogue.hears(ehlo("XCLIENT NAME HELO LOGIN")) == []
        said.append(dialogue.says())
        assert dialogue.hears(GREETING) == []
        assert dialogue.says() == b"EHLO gw.example\r\n"
    assert len(dialogue.hears(ehlo("XCLIENT NAME HELO LOGIN"))) == 1
    assert said == [
        b"XCLIENT NAME=" + b"n" * 300 + b"\r\n",
        b"XCLIENT HELO=" + b"h" * 300 + b" LOGIN=[UNAVAILABLE]\r\n",
    ]


def test_xclient_not_offered_again_for_the_second_command() -> None:
    identity = ClientIdentity("XCLIENT", (("NAME", "n" * 300), ("HELO", "h" * 300)))
    dialogue = greeted(Dialogue(identity=identity))
    dialogue.hears(ehlo("XCLIENT NAME HELO"))
    dialogue.hears(GREETING)
    assert dialogue.hears(ehlo()) == [Broken(Step.XCLIENT, Fault.NOT_OFFERED)]


@pytest.mark.parametrize("offer", [(), ("XCLIENT PORT",)])
def test_xclient_not_offered(offer: tuple[str, ...]) -> None:
    dialogue = greeted(Dialogue(identity=ClientIdentity("XCLIENT", (("ADDR", "192.0.2.1"),))))
    assert dialogue.hears(ehlo(*offer)) == [Broken(Step.XCLIENT, Fault.NOT_OFFERED)]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"550 5.7.0 no\r\n", Broken(Step.XCLIENT, None, Reply(550, "5.7.0", ("no",)))),
        (b"421 bye\r\n", Broken(Step.XCLIENT, None, Reply(421, "", ("bye",)))),
        (b"250 ok\r\n", Broken(Step.XCLIENT, Fault.UNEXPECTED, Reply(250, "", ("ok",)))),
        (b"220 gw.example\r\n", Broken(Step.GREETING, Fault.LOOP, Reply(220, "", ("gw.example",)))),
    ],
)
def test_xclient_goes_wrong(reply: bytes, outcome: Outcome) -> None:
    dialogue = greeted(Dialogue(identity=ClientIdentity("XCLIENT", (("ADDR", "192.0.2.1"),))))
    dialogue.hears(ehlo("XCLIENT ADDR"))
    assert dialogue.hears(reply) == [outcome]


def test_a_transaction_cannot_start_before_ready() -> None:
    with pytest.raises(LocalProtocolError):
        greeted(Dialogue()).engine.mail(FROM, TO)
