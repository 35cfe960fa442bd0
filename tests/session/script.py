"""A client's side of a session for tests: octets in, replies and actions out, the gateway's answers given at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from arrowslit.documents.toml import parse
from arrowslit.mail.reply import reply
from arrowslit.policy.document import load_policy
from arrowslit.policy.model import Policy
from arrowslit.session import actions
from arrowslit.session.actions import Action, Outcome, OutcomeKind
from arrowslit.session.node import Listener, Moment, Node
from arrowslit.session.session import Session
from arrowslit.smtp.events import BodyChunk

POLICY = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[next_hops.other]
address = "smtp://192.0.2.26:25"
[next_hops.out]
address = "smtp://192.0.2.27:587"
tls = "required"
username = "arrowslit"
password_file = "out.password"
[accepted_domains."example.org"]
next_hop = "inner"
[accepted_domains."example.net"]
next_hop = "other"
[virtual_servers.default]
relay_next_hop = "out"
postmaster_next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { computer = "192.0.2.1" }, { computer = "192.0.2.2", line_ends = "normalise" } ]
[virtual_servers.default.relay_restrictions]
only_listed = [ { computer = "192.0.2.2" } ]
"""

FILTER, SCANNER, STRANGER = "192.0.2.1", "192.0.2.2", "203.0.113.9"


def policy(text: str = POLICY) -> Policy:
    """The policy of a text; fails where it does not load."""
    loaded = load_policy(parse(text, "policy.toml"), revision=7)
    assert loaded.policy is not None, [finding.message for finding in loaded.findings]
    return loaded.policy


def node(text: str = POLICY) -> Node:
    """A node with that policy whose ids count up."""
    numbers = iter(range(1, 10_000))
    return Node(
        name="mx.example.org",
        policy=policy(text),
        moment=Moment(0.0, datetime.date(2026, 11, 25), "Wed, 25 Nov 2026 12:00:00 +0000"),
        new_id=lambda: f"ID{next(numbers)}",
        message_bytes=1_000_000,
        recipients_a_message=3,
    )


@dataclass
class Script:
    """A session with a gateway that answers every question at once; what it did is kept in `done`."""

    node: Node = field(default_factory=node)
    client: str = FILTER
    listener: Listener = field(default_factory=lambda: Listener("127.0.0.1:25", "default"))
    verdict: Callable[[actions.Verify], Outcome] = lambda _asked: Outcome(
        OutcomeKind.ACCEPTED, reply(250, "2.1.5", "Ok"), "accepted"
    )
    outcome: Outcome = field(
        default_factory=lambda: Outcome(OutcomeKind.DELIVERED, reply(250, "2.0.0", "Ok: queued as 1"), "accepted")
    )
    names: tuple[object, object] = (None, None)
    sign_in: actions.SignIn = field(default_factory=lambda: actions.SignIn(actions.SignInResult.WRONG))
    open_now: int = 1

    def __post_init__(self) -> None:
        self.done: list[Action] = []
        self.sent = b""
        self.body = b""
        self.session = Session(self.node, self.listener, (ip_address(self.client), 40_000), self.open_now)
        self._do(self.session.open())

    def say(self, *lines: str | bytes) -> str:
        """Send lines one at a time; what was answered, as text."""
        before = len(self.sent)
        for line in lines:
            octets = line.encode() + b"\r\n" if isinstance(line, str) else line
            if not self.session.closed:
                self._do(self.session.receive(octets))
        return self.sent[before:].decode()

    def of(self, kind: type) -> list[Action]:
        """The actions of that kind so far."""
        return [action for action in self.done if isinstance(action, kind)]

    def _do(self, todo: list[Action]) -> None:
        for action in todo:
            self.done.append(action)
            if type(action) is bytes:
                self.sent += action
            elif isinstance(action, BodyChunk):
                self.body += action
            elif type(action) in _ANSWERS:
                self._do(_ANSWERS[type(action)](self, action))


_ANSWERS: dict[type, Callable[[Script, Action], list[Action]]] = {
    actions.Pause: lambda script, _asked: script.session.paused(),
    actions.CountSource: lambda script, _asked: script.session.counted(script.open_now),
    actions.LookUp: lambda script, _asked: script.session.looked_up(*script.names),
    actions.StartTls: lambda script, _asked: script.session.tls_started("TLSv1.3 X", None),
    actions.Verify: lambda script, asked: script.session.verified(script.verdict(asked)),
    actions.Deliver: lambda script, _asked: script.session.delivered(script.outcome),
    actions.CheckCredentials: lambda script, _asked: script.session.signed_in(script.sign_in),
}
