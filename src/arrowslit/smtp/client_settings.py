"""What a connection to a next hop is set up with. Never shows the password in `repr`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.smtp.identity import ClientIdentity


class TlsWish(Enum):
    """Whether to ask for STARTTLS: never, when offered, or else fail."""

    OFF = "off"
    OFFERED = "offered"
    DEMANDED = "demanded"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What stays the same for the whole connection. `username` None: no AUTH of our own."""

    ehlo_name: str
    own_name: str
    lmtp: bool = False
    tls: TlsWish = TlsWish.OFFERED
    tls_from_start: bool = False
    username: str | None = None
    password: str | None = None
    identity: ClientIdentity | None = None
    """For XCLIENT: said once before `Ready`. For XFORWARD: said before each transaction, see `forward_identity`."""

    def __repr__(self) -> str:
        return f"ClientSettings({self.ehlo_name!r}, lmtp={self.lmtp}, tls={self.tls}, username={self.username!r})"
