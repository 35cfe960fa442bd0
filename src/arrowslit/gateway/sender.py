"""Who the client is, for the server behind: XFORWARD, XCLIENT or a PROXY v2 header (gateway-behaviour 3).

Terms: the identity mode is the next hop's `identify_client`. Values are the session's facts as they are; what is not
known is said to be unavailable. Never says more than a next hop asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.mail.address import IPAddress
from arrowslit.policy.facts import TEMPORARY_FAILURE
from arrowslit.policy.model import NextHop
from arrowslit.session.session import Session
from arrowslit.smtp.client import ClientIdentity
from arrowslit.smtp.events import TEMPUNAVAIL
from arrowslit.smtp.proxy import encode_v2


@dataclass(frozen=True, slots=True)
class SaidIdentity:
    """How it is said to one next hop."""

    mode: str
    client: ClientIdentity | None = None
    preamble: bytes = b""


@dataclass(frozen=True, slots=True)
class Identity:
    """The client of one session. `local` is our own end of its connection, for the PROXY header."""

    session: Session
    local: tuple[IPAddress, int]

    def said_to(self, hop: NextHop) -> SaidIdentity:
        """The identity in the next hop's mode."""
        mode = hop.identify_client
        if mode == "proxy-v2":
            return SaidIdentity(mode, None, self.proxy_header())
        if mode in ("xclient", "xforward"):
            return SaidIdentity(mode, ClientIdentity(mode.upper(), self._attributes(mode)))
        return SaidIdentity("none")

    def proxy_header(self) -> bytes:
        """PROXY v2: the client's end and ours."""
        return encode_v2((self.session.client_address, self.session.client_port), self.local)

    def _attributes(self, mode: str) -> tuple[tuple[str, str | None], ...]:
        session = self.session
        address = session.client_address
        common: list[tuple[str, str | None]] = [
            ("NAME", _name(session.client_name)),
            ("ADDR", f"IPV6:{address}" if address.version == 6 else str(address)),
            ("PORT", str(session.client_port)),
            ("PROTO", "ESMTP" if session.extended else "SMTP"),
            ("HELO", session.helo_name or None),
        ]
        if mode == "xforward":
            transaction = session.transaction
            ident = transaction.id if transaction else session.id
            return (*common, ("IDENT", ident), ("SOURCE", "REMOTE"))
        return (*common, ("REVERSE_NAME", _name(session.reverse_name)), ("LOGIN", session.authenticated_as))


def _name(fact: object) -> str | None:
    if fact is TEMPORARY_FAILURE:
        return TEMPUNAVAIL
    return fact if isinstance(fact, str) else None
