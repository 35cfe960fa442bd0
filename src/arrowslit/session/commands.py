"""What each command of the client leads to: one function an event, joined in the table `HANDLERS`.

Each function gets the session, the event and the list that actions are appended to, and answers its event exactly
once (or asks the gateway first). Decide first, then act: nothing is added to the envelope before it is permitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arrowslit.mail.address import parse_address
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Decision, Stage
from arrowslit.policy.facts import TEMPORARY_FAILURE
from arrowslit.session import replies
from arrowslit.session.actions import (
    Abandon,
    Action,
    CheckCredentials,
    Close,
    Deliver,
    NoteKind,
    Outcome,
    OutcomeKind,
    SignIn,
    SignInResult,
    StartBody,
    StartTls,
    Verdict,
    Verify,
)
from arrowslit.session.header import HeaderFilter
from arrowslit.session.trace import Hop, protocol_keyword, received_line
from arrowslit.session.transaction import Transaction
from arrowslit.smtp import events

if TYPE_CHECKING:
    from arrowslit.session.session import Session

_IDLE_COMMANDS = 100
_SIGN_IN_FAILURES = 3


def _hello(session: Session, event: events.Hello, out: list[Action]) -> None:
    session.helo_name, session.extended = event.name, event.extended
    if session.transaction is not None:
        _abandon(session, out)
    decision = session.decide(Stage.HELO, out, lambda later: _hello(session, event, later))
    if decision is None:
        return
    if not decision.permitted and decision.told_at <= Stage.HELO:
        session.refuse(decision, out)
        return
    session.refresh_offer()
    out.append(session.engine.answer_hello("Hello"))


def _mail(session: Session, event: events.Mail, out: list[Action]) -> None:
    if session.leaving:
        session.answer(out, replies.DRAINING)
        return
    if session.node.spool_full:
        session.note(out, NoteKind.FAULT, "spool-full", replies.SPOOL_FULL)
        session.answer(out, replies.SPOOL_FULL)
        return
    node = session.node
    session.transaction = Transaction(node.new_id(), event, node.moment.monotonic)
    session.transactions += 1
    _decide_mail(session, out)


def _decide_mail(session: Session, out: list[Action]) -> None:
    decision = session.decide(Stage.MAIL, out, lambda later: _decide_mail(session, later))
    if decision is None:
        return
    if not decision.permitted and decision.told_at <= Stage.MAIL:
        session.refuse(decision, out)
        session.transaction = None
        return
    session.exempt = decision.exempt
    out.append(session.engine.answer(replies.SENDER_OK))


def _rcpt(session: Session, event: events.Rcpt, out: list[Action]) -> None:
    transaction = session.the_transaction()
    decision = decide(session.policy, Stage.RECIPIENT, session.facts(event))
    if not isinstance(decision, Decision):
        session.look_up(decision, out, lambda later: _rcpt(session, event, later))
        return
    session.exempt = decision.exempt
    if not decision.permitted:
        session.refuse(decision, out, event)
        return
    if len(transaction.accepted) >= session.node.recipients_a_message:
        session.answer(out, replies.TOO_MANY_RECIPIENTS)
        return
    next_hop = decision.next_hop or ""
    if not transaction.joins(next_hop, one_recipient(session, next_hop)):
        session.answer(out, replies.OTHER_NEXT_HOP)
        return
    transaction.next_hop, transaction.relay = next_hop, decision.relay
    transaction.decision = decision
    transaction.pending = event
    transaction.normalise = transaction.normalise or decision.normalise_line_ends
    session.ask(out, "verify", Verify(next_hop, transaction.mail, event, decision.relay))


def one_recipient(session: Session, next_hop: str) -> bool:
    """Whether the next hop can answer only for one recipient at a time (gateway-behaviour 1)."""
    hop = session.policy.next_hops[next_hop]
    if hop.address[0].scheme in ("lmtp", "lmtp+unix", "maildir"):
        return True
    transaction = session.transaction
    return hop.recipient_check != "at_recipient" and not (transaction and transaction.relay)


def recipient_answered(session: Session, verdict: Verdict, out: list[Action]) -> None:
    """The next hop's verdict on a recipient is the answer to RCPT."""
    transaction = session.the_transaction()
    event, transaction.pending = transaction.pending, None
    if event is None:
        raise AssertionError("a verdict that nothing asked for")
    if verdict.kind is OutcomeKind.ACCEPTED:
        transaction.accepted.append(event)
        if transaction.decision is not None and transaction.decision.would_be is not None:
            session.note(out, NoteKind.DECISION, transaction.decision.reason, None, transaction.decision, event)
        session.answer(out, replies.RECIPIENT_OK)
        return
    if not transaction.accepted:
        transaction.next_hop = None
    session.note(out, NoteKind.DELIVERY, verdict.reason, verdict.reply, transaction.decision, event, verdict)
    session.answer(out, verdict.reply, error=verdict.reply.permanent and not session.exempt)


