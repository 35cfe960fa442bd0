"""What a next hop's answer, or its failure, means for the client: the outcome table of gateway-behaviour 1.

Terms: a *failure* is where setting a connection up or using it broke; a *verdict* is the next hop's own word on a
sender, recipient or message, which passes with its code. Sections are of RFC 5321; RFC 1047 for a lost final answer.
"""

from __future__ import annotations

from arrowslit.mail.reply import Reply
from arrowslit.policy.model import NextHop
from arrowslit.session import replies
from arrowslit.session.actions import Outcome, OutcomeKind
from arrowslit.smtp.outcomes import Broken, Fault, Step

_OUR_FAULT = (replies.NEXT_HOP_MISCONFIGURED, "next-hop-misconfigured", True)
_DOWN = (replies.NEXT_HOP_DOWN, "next-hop-down", False)
_GARBAGE = (replies.NEXT_HOP_GARBAGE, "next-hop-garbage", True)
_BUSY = (replies.NEXT_HOP_BUSY, "next-hop-busy", False)

FAULTS: dict[Fault, tuple[Reply, str, bool]] = {
    Fault.LOST: _DOWN,
    Fault.TIMEOUT: _DOWN,
    Fault.MALFORMED: _GARBAGE,
    Fault.UNEXPECTED: _GARBAGE,
    Fault.NOT_OFFERED: _OUR_FAULT,
    Fault.BUFFERED_BEHIND_TLS: _GARBAGE,
    Fault.TLS_FAILED: _OUR_FAULT,
    Fault.LOOP: (replies.NEXT_HOP_LOOP, "next-hop-loop", True),
}
"""Fault of a connection before the final dot -> what the client is told, the reason, whether an alarm is due."""

_TEXTS = {
    Step.MAIL: "The server behind refused the sender",
    Step.RCPT: "The server behind refused the recipient",
    Step.DATA: "The server behind refused the message",
    Step.DOT: "The server behind refused the message",
}
_RELAY_CODES = frozenset({550, 551, 553, 554})


def failed(broken: Broken, hop: str, address: str) -> Outcome:
    """The outcome of a connection that can't be used, before the final dot. 4yz means load, not death."""
    if broken.fault is not None:
        reply, reason, alarm = FAULTS[broken.fault]
    elif broken.reply is not None and broken.reply.permanent:
        reply, reason, alarm = _OUR_FAULT
    else:
        reply, reason, alarm = _BUSY
    text = f"next hop {hop} ({address}) at {broken.step.value}: {_said(broken)}" if alarm else ""
    return Outcome(OutcomeKind.DEFERRED, reply, reason, hop, address, broken.reply, text)


def _said(broken: Broken) -> str:
    if broken.reply is not None:
        return f"{broken.reply.code} {broken.reply.enhanced} {broken.reply.text}".strip()
    return broken.detail or (broken.fault.value if broken.fault else "no answer")


def verdict(step: Step, said: Reply, hop: NextHop, address: str, *, relay: bool) -> Outcome:
    """The next hop's word on MAIL, RCPT, DATA or the message. Code and enhanced code pass, text only if `pass`."""
    if said.positive:
        kind = OutcomeKind.ACCEPTED if step is Step.RCPT else OutcomeKind.DELIVERED
        return Outcome(kind, said, "accepted-by-next-hop", hop.name, address, said)
    if step is Step.RCPT and not relay and _denies_relay(said):
        reply, reason, _ = _OUR_FAULT
        alarm = f"next hop {hop.name} ({address}) denies relay for an accepted domain: {said.code} {said.text}"
        return Outcome(OutcomeKind.DEFERRED, reply, reason, hop.name, address, said, alarm)
    reply = _passed(step, said, hop)
    kind = OutcomeKind.REFUSED if reply.permanent else OutcomeKind.DEFERRED
    word = "refused" if reply.permanent else "deferred"
    return Outcome(kind, reply, f"{step.value}-{word}-by-next-hop", hop.name, address, said)


def unknown(broken: Broken, hop: str, address: str) -> Outcome:
    """After our dot nobody knows: never another next hop, since that makes duplicates (RFC 1047)."""
    text = f"next hop {hop} ({address}) did not answer the message: {_said(broken)}"
    return Outcome(OutcomeKind.UNKNOWN, replies.NEXT_HOP_UNKNOWN, "unknown", hop, address, broken.reply, text)


def local(kind: OutcomeKind, reply: Reply, reason: str, hop: str = "", address: str = "") -> Outcome:
    """An outcome that no next hop had a word in."""
    return Outcome(kind, reply, reason, hop, address)


def _denies_relay(said: Reply) -> bool:
    return said.code in _RELAY_CODES and "relay" in said.text.lower()


def _passed(step: Step, said: Reply, hop: NextHop) -> Reply:
    """421 would end our own client's session and means load: 451. 3yz where a verdict belongs is no sense at all."""
    if not (said.transient or said.permanent):
        return replies.NEXT_HOP_GARBAGE
    code = 451 if said.code == 421 else said.code
    enhanced = said.enhanced or f"{code // 100}.0.0"
    lines = said.lines if hop.reply_text == "pass" and any(said.lines) else (_TEXTS[step],)
    return Reply(code, enhanced, lines)
