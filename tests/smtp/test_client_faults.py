"""A fault of each kind at each step, replies cut anywhere, and garbage: never an exception, always the same outcome."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.reply import Reply
from arrowslit.smtp.client import ClientIdentity, TlsWish
from arrowslit.smtp.outcomes import Answered, Broken, Fault, Outcome, Ready, StartHandshake, Step
from tests.smtp.client_dialogue import ALSO_TO, FROM, TO, Dialogue, ehlo

OK = b"250 2.1.0 Ok\r\n"
XFORWARD = ClientIdentity("XFORWARD", (("ADDR", "192.0.2.1"),))
XCLIENT = ClientIdentity("XCLIENT", (("ADDR", "192.0.2.1"),))


def at_greeting() -> Dialogue:
    return Dialogue()


def at_ehlo() -> Dialogue:
    dialogue = Dialogue(lmtp=True)  # EHLO would fall back to HELO
    dialogue.hears(b"220 mx.example\r\n")
    return dialogue


def _after_ehlo(offer: str, dialogue: Dialogue) -> Dialogue:
    dialogue.hears(b"220 mx.example\r\n")
    dialogue.hears(ehlo(offer))
    return dialogue


def at_starttls() -> Dialogue:
    return _after_ehlo("STARTTLS", Dialogue(tls=TlsWish.DEMANDED))


def at_auth() -> Dialogue:
    return _after_ehlo("AUTH PLAIN", Dialogue(tls=TlsWish.OFF, username="gw", password="secret"))


def at_challenge() -> Dialogue:
    return _after_ehlo("AUTH LOGIN", Dialogue(tls=TlsWish.OFF, username="gw", password="secret"))


def at_xclient() -> Dialogue:
    return _after_ehlo("XCLIENT ADDR", Dialogue(identity=XCLIENT))


def at_client_auth() -> Dialogue:
    dialogue = Dialogue(tls=TlsWish.OFF).set_up("AUTH PLAIN")
    dialogue.engine.auth("gw", "secret")
    return dialogue


def at_xforward() -> Dialogue:
    dialogue = Dialogue(identity=XFORWARD).set_up("XFORWARD ADDR")
    dialogue.engine.mail(FROM, TO)
    return dialogue


def at_mail() -> Dialogue:
    dialogue = Dialogue().set_up()
    dialogue.engine.mail(FROM, TO)
    return dialogue


def at_rcpt() -> Dialogue:
    dialogue = at_mail()
    dialogue.hears(OK)
    return dialogue


def at_data() -> Dialogue:
    dialogue = at_rcpt()
    dialogue.hears(OK)
    dialogue.engine.data()
    return dialogue


def at_body() -> Dialogue:
    dialogue = at_data()
    dialogue.hears(b"354 go on\r\n")
    return dialogue


def at_dot() -> Dialogue:
    dialogue = at_body()
    assert dialogue.engine.dot() == b".\r\n"
    return dialogue


def at_rset() -> Dialogue:
    dialogue = Dialogue().set_up()
    dialogue.engine.reset()
    return dialogue


def at_idle() -> Dialogue:
    return Dialogue().set_up()


def at_tls() -> Dialogue:
    dialogue = at_starttls()
    assert dialogue.hears(b"220 go\r\n") == [StartHandshake()]
    return dialogue


Start = Callable[[], Dialogue]
SET_UP: list[tuple[Start, Step]] = [
    (at_greeting, Step.GREETING),
    (at_ehlo, Step.EHLO),
    (at_starttls, Step.STARTTLS),
    (at_auth, Step.AUTH),
    (at_challenge, Step.AUTH),
    (at_xclient, Step.XCLIENT),
]
TOLD: list[tuple[Start, Step]] = [
    (at_client_auth, Step.AUTH),
    (at_mail, Step.MAIL),
    (at_rcpt, Step.RCPT),
    (at_data, Step.DATA),
    (at_dot, Step.DOT),
    (at_rset, Step.RSET),
]
AWAITING = [*SET_UP, *TOLD, (at_xforward, Step.XFORWARD)]
SILENT: list[tuple[Start, Step]] = [(at_idle, Step.IDLE), (at_body, Step.BODY)]
EVERYWHERE = [*AWAITING, *SILENT, (at_tls, Step.TLS)]


@pytest.mark.parametrize(("start", "step"), EVERYWHERE)
def test_lost(start: Start, step: Step) -> None:
    dialogue = start()
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(step, Fault.LOST)]
    assert dialogue.outcomes() == []


@pytest.mark.parametrize(("start", "step"), AWAITING)
def test_lost_in_the_middle_of_a_reply(start: Start, step: Step) -> None:
    dialogue = start()
    dialogue.engine.receive(b"250-half\r\n250")
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(step, Fault.LOST)]


@pytest.mark.parametrize(("start", "step"), EVERYWHERE)
def test_timed_out(start: Start, step: Step) -> None:
    dialogue = start()
    dialogue.says()
    dialogue.engine.timed_out()
    assert dialogue.outcomes() == [Broken(step, Fault.TIMEOUT)]
    assert dialogue.hears(OK) == []
    assert dialogue.says() == b""


@pytest.mark.parametrize(("start", "step"), AWAITING)
@pytest.mark.parametrize("octets", [b"250 ok\n", b"hello\r\n", b"250-a\r\n550 b\r\n", b"x" * 3000, b"250-x\r\n" * 101])
def test_malformed(start: Start, step: Step, octets: bytes) -> None:
    dialogue = start()
    dialogue.says()
    assert dialogue.hears(octets) == [Broken(step, Fault.MALFORMED)]
    assert dialogue.says() == b""


@pytest.mark.parametrize(("start", "step"), AWAITING)
def test_unexpected(start: Start, step: Step) -> None:
    reply = Reply(399, "", ("what",))
    assert start().hears(reply.encode()) == [Broken(step, Fault.UNEXPECTED, reply)]


@pytest.mark.parametrize(("start", "step"), SET_UP)
@pytest.mark.parametrize("code", [421, 450, 550])
def test_refused_in_set_up(start: Start, step: Step, code: int) -> None:
    reply = Reply(code, "", ("no",))
    assert start().hears(reply.encode()) == [Broken(step, None, reply)]


@pytest.mark.parametrize(("start", "step"), TOLD)
@pytest.mark.parametrize("code", [421, 450, 550])
def test_refused_later(start: Start, step: Step, code: int) -> None:
    reply = Reply(code, "", ("no",))
    assert start().hears(reply.encode()) == [Answered(step, reply)]


@pytest.mark.parametrize(("start", "step"), SILENT)
def test_unasked(start: Start, step: Step) -> None:
    assert start().hears(OK) == [Broken(step, Fault.UNEXPECTED)]
    assert start().hears(b"421 bye\r\n") == [Broken(step, None, Reply(421, "", ("bye",)))]
    assert start().hears(b"421 bye\n") == [Broken(step, Fault.MALFORMED)]


def test_lost_before_it_stood() -> None:
    dialogue = Dialogue.__new__(Dialogue)
    dialogue.engine = type(at_greeting().engine)(Dialogue().engine._settings)
    dialogue.engine.lost()
    assert dialogue.outcomes() == [Broken(Step.CONNECT, Fault.LOST)]


@pytest.mark.parametrize(("start", "step"), TOLD)
def test_a_whole_reply_counts_although_the_connection_is_lost_behind_it(start: Start, step: Step) -> None:
    dialogue = start()
    dialogue.engine.receive(b"550 no\r\n")
    dialogue.engine.lost()
    assert dialogue.outcomes()[0] == Answered(step, Reply(550, "", ("no",)))


# Any cut of the same octets gives the same outcomes.

_REPLY = st.sampled_from(
    [
        b"220 mx.example ESMTP\r\n",
        b"220 gw.example\r\n",
        ehlo("PIPELINING", "XFORWARD ADDR", "SIZE 1"),
        OK,
        OK,
        OK,
        b"354 go on\r\n",
        b"451 4.3.0 later\r\n",
        b"550 5.1.1 no\r\n",
        b"550-5.1.1 no\r\n550 5.1.1 never\r\n",
        b"421 bye\r\n",
        b"221 bye\r\n",
        b"250 ok\n",
        b"garbage",
        b"\r\n",
    ]
)
_SET_UP = b"220 mx.example\r\n" + ehlo("PIPELINING", "XFORWARD ADDR")
_GOOD_TURNS = (_SET_UP, OK * 4, b"354 go on\r\n", OK)
_BAD_TURN = st.lists(_REPLY, max_size=5).map(b"".join)
_TURNS = st.tuples(*[st.just(good) | _BAD_TURN for good in _GOOD_TURNS])


def play(turns: tuple[bytes, ...], size: int) -> tuple[list[Outcome], bytes]:
    """A whole dialogue, the next hop's octets of each turn cut into pieces of `size`: what came, what was said."""
    dialogue = Dialogue(identity=XFORWARD)
    seen: list[Outcome] = []
    said = b""
    for number, octets in enumerate(turns):
        for start in range(0, len(octets), size):
            seen += dialogue.hears(octets[start : start + size])
        said += dialogue.says()
        if not _go_on(dialogue, number, seen):
            break
        said += dialogue.says()
    dialogue.engine.lost()
    return seen + dialogue.outcomes(), said