def _data(session: Session, _event: events.Data, out: list[Action]) -> None:
    if _start_body(session, out):
        out.append(session.engine.answer(replies.START_DATA))


def _bdat(session: Session, _event: events.BdatStart, out: list[Action]) -> None:
    if _start_body(session, out):
        out.append(session.engine.answer(replies.OK))


def _start_body(session: Session, out: list[Action]) -> bool:
    transaction = session.the_transaction()
    if not transaction.accepted:
        session.answer(out, replies.NO_RECIPIENTS, error=not session.exempt)
        return False
    transaction.header = HeaderFilter(session.node.name, not (transaction.relay or session.authenticated_as))
    session.engine.normalise_line_ends(transaction.normalise)
    out.append(StartBody())
    return True


def _chunk(session: Session, event: events.BodyChunk, out: list[Action]) -> None:
    header = session.the_transaction().header
    if header is None or header.done:
        out.append(event)
        return
    kept = header.feed(event)
    if kept:
        out.append(kept if isinstance(kept, events.BodyChunk) else events.BodyChunk(kept))


def _body_end(session: Session, event: events.BodyEnd, out: list[Action]) -> None:
    transaction = session.the_transaction()
    header = transaction.header
    held = header.finish() if header is not None else b""
    if held:
        out.append(events.BodyChunk(held))
    if event.fault is not None and event.fault.reply is not None:
        _refuse_message(session, event.fault.kind.value, event.fault.reply, out)
    elif header is not None and header.too_big:
        _refuse_message(session, "header-too-big", replies.HEADER_TOO_BIG, out)
    elif header is not None and header.loop:
        _refuse_message(session, "mail-loop", replies.LOOP, out)
    else:
        _deliver(session, event, out)


def _refuse_message(session: Session, reason: str, reply: Any, out: list[Action]) -> None:
    session.note(out, NoteKind.FAULT, reason, reply)
    _abandon(session, out)
    session.answer(out, reply, error=not session.exempt)


def _decide_data(session: Session, octets: int) -> Decision:
    """The last stage of the policy, now that the size is known."""
    decision = decide(session.policy, Stage.DATA, session.facts(octets=octets))
    if not isinstance(decision, Decision):
        raise TypeError(f"the message's stage needs {sorted(decision.facts)}, which were settled before")
    return decision


def _deliver(session: Session, event: events.BodyEnd, out: list[Action]) -> None:
    transaction = session.the_transaction()
    decision = _decide_data(session, event.octets)
    if not decision.permitted:
        _abandon(session, out)
        session.refuse(decision, out)
        return
    transaction.octets = event.octets
    session.ask(out, "deliver", Deliver(_trace(session, transaction), event.octets, event.eight_bit))


def _trace(session: Session, transaction: Transaction) -> bytes:
    node = session.node
    name = session.client_name if isinstance(session.client_name, str) else None
    protocol = protocol_keyword(
        extended=session.extended,
        tls=bool(session.tls),
        authenticated=session.authenticated_as is not None,
        smtputf8=transaction.mail.smtputf8,
    )
    hop = Hop(
        session.helo_name,
        name,
        session.client_address,
        node.name,
        protocol,
        transaction.id,
        transaction.sole_recipient,
        node.moment.stamp,
    )
    return received_line(hop)


def message_answered(session: Session, outcome: Outcome, out: list[Action]) -> None:
    """The next hop's verdict on the message is the answer to it."""
    transaction = session.the_transaction()
    session.note(out, NoteKind.DELIVERY, outcome.reason, outcome.reply, transaction.decision, None, outcome)
    session.transaction = None
    session.idle_commands = 0
    if session.closed:
        return
    session.answer(out, outcome.reply)


def _abandon(session: Session, out: list[Action]) -> None:
    out.append(Abandon())
    session.transaction = None


def _rset(session: Session, _event: events.Rset, out: list[Action]) -> None:
    if session.transaction is not None:
        _abandon(session, out)
    _idle(session, replies.OK, out)


_NOOP_REPLIES = {"NOOP": replies.OK, "HELP": replies.HELP}


def _noop(session: Session, event: events.Noop, out: list[Action]) -> None:
    _idle(session, _NOOP_REPLIES.get(event.verb, replies.VRFY), out)


def _idle(session: Session, reply: Any, out: list[Action]) -> None:
    """A command without purpose: 100 of them are as good as 20 errors (gateway-behaviour 5)."""
    session.idle_commands += 1
    if session.leaving:
        session.answer(out, replies.DRAINING)
    elif session.idle_commands > _IDLE_COMMANDS and not session.exempt:
        session.note(out, NoteKind.FAULT, "too-many-commands", replies.TOO_MANY_COMMANDS)
        session.answer(out, replies.TOO_MANY_COMMANDS)
    else:
        session.answer(out, reply)


