"""How a session's octets are cut into pieces means nothing: the same actions in the same order (RFC 5321 4.1.1)."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from arrowslit.session import actions
from arrowslit.session.actions import SignIn, SignInResult
from arrowslit.session.node import Listener
from arrowslit.smtp.events import BodyChunk

from .script import POLICY, SCANNER, STRANGER, Script, node

SUBMISSION = """
[virtual_servers.submission]
relay_next_hop = "out"
[virtual_servers.submission.authentication]
required = true
[virtual_servers.submission.connection_control]
mode = "all_except_listed"
"""

# What may come in one flight (RFC 2920): all that stands before something whose answer must be waited for.
FLIGHTS = st.sampled_from(
    [
        [b"EHLO client.test\r\n"],
        [b"HELO client.test\r\n"],
        [b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<x@elsewhere.test>\r\nDATA\r\n"],
        [b"MAIL FROM:<>\r\nRCPT TO:<carla@example.net>\r\nRCPT TO:<bob@example.org>\r\nNOOP\r\nRSET\r\n"],
        [
            b"MAIL FROM:<a@elsewhere.test> SIZE=100\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
            b"Subject: x\r\n\r\nhello\r\n..dot\r\n.\r\nNOOP\r\nVRFY x\r\n",
        ],
        [
            b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
            b"Received: from x\r\nno header\n.\nbare\r\n.\r\nMAIL FROM:<b@elsewhere.test>\r\n",
        ],
        [
            b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.org>\r\nBDAT 9\r\nSubject: "
            b"BDAT 11 LAST\r\nx\r\n\r\nhello.",
            b"NOOP\r\n",
        ],
        [b"BDAT 5\r\n12345NOOP\r\n"],
        [b"STARTTLS\r\n", b"EHLO client.test\r\n", b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n"],
        [b"AUTH LOGIN\r\n", b"Ym9i\r\n", b"c2VjcmV0\r\n"],
        [b"AUTH LOGIN\r\n", b"*\r\n"],
        [b"XCLIENT NAME=x ADDR=192.0.2.9\r\n"],
        [b"nonsense\r\n\r\n\xff\xfe\r\n"],
        [b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"],
        [b"MAIL FROM:<a@elsewhere.test>\nRCPT TO:<bob@example.org>\r\n"],
        [b"x" * 3000 + b"\r\n"],
        [b"QUIT\r\n"],
    ]
)
PLACES = st.sampled_from(["filter", "scanner", "stranger", "submission"])


def begun(place: str) -> Script:
    """A session of that client."""
    own = node(POLICY + SUBMISSION)
    own.sign_in_ready = frozenset({"submission"})
    if place == "submission":
        listener = Listener("127.0.0.1:587", "submission", tls="starttls")
        return Script(node=own, client=STRANGER, listener=listener, sign_in=SignIn(SignInResult.ACCEPTED))
    listener = Listener("127.0.0.1:25", "default", tls="starttls")
    clients = {"filter": "192.0.2.1", "scanner": SCANNER, "stranger": STRANGER}
    return Script(node=own, client=clients[place], listener=listener)


def told(script: Script) -> list[object]:
    """What was done but for the octets to the client, and the bodies that were delivered.

    How much of a body was passed on before it broke a rule is nobody's business: it is dropped.
    """
    found: list[object] = []
    body = b""
    for action in script.done:
        if isinstance(action, BodyChunk):
            body += action
        elif isinstance(action, actions.Note):
            rule = "" if action.decision is None else action.decision.rule
            found.append((action.kind, action.reason, action.reply, rule))
        elif not isinstance(action, bytes):
            found.append(action)
            if isinstance(action, actions.StartBody):
                body = b""
            elif isinstance(action, actions.Deliver):
                found.append(body)
    return found


@given(PLACES, st.lists(FLIGHTS, max_size=6), st.data())
@example("filter", [[b"EHLO x\r\n"], [b"QUIT\r\n"]], None)
def test_the_pieces_mean_nothing(place: str, flights: list[list[bytes]], data: st.DataObject | None) -> None:
    whole, cut = begun(place), begun(place)
    for flight in [one for group in flights for one in group]:
        whole.say(flight)
        if data is None:
            pieces = [flight[at : at + 1] for at in range(len(flight))]
        else:
            places = sorted(data.draw(st.sets(st.integers(1, len(flight)), max_size=8)))
            pieces = [flight[a:b] for a, b in zip([0, *places], [*places, len(flight)], strict=True)]
        cut.say(*(piece for piece in pieces if piece))
        assert cut.sent == whole.sent
    assert told(cut) == told(whole)
    assert cut.session.closed == whole.session.closed
