"""The answer to EHLO and HELO (RFC 5321 4.1.1.1): what is offered, as lines."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from arrowslit.mail.reply import Reply
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.xclient import ATTRIBUTES


@lru_cache(maxsize=64)
def keywords(offer: Offer) -> tuple[str, ...]:
    """The EHLO lines that say `offer`. ENHANCEDSTATUSCODES is always one of them."""
    lines = (
        (offer.pipelining, "PIPELINING"),
        (True, f"SIZE {offer.size}" if offer.size else "SIZE"),
        (offer.starttls, "STARTTLS"),
        (bool(offer.auth), f"AUTH {' '.join(offer.auth)}"),
        (True, "ENHANCEDSTATUSCODES"),
        (offer.eight_bit, "8BITMIME"),
        (offer.smtputf8, "SMTPUTF8"),
        (offer.dsn, "DSN"),
        (offer.chunking, "CHUNKING"),
        (offer.one_recipient_domain, "LIMITS RCPTDOMAINMAX=1"),
        (offer.xclient, f"XCLIENT {' '.join(ATTRIBUTES)}"),
    )
    return tuple(line for said, line in lines if said)


@lru_cache(maxsize=64)
def hello_reply(name: str, text: str, offer: Offer | None) -> Reply:
    """250 with our name and `text`, then the offer; None for HELO."""
    return Reply(250, "", (f"{name} {text}".rstrip(), *(keywords(offer) if offer is not None else ())))


@lru_cache(maxsize=64)
def without_extensions(offer: Offer) -> Offer:
    """What is obeyed after HELO: the limit on size, and no extension."""
    return replace(
        offer, pipelining=False, eight_bit=False, smtputf8=False, dsn=False, chunking=False, auth=(), xclient=False
    )