def _quit(session: Session, _event: events.Quit, out: list[Action]) -> None:
    out.append(session.engine.answer(replies.BYE))
    session.close(out, linger=False)


def _starttls(session: Session, _event: events.StartTls, out: list[Action]) -> None:
    if session.transaction is not None:
        _abandon(session, out)
    out.append(session.engine.answer(replies.START_TLS))
    if session.engine.handshake_due:
        session.ask(out, "tls", StartTls())


def _auth(session: Session, _event: events.AuthStart, out: list[Action]) -> None:
    challenge = session.engine.proceed_auth()
    if challenge:
        out.append(challenge)


def _credentials(session: Session, event: events.Credentials, out: list[Action]) -> None:
    session.pending_login = event.username
    if event.authorisation not in ("", event.username):
        sign_in_answered(session, SignIn(SignInResult.WRONG), out)
        return
    session.ask(out, "sign-in", CheckCredentials(event))


_SIGN_IN_REPLIES = {
    SignInResult.ACCEPTED: replies.SIGNED_IN,
    SignInResult.WRONG: replies.WRONG_CREDENTIALS,
    SignInResult.UNAVAILABLE: replies.SIGN_IN_UNAVAILABLE,
    SignInResult.LIMITED: replies.SIGN_IN_LIMITED,
}


def sign_in_answered(session: Session, answer: SignIn, out: list[Action]) -> None:
    """The back end's answer; the third wrong one in a session ends it (gateway-behaviour 2)."""
    reply = _SIGN_IN_REPLIES[answer.result]
    if answer.result is SignInResult.ACCEPTED:
        session.authenticated_as, session.own_addresses = session.pending_login, answer.own_addresses
    elif answer.result is SignInResult.WRONG:
        session.sign_in_failures += 1
        if session.sign_in_failures >= _SIGN_IN_FAILURES:
            reply = replies.SIGN_IN_CLOSED
    session.note(out, NoteKind.SIGN_IN, f"sign-in-{answer.result.value}", reply)
    session.answer(out, reply, error=answer.result is SignInResult.WRONG)


def _xclient(session: Session, event: events.Xclient, out: list[Action]) -> None:
    """A client that the settings trust says whom it speaks for; the session begins anew (Postfix XCLIENT)."""
    if session.transaction is not None:
        _abandon(session, out)
    attributes = dict(event.attributes)
    address = attributes.pop("ADDR", None)
    if address is not None and address != events.TEMPUNAVAIL:
        session.speaks_for(parse_address(address))
    for name, value in attributes.items():
        _take_attribute(session, name, value)
    session.restart(out)


def _take_attribute(session: Session, name: str, value: str | None) -> None:
    if name == "PORT" and value is not None and value.isdigit():
        session.client_port = int(value)
    elif name == "HELO":
        session.helo_name = "" if value in (None, events.TEMPUNAVAIL) else str(value)
    elif name == "NAME":
        session.client_name = _named(value)
    elif name == "REVERSE_NAME":
        session.reverse_name = _named(value)
    elif name == "LOGIN":
        session.authenticated_as = value


def _named(value: str | None) -> Any:
    return TEMPORARY_FAILURE if value == events.TEMPUNAVAIL else value


def _proxy(session: Session, event: events.ProxyHeader, out: list[Action]) -> None:
    session.proxied(event.source, out)


def _fault(session: Session, event: events.Fault, out: list[Action]) -> None:
    """The engine refused something: the reply stands in the fault; some end the connection at once."""
    session.note(out, NoteKind.FAULT, event.kind.value, event.reply)
    if event.reply is None:
        if session.transaction is not None:
            _abandon(session, out)
        out.append(Close(drop=True))
        session.closed = True
    elif event.close:
        session.hang_up(out, event.reply)
    else:
        session.answer(out, event.reply, error=not session.exempt)


HANDLERS: dict[type, Callable[[Session, Any, list[Action]], None]] = {
    events.Hello: _hello,
    events.Mail: _mail,
    events.Rcpt: _rcpt,
    events.Data: _data,
    events.BdatStart: _bdat,
    events.BodyChunk: _chunk,
    events.BodyEnd: _body_end,
    events.Rset: _rset,
    events.Noop: _noop,
    events.Quit: _quit,
    events.StartTls: _starttls,
    events.AuthStart: _auth,
    events.Credentials: _credentials,
    events.Xclient: _xclient,
    events.ProxyHeader: _proxy,
    events.Fault: _fault,
}
