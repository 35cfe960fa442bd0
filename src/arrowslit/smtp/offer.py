"""What an EHLO offers: by our server to a client, and as read from a next hop (RFC 5321 4.1.1.1).

Pure data; what to offer is decided by `session`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """The extensions that the server engine offers and obeys at this moment of a session."""

    size: int = 37_748_736
    """Largest message in octets; also the limit that is enforced while reading. 0 means no limit is said."""
    pipelining: bool = True
    eight_bit: bool = True
    smtputf8: bool = False
    dsn: bool = False
    chunking: bool = False
    starttls: bool = False
    auth: tuple[str, ...] = ()
    """Mechanisms; empty where AUTH is not offered (also before TLS)."""
    xclient: bool = False
    one_recipient_domain: bool = False
    """Say `LIMITS RCPTDOMAINMAX=1` (RFC 9422)."""
    auth_after_tls: bool = False
    """AUTH would be offered under TLS: who tries it before gets 538 instead of 502."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a next hop said in EHLO."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    chunking: bool = False
    starttls: bool = False
    size: int | None = None
    """None where SIZE is not offered, 0 where it is without a limit."""
    auth: frozenset[str] = frozenset()
    xclient: frozenset[str] = frozenset()
    """The attributes that XCLIENT takes; empty where it is not offered."""
    xforward: frozenset[str] = frozenset()
