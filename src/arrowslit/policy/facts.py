"""The frozen evidence that a decision is made from.

Terms: a fact is a value, or `None` where it is known that there is none, or one of two markers: `Unknown.UNKNOWN`
(not looked up yet, or a log does not tell) and `Unknown.TEMPORARY_FAILURE` (looked up, and the look-up failed for
now). The four names of a client are different things: client address, client name (forward-confirmed), reverse name
(unconfirmed PTR), HELO name. Never computes one fact from another.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import Enum
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.mail.mailbox import ForwardPath, ReversePath


class Unknown(Enum):
    """Why a fact has no value."""

    UNKNOWN = "unknown"
    TEMPORARY_FAILURE = "temporary-failure"


UNKNOWN: Final = Unknown.UNKNOWN
TEMPORARY_FAILURE: Final = Unknown.TEMPORARY_FAILURE


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client's certificate as shown in TLS.

    `fingerprint` is "sha256:" and 64 hex digits of the DER form; `names` the DNS names of its subject alternative
    names, lower case, and empty unless the chain was verified (decisions 8).
    """

    fingerprint: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one stage of one session. Field order is the order in which a session learns them."""

    virtual_server: str = "default"
    client_address: IPAddress | Unknown = UNKNOWN
    date: datetime.date | Unknown = UNKNOWN
    connections_of_source: int = 1
    """Connections now open from the same source (IPv6: /64) on the whole node, this one included."""
    reverse_name: str | Unknown | None = UNKNOWN
    client_name: str | Unknown | None = UNKNOWN
    helo_name: str | Unknown | None = UNKNOWN
    tls: bool | Unknown = UNKNOWN
    certificate: Certificate | Unknown | None = UNKNOWN
    authenticated_as: str | Unknown | None = UNKNOWN
    own_addresses: frozenset[str] | Unknown | None = None
    """The sender addresses that belong to `authenticated_as`, lower case; None where no directory lists any."""
    reverse_path: ReversePath | Unknown | None = UNKNOWN
    message_bytes: int | None = None
    """The SIZE parameter of MAIL, or the octets counted so far; None where not said."""
    forward_path: ForwardPath | Unknown | None = UNKNOWN
    recipients: int = 0
    """Recipients already accepted in this transaction."""
    recipient_listed: bool | Unknown | None = None
    """Whether the next hop's recipient list has the address; None where it has no list."""