def _go_on(dialogue: Dialogue, turn: int, seen: list[Outcome]) -> bool:
    engine = dialogue.engine
    match turn, seen:
        case 0, [Ready()]:
            engine.mail(FROM, TO)
            engine.rcpt(ALSO_TO)
        case 1, [_, Answered(Step.MAIL), Answered(Step.RCPT, first), Answered(Step.RCPT, second)] if (
            first.positive or second.positive
        ):
            engine.data()
        case 2, [*_, Answered(Step.DATA, Reply(354))]:
            engine.dot()
        case _:
            return False
    return True


@given(_TURNS, st.integers(1, 40))
def test_cuts_change_nothing(turns: tuple[bytes, ...], size: int) -> None:
    assert play(turns, size) == play(turns, 1 << 16)


def test_the_good_dialogue_is_one() -> None:
    seen, said = play(_GOOD_TURNS, 1)
    steps = [outcome.step for outcome in seen if isinstance(outcome, Answered)]
    assert steps == [Step.MAIL, Step.RCPT, Step.RCPT, Step.DATA, Step.DOT]
    assert said.startswith(b"EHLO gw.example\r\nXFORWARD ADDR=192.0.2.1\r\nMAIL FROM")


@given(st.sampled_from(EVERYWHERE), st.lists(st.binary(max_size=30) | _REPLY, max_size=6))
def test_garbage_is_only_ever_an_outcome(place: tuple[Start, Step], pieces: list[bytes]) -> None:
    dialogue = place[0]()
    seen: list[Outcome] = []
    for piece in pieces:
        seen += dialogue.hears(piece)
    dialogue.engine.lost()
    seen += dialogue.outcomes()
    assert isinstance(seen[-1], Broken)
    assert sum(isinstance(outcome, Broken) for outcome in seen) == 1
