"""The one Received line that we put in front of a message (RFC 5321 4.4, RFC 3848 and RFC 6531 for the keyword).

Never repeats an unescaped octet of what a stranger said: the HELO name is cut down to what a domain or literal has.
"""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.mail.address import IPAddress

_HELO = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.[]:")
_HELO_OCTETS = 255


@dataclass(frozen=True, slots=True)
class Hop:
    """What the line says: who came (`helo_name`, forward-confirmed `client_name`, address), how, and to whom.

    `recipient` is the forward-path's text where there is only one, else empty; `stamp` is the date of RFC 5322.
    """

    helo_name: str
    client_name: str | None
    client_address: IPAddress
    own_name: str
    protocol: str
    transaction_id: str
    recipient: str
    stamp: str


def protocol_keyword(*, extended: bool, tls: bool, authenticated: bool, smtputf8: bool) -> str:
    """The `with` keyword: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, or UTF8SMTP with the same letters."""
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if smtputf8 else "ESMTP") + ("S" if tls else "") + ("A" if authenticated else "")


def received_line(hop: Hop) -> bytes:
    """The octets of the line, folded, ended by CR LF."""
    address = f"IPv6:{hop.client_address}" if hop.client_address.version == 6 else str(hop.client_address)
    comment = f"{hop.client_name} [{address}]" if hop.client_name else f"[{address}]"
    recipient = f"\r\n\tfor <{hop.recipient}>" if hop.recipient else ""
    return (
        f"Received: from {clean_helo(hop.helo_name)} ({comment})\r\n"
        f"\tby {hop.own_name} (Arrowslit) with {hop.protocol} id {hop.transaction_id}{recipient};\r\n"
        f"\t{hop.stamp}\r\n"
    ).encode("utf-8", "replace")


def clean_helo(name: str) -> str:
    """The HELO name with everything replaced that neither a domain name nor an address literal has."""
    if _HELO.issuperset(name):
        return name[:_HELO_OCTETS] or "unknown"
    return "".join(c if c in _HELO else "?" for c in name[:_HELO_OCTETS])
