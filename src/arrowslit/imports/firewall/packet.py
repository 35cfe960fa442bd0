"""One packet of a connection to the mail server, as a rule set sees it; the client's address is every address at once.

Terms: a *way* by which clients come is an interface. An interface is named as the kernel does; `OTHER` stands for one
that no rule names, and a name that ends in it for any that begins so. The *server* is one address, or None for one that
no rule names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

OTHER: Final = "\0"
LOOPBACK: Final = "lo"
CLIENT_PORTS: Final = ((1024, 65535),)
"""What a client's own port is."""

SOURCE: Final = "source"
DESTINATION: Final = "destination"


@dataclass(frozen=True, slots=True)
class Packet:
    """`client` is the side on which the client's address stands. `port` is the server's, as it stands at this moment.

    `local`: the server's address is this machine's own. `state` is "new", "established", or "" where nobody has
    looked yet. `asked` is the port that the client asked for, and `asked_server` the address, before any translation.
    """

    version: int
    port: int
    server: int | None = None
    client: str = SOURCE
    local: bool = True
    incoming: str = OTHER
    outgoing: str = ""
    state: str = "new"
    flags: frozenset[str] = frozenset({"syn"})
    asked: int = 25
    asked_server: int | None = None
    translated: bool = False

    @property
    def reply(self) -> bool:
        """True for what the server sends."""
        return self.client == DESTINATION

    def answer(self, incoming: str, outgoing: str) -> Packet:
        """What the server answers, on its way out."""
        return replace(
            self,
            client=DESTINATION,
            incoming=incoming,
            outgoing=outgoing,
            state="established",
            flags=frozenset({"syn", "ack"}),
        )

    def later(self) -> Packet:
        """What the client sends when it has been answered."""
        return replace(self, state="established", flags=frozenset({"ack"}))


def way_text(interface: str) -> str:
    """An interface in words."""
    if interface == OTHER:
        return "an interface that no rule names"
    return f"interface {interface.replace(OTHER, '+')}"
