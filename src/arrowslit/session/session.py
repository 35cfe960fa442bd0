"""One conversation with a client: events of the engine come in, policy is asked, actions go out.

Terms: as in `session.actions` (what is asked of the gateway) and `policy.decision` (stages, decisions). The way of a
message is in docs/architecture.md. Never touches the world: time comes in as `Node.moment`, names and verdicts through
the methods that actions name. Rules: gateway-behaviour 1 to 5, RFC 5321 4, RFC 3207, RFC 4954.
"""

from __future__ import annotations

from collections.abc import Callable

from arrowslit.mail.address import IPAddress, unmap
from arrowslit.mail.mailbox import Mailbox
from arrowslit.mail.reply import Reply
from arrowslit.policy.decide import decide
from arrowslit.policy.decision import Action as PolicyAction
from arrowslit.policy.decision import Decision, Needs, Stage
from arrowslit.policy.facts import UNKNOWN, Certificate, Facts, Unknown
from arrowslit.policy.model import Policy
from arrowslit.policy.replies import with_reference
from arrowslit.session import replies
from arrowslit.session.actions import (
    Abandon,
    Action,
    CheckRecipient,
    Close,
    CountSource,
    LookUp,
    Note,
    NoteKind,
    Outcome,
    Pause,
    SignIn,
    Splice,
    StartTls,
    Verdict,
)
from arrowslit.session.commands import HANDLERS, message_answered, recipient_answered, sign_in_answered
from arrowslit.session.node import Listener, Node, adapted
from arrowslit.session.transaction import Transaction
from arrowslit.smtp import events
from arrowslit.smtp.server import ServerEngine, ServerSettings

_SLOW_AFTER = 10
_CLOSE_AFTER = 20
_SLOW_SECONDS = 1.0


