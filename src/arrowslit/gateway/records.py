"""Records of what a session decided and what became of its mail: the session's facts beside the note's own.

Never decides and never formats for a reader: `observe` does that.
"""

from __future__ import annotations

import time

from arrowslit.mail.reply import Reply
from arrowslit.observe.queue_id import queue_id
from arrowslit.observe.record import RECIPIENTS, Record, to_intent
from arrowslit.policy.decision import Action as PolicyAction
from arrowslit.session.actions import Note, NoteKind, OutcomeKind
from arrowslit.session.session import Session
from arrowslit.session.trace import protocol_keyword
from arrowslit.session.transaction import Transaction

_OUTCOMES = {
    OutcomeKind.DELIVERED: "delivered",
    OutcomeKind.ACCEPTED: "accepted",
    OutcomeKind.REFUSED: "refused",
    OutcomeKind.DEFERRED: "deferred",
    OutcomeKind.UNKNOWN: "unknown",
}


class Recorder:
    """Makes records for one worker."""

    __slots__ = ("_node", "_worker")

    def __init__(self, node: str, worker: int) -> None:
        self._node, self._worker = node, worker

    def of(self, session: Session, note: Note) -> Record:
        """The record of `note`, with what is known of the session now."""
        transaction, decision, outcome = note.transaction, note.decision, note.outcome
        reply = note.reply
        rcpt = note.rcpt or (transaction.accepted[0] if transaction and transaction.accepted else None)
        certificate = session.certificate
        return Record(
            node=self._node,
            worker=self._worker,
            virtual_server=session.virtual_server,
            listener=session.listener.address,
            kind=note.kind.value,
            action=_action(note),
            stage=decision.stage.label if decision else None,
            code=reply.code if reply else None,
            enhanced=reply.enhanced if reply else None,
            reason=note.reason,
            rule=decision.rule if decision else None,
            revision=decision.revision if decision else session.node.policy.revision,
            generation=decision.generation if decision else None,
            would_be=decision.would_be.reason if decision and decision.would_be else None,
            next_hop=outcome.next_hop or None if outcome else None,
            next_hop_address=outcome.address or None if outcome else None,
            outcome=_outcome(note),
            protocol=protocol_keyword(
                extended=session.extended,
                tls=bool(session.tls),
                authenticated=session.authenticated_as is not None,
                smtputf8=bool(transaction and transaction.mail.smtputf8),
            ),
            time=time.time(),
            id=transaction.id if transaction else session.id,
            client_address=str(session.client_address),
            client_port=session.client_port,
            client_name=session.client_name if isinstance(session.client_name, str) else None,
            reverse_name=session.reverse_name if isinstance(session.reverse_name, str) else None,
            helo_name=session.helo_name or None,
            tls=session.tls or None,
            certificate=certificate.fingerprint if certificate else None,
            authenticated_as=session.authenticated_as,
            reverse_path=transaction.mail.reverse_path.text if transaction else None,
            forward_path=rcpt.forward_path.text if rcpt else None,
            recipients=len(transaction.accepted) if transaction else None,
            message_bytes=transaction.octets or None if transaction else None,
            reply=reply.text if reply else None,
            next_hop_reply=_said(outcome.said) if outcome and outcome.said else None,
            queue_id=queue_id(outcome.said.text) if outcome and outcome.said else None,
            seconds=session.node.moment.monotonic - transaction.started if transaction else None,
            forward_paths=_several(transaction) if note.rcpt is None else None,
            certificate_names=tuple(sorted(certificate.names)) if certificate else None,
        )


def _several(transaction: Transaction | None) -> tuple[str, ...] | None:
    if transaction is None or len(transaction.accepted) < 2:
        return None
    return tuple(one.forward_path.text for one in transaction.accepted[:RECIPIENTS])


def _action(note: Note) -> str:
    decision, reply = note.decision, note.reply
    if note.kind is NoteKind.DECISION and decision is not None:
        return decision.action.value
    if reply is None:
        return PolicyAction.DROP.value
    if reply.permanent:
        return PolicyAction.REJECT.value
    return PolicyAction.DEFER.value if reply.transient else PolicyAction.PERMIT.value


def _outcome(note: Note) -> str | None:
    outcome = note.outcome
    if outcome is None:
        return "client gone" if note.reason == "client-gone" else None
    word = _OUTCOMES[outcome.kind]
    return f"{word}, client gone" if note.client_gone and outcome.kind is OutcomeKind.DELIVERED else word


def _said(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced} {reply.text}" if reply.enhanced else f"{reply.code} {reply.text}"


def intent_of(session: Session, transaction: Transaction, next_hop: str, address: str) -> bytes:
    """What is kept while a final dot is on its way: enough to record `unknown` if this process dies (decisions 18)."""
    record = Record(
        kind="delivery",
        action="defer",
        outcome="unknown",
        reason="unknown",
        next_hop=next_hop,
        next_hop_address=address,
        time=time.time(),
        id=transaction.id,
        client_address=str(session.client_address),
        reverse_path=transaction.mail.reverse_path.text,
        forward_path=transaction.accepted[0].forward_path.text if transaction.accepted else None,
        recipients=len(transaction.accepted),
    )
    return to_intent(record)
