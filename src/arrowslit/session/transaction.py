"""One mail transaction as the session sees it: MAIL, the recipients so far, the message's header.

Never holds the message itself: that is in the gateway's spool.
"""

from __future__ import annotations

from arrowslit.policy.decision import Decision
from arrowslit.session.header import HeaderFilter
from arrowslit.smtp.events import Mail, Rcpt


class Transaction:
    """From MAIL to the answer to the message, or to RSET."""

    __slots__ = (
        "accepted",
        "decision",
        "header",
        "id",
        "mail",
        "next_hop",
        "normalise",
        "octets",
        "pending",
        "relay",
        "started",
    )

    def __init__(self, transaction_id: str, mail: Mail, started: float) -> None:
        self.id = transaction_id
        self.mail = mail
        self.started = started
        self.accepted: list[Rcpt] = []
        self.next_hop: str | None = None
        self.relay = False
        self.decision: Decision | None = None
        self.normalise = False
        self.header: HeaderFilter | None = None
        self.pending: Rcpt | None = None
        self.octets = 0

    def joins(self, next_hop: str, one_recipient: bool) -> bool:
        """Whether a recipient for `next_hop` may join those that are already here (gateway-behaviour 1)."""
        if not self.accepted:
            return True
        return self.next_hop == next_hop and not one_recipient

    @property
    def sole_recipient(self) -> str:
        """The text of the only recipient, or empty (the `for` clause of Received)."""
        return self.accepted[0].forward_path.text if len(self.accepted) == 1 else ""