class Session:
    """One connection's conversation.

    Every method that takes something in returns the actions to be done, in order. While an action that *asks* is
    under way (`awaiting` names it), octets may still come in by `receive`.
    """

    __slots__ = (
        "_resume",
        "asked_to_leave",
        "authenticated_as",
        "awaiting",
        "certificate",
        "client_address",
        "client_name",
        "client_port",
        "closed",
        "connections_of_source",
        "engine",
        "errors",
        "exempt",
        "extended",
        "greeted",
        "helo_name",
        "id",
        "idle_commands",
        "listener",
        "node",
        "own_addresses",
        "peer_address",
        "pending_login",
        "pending_recipient",
        "recipient_listed",
        "refused_connect",
        "reverse_name",
        "sign_in_failures",
        "tls",
        "transaction",
        "transactions",
        "virtual_server",
    )

    def __init__(
        self,
        node: Node,
        listener: Listener,
        client: tuple[IPAddress, int],
        connections_of_source: int = 1,
    ) -> None:
        self.node = node
        self.listener = listener
        self.virtual_server = listener.virtual_server
        self.client_address, self.client_port = unmap(client[0]), client[1]
        self.peer_address = self.client_address
        self.connections_of_source = connections_of_source
        self.asked_to_leave = False
        self.id = node.new_id()
        self.client_name: str | Unknown | None = UNKNOWN
        self.reverse_name: str | Unknown | None = UNKNOWN
        self.helo_name = ""
        self.extended = False
        self.tls = ""
        self.certificate: Certificate | None = None
        self.authenticated_as: str | None = None
        self.own_addresses: frozenset[str] | None = None
        self.transaction: Transaction | None = None
        self.transactions = 0
        self.awaiting = ""
        self.closed = False
        self.exempt = False
        self.refused_connect = False
        self.greeted = False
        self.errors = 0
        self.sign_in_failures = 0
        self.idle_commands = 0
        self.pending_login = ""
        self.pending_recipient: Mailbox | None = None
        self.recipient_listed: tuple[Mailbox, bool | Unknown] | None = None
        self._resume: Callable[[list[Action]], None] | None = None
        settings = ServerSettings(
            name=node.name, expect_proxy=listener.expect_proxy, text_line_octets=node.text_line_octets
        )
        self.engine = ServerEngine(settings, node.offer(self.virtual_server, tls=False))

    # --- what comes in ------------------------------------------------------------------------------------------

    def open(self) -> list[Action]:
        """The connection stands."""
        out: list[Action] = []
        if not self.listener.expect_proxy:
            self._begin(out)
        return self.pump(out)

    def receive(self, data: bytes) -> list[Action]:
        """Octets of the client (decrypted)."""
        self.engine.receive(data)
        out: list[Action] = []
        if not self.awaiting:
            self.pump(out)
        return out

    def looked_up(self, reverse_name: str | Unknown | None, client_name: str | Unknown | None) -> list[Action]:
        """The answer to `LookUp`."""
        self.reverse_name, self.client_name = reverse_name, client_name
        return self._resumed()

    def paused(self) -> list[Action]:
        """The time of `Pause` is over."""
        return self._resumed()

    def tls_started(self, protocol: str, certificate: Certificate | None) -> list[Action]:
        """The handshake that `StartTls` asked for is done; `protocol` like "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
        self.tls, self.certificate = protocol, certificate
        self.engine.tls_started()
        self.helo_name, self.extended = "", False
        self.refresh_offer()
        return self._resumed()

    def counted(self, connections_of_source: int) -> list[Action]:
        """The answer to `CountSource`."""
        self.connections_of_source = connections_of_source
        return self._resumed()

    def recipient_checked(self, listed: bool | Unknown) -> list[Action]:
        """The answer to `CheckRecipient`: the directory has the address, has not, or does not answer for now."""
        if self.pending_recipient is not None:
            self.recipient_listed = (self.pending_recipient, listed)
        return self._resumed()

    def signed_in(self, answer: SignIn) -> list[Action]:
        """The answer to `CheckCredentials`."""
        self.awaiting = ""
        out: list[Action] = []
        sign_in_answered(self, answer, out)
        return self.pump(out)

    def verified(self, verdict: Verdict) -> list[Action]:
        """The answer to `Verify`."""
        self.awaiting = ""
        out: list[Action] = []
        recipient_answered(self, verdict, out)
        return self.pump(out)

    def delivered(self, outcome: Outcome) -> list[Action]:
        """The answer to `Deliver`; it counts for the record also when the client is gone by now."""
        self.awaiting = ""
        out: list[Action] = []
        message_answered(self, outcome, out)
        return self.pump(out)

    def timed_out(self, slow_body: bool = False) -> list[Action]:
        """The client took too long for a command, or sent a message too slowly (gateway-behaviour 1)."""
        if self.leaving and not slow_body:
            return self.hang_up([], replies.DRAINING)
        reply = replies.TOO_SLOW if slow_body else replies.TIMED_OUT
        out: list[Action] = []
        self.note(out, NoteKind.FAULT, "client-too-slow" if slow_body else "client-timed-out", reply)
        return self.hang_up(out, reply)

    def lost(self) -> list[Action]:
        """The client is gone. A delivery that is under way goes on and is recorded."""
        self.closed = True
        out: list[Action] = []
        if self.transaction is not None and self.awaiting != "deliver":
            self.note(out, NoteKind.FAULT, "client-gone", None)
            out.append(Abandon())
            self.transaction = None
        return out

    # --- the beginning ------------------------------------------------------------------------------------------

    def proxied(self, source: tuple[IPAddress, int] | None, out: list[Action]) -> None:
        """A trusted balancer said who the client is; LOCAL keeps the real end points (access-control)."""
        if source is not None:
            self.client_address, self.client_port = unmap(source[0]), source[1]
        self.ask(out, "count", CountSource(self.client_address), self._begin)

    def _begin(self, out: list[Action]) -> None:
        """Implicit TLS first, then the decision on connecting, then the greeting."""
        if self._implicit_tls_pending():
            self.ask(out, "tls", StartTls(), self.connected)
        else:
            self.connected(out)

    def _implicit_tls_pending(self) -> bool:
        return self.listener.tls == "implicit" and not self.tls

    def connected(self, out: list[Action]) -> None:
        """Decide on connecting, then greet."""
        decision = self.decide(Stage.CONNECT, out, self.connected)
        if decision is None:
            return
        self.greeted = True
        server = self.node.virtual_server(self.virtual_server)
        self.exempt = decision.exempt
        self.refused_connect = not decision.permitted
        if not decision.permitted and decision.told_at is Stage.CONNECT:
            self._refuse_connection(decision, out)
        elif server.splice_to is not None:
            self.note(out, NoteKind.DECISION, decision.reason, None, decision)
            out.append(Splice(server.splice_to, server.splice_identify_client == "proxy-v2"))
            self.closed = True
        elif self.leaving:
            out.append(self.engine.greet(replies.DRAINING))
            self.close(out)
        else:
            self.refresh_offer()
            text = server.greeting or f"{self.node.name} ESMTP"
            out.append(self.engine.greet(replies.greeting(text)))

    def _refuse_connection(self, decision: Decision, out: list[Action]) -> None:
        """554 instead of the greeting, then only QUIT (4.2.2, 3.1); 421 and a drop end the connection."""
        self.note(out, NoteKind.DECISION, decision.reason, decision.reply, decision)
        if decision.action is PolicyAction.DROP or decision.reply is None:
            out.append(Close(drop=True))
            self.closed = True
            return
        out.append(self.engine.greet(with_reference(decision.reply, self.id)))
        if decision.reply.code == 421:
            self.close(out)

    def speaks_for(self, address: IPAddress) -> None:
        """The client speaks for another one: nothing that was known of the one before counts for that.

        Neither does the certificate of the connection, which is that of whoever speaks. Closed when in doubt.
        """
        if address != self.client_address:
            self.client_name = self.reverse_name = UNKNOWN
            self.authenticated_as = self.own_addresses = None
        self.client_address, self.certificate = address, None

    def restart(self, out: list[Action]) -> None:
        """After XCLIENT: as if the client had just connected (220 or 554 is the answer to the command)."""
        self.connections_of_source = 1
        decision = self.decide(Stage.CONNECT, out, self.restart)
        if decision is None:
            return
        self.exempt, self.refused_connect = decision.exempt, not decision.permitted
        if not decision.permitted and decision.told_at is Stage.CONNECT and decision.reply is not None:
            self.note(out, NoteKind.DECISION, decision.reason, decision.reply, decision)
            self.answer(out, with_reference(decision.reply, self.id))
            return
        self.refresh_offer()
        self.answer(out, replies.greeting(f"{self.node.name} ESMTP"))

    # --- the loop -----------------------------------------------------------------------------------------------

    def pump(self, out: list[Action]) -> list[Action]:
        """Take events until one asks something of the gateway, or there is none."""
        engine = self.engine
        while not self.awaiting and not self.closed:
            event = engine.next_event()
            output = engine.take_output()
            if output:
                out.append(output)
            if event is None:
                break
            HANDLERS[type(event)](self, event, out)
        return out

    def _resumed(self) -> list[Action]:
        self.awaiting = ""
        resume, self._resume = self._resume, None
        out: list[Action] = []
        if resume is not None and not self.closed:
            resume(out)
        return self.pump(out)

    def ask(
        self,
        out: list[Action],
        name: str,
        action: Action,
        resume: Callable[[list[Action]], None] | None = None,
    ) -> None:
        """Put `action` out and wait for its answer, then go on with `resume`."""
        out.append(action)
        self.awaiting = name
        self._resume = resume

    @property
    def policy(self) -> Policy:
        """The policy that this session is under."""
        return self.node.policy_of(self.virtual_server)

    @property
    def leaving(self) -> bool:
        """Whether the session is to end once nothing is under way."""
        return self.asked_to_leave or self.node.leaves(self.virtual_server)

    def decide(self, stage: Stage, out: list[Action], again: Callable[[list[Action]], None]) -> Decision | None:
        """The decision at `stage`; None where look-ups are under way and `again` will be called."""
        decision = decide(self.policy, stage, self.facts())
        if isinstance(decision, Decision):
            return decision
        self.look_up(decision, out, again)
        return None

    def look_up(self, needs: Needs, out: list[Action], again: Callable[[list[Action]], None]) -> None:
        """Ask for the client's names, or for a directory's word on the recipient: what a session learns by asking."""
        if "recipient_listed" in needs.facts and self.pending_recipient is not None:
            self.ask(out, "recipient", CheckRecipient(self.pending_recipient), again)
            return
        if not needs.facts & {"client_name", "reverse_name"}:
            raise AssertionError(f"a session cannot find out {sorted(needs.facts)}")
        self.ask(out, "names", LookUp(self.client_address), again)

    def facts(self, rcpt: events.Rcpt | None = None, octets: int | None = None) -> Facts:
        """What is known now, about `rcpt` where one is given; `octets` of the message where it is there."""
        transaction = self.transaction
        if octets is None and transaction:
            octets = transaction.mail.size
        return Facts(
            virtual_server=self.virtual_server,
            client_address=self.client_address,
            date=self.node.moment.date,
            connections_of_source=self.connections_of_source,
            reverse_name=self.reverse_name,
            client_name=self.client_name,
            helo_name=self.helo_name or None,
            tls=bool(self.tls),
            certificate=self.certificate,
            authenticated_as=self.authenticated_as,
            own_addresses=self.own_addresses,
            reverse_path=transaction.mail.reverse_path if transaction else None,
            message_bytes=octets,
            forward_path=rcpt.forward_path if rcpt else None,
            recipients=len(transaction.accepted) if transaction else 0,
            recipient_listed=self._listed(rcpt),
        )

    def _listed(self, rcpt: events.Rcpt | None) -> bool | Unknown | None:
        """Whether the next hop's recipient list has the address, where it has a list."""
        if rcpt is None or not isinstance(rcpt.forward_path, Mailbox):
            return None
        if self.recipient_listed is not None and self.recipient_listed[0] == rcpt.forward_path:
            return self.recipient_listed[1]
        self.pending_recipient = rcpt.forward_path
        return self.node.recipient_listed(rcpt.forward_path)

    # --- answers ------------------------------------------------------------------------------------------------

    def refuse(self, decision: Decision, out: list[Action], rcpt: events.Rcpt | None = None) -> None:
        """Tell a refusal of the policy, after the tarpit's time where there is one."""
        reply = with_reference(decision.reply, self._reference()) if decision.reply else replies.NEXT_HOP_GARBAGE
        self.note(out, NoteKind.DECISION, decision.reason, reply, decision, rcpt)
        tarpit = self.node.virtual_server(self.virtual_server).tarpit
        counted = not (self.exempt or decision.exempt)
        self.answer(out, reply, error=counted, pause=tarpit if counted else 0.0)

    def the_transaction(self) -> Transaction:
        """The transaction that the engine's state says is open."""
        if self.transaction is None:
            raise AssertionError("the engine let a command through that needs a transaction")
        return self.transaction

    def _reference(self) -> str:
        return self.transaction.id if self.transaction else self.id

    def answer(self, out: list[Action], reply: Reply, *, error: bool = False, pause: float = 0.0) -> None:
        """Answer the command; errors are counted, slow the session down and end it (gateway-behaviour 5)."""
        if error:
            self.errors += 1
            if self.errors >= (1 if self.node.overloaded else _CLOSE_AFTER):
                out.append(self.engine.answer(reply))
                self.note(out, NoteKind.FAULT, "too-many-errors", replies.TOO_MANY_ERRORS)
                self.hang_up(out, replies.TOO_MANY_ERRORS)
                return
            pause = max(pause, _SLOW_SECONDS if self.errors >= _SLOW_AFTER else 0.0)
        if pause:
            self.ask(out, "pause", Pause(pause), lambda later: self._say(reply, later))
        else:
            self._say(reply, out)

    def _say(self, reply: Reply, out: list[Action]) -> None:
        out.append(self.engine.answer(reply))
        if reply.code == 421:
            self.close(out)

    def hang_up(self, out: list[Action], reply: Reply) -> list[Action]:
        """A reply that nothing asked for, then the end."""
        out.append(reply.encode())
        self.close(out)
        return out

    def note(
        self,
        out: list[Action],
        kind: NoteKind,
        reason: str,
        reply: Reply | None,
        decision: Decision | None = None,
        rcpt: events.Rcpt | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        """Have a record made, with the transaction as it is now."""
        out.append(Note(kind, reason, reply, decision, rcpt, outcome, self.transaction, self.closed))

    def close(self, out: list[Action], *, linger: bool = True) -> None:
        """The end, once everything before has been sent."""
        if self.transaction is not None:
            out.append(Abandon())
            self.transaction = None
        out.append(Close(linger=linger))
        self.closed = True

    def refresh_offer(self) -> None:
        """What EHLO offers now; nothing that leads further to whoever may not connect (policy-semantics)."""
        offer = self.node.offer(self.virtual_server, tls=bool(self.tls))
        trusted = self.listener.xclient_from
        wanted = (
            self.listener.tls == "starttls" and not self.tls,
            trusted is not None and trusted.contains(self.peer_address),
            self.refused_connect,
        )
        self.engine.set_offer(adapted(offer, *wanted) if any(wanted) else offer)
