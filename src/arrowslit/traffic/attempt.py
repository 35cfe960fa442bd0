"""One attempt of the past to get mail in: what a log tells of it, and not a word more.

Terms: an *attempt* is one recipient of one mail transaction, or a session (or a transaction) that was refused before
it named one. What was *told* is what the server of that time did about it, as far as access goes: a refusal for
another reason (spam, a mailbox that does not exist, a full disk) is none of who may connect or relay. The *service*
is the listener as the log names it ("smtpd", "submission/smtpd", "EX\\Default Frontend EX", ":587").

In every field `None` is what the log does not tell. "" is what it does tell: that there is none (no name, not signed
in, no certificate); for `reverse_path` it is the null reverse-path. Texts are as the log has them, unescaped: whoever
shows one escapes it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PERMITTED: Final = "permitted"
"""Let in. For a recipient: answered with 2yz, or delivered."""
REFUSED: Final = "refused"
"""Refused for who it was, or for where the mail should have gone: connection, delivery or relay."""
REFUSED_OTHERWISE: Final = "refused-otherwise"
"""Refused, or given up, for a reason that no policy of ours decides on: content, unknown mailbox, size, fault."""
REFUSED_UNSAID: Final = "refused-unsaid"
"""Refused, and the log does not tell for which of the two."""
NOT_TOLD: Final = "not-told"
"""The log tells of it, and not what became of it."""

TOLD: Final = (PERMITTED, REFUSED, REFUSED_OTHERWISE, REFUSED_UNSAID, NOT_TOLD)


class Attempt(NamedTuple):
    """What a log tells of one attempt."""

    time: float
    """Unix seconds; of the recipient where the log tells that, else of the transaction or the session."""
    client_address: str | None
    """Without brackets, prefix or port; the true client where the server knew it from a proxy."""
    told: str
    """One of TOLD."""
    id: str = ""
    """The log's own name for the transaction or the session: what counts twice in two pieces has the same."""
    first: bool = True
    """The first recipient of its transaction: so messages are counted beside recipients."""
    service: str | None = None
    client_name: str | None = None
    """Only where the server confirms reverse names forward, and says so."""
    reverse_name: str | None = None
    helo_name: str | None = None
    tls: bool | None = None
    certificate: str | None = None
    """"sha256:" and 64 hex digits."""
    authenticated_as: str | None = None
    reverse_path: str | None = None
    """Without angle brackets."""
    forward_path: str | None = None
    """Without angle brackets. None where no recipient was named, or the log does not tell it."""
    message_bytes: int | None = None
    reply: str = ""
    """What the client was answered, or why, in the log's words; cut to REPLY characters."""
    repeats: int = 1
    """Over 1 where one line of the log stands for several equal ones."""
    certificate_names: tuple[str, ...] | None = None
    """DNS names of a certificate whose chain was verified; () where it was not, or has none."""


REPLY: Final = 200
