"""One row of message tracking, of Exchange 2007 and later or of Exchange Online, as attempts.

Terms: an *arrival* is a row of `source` SMTP and `event-id` RECEIVE; all other rows (SEND, DELIVER, HAREDIRECT,
NOTIFYMAPI, ...) are steps of a message that is inside already. It has one row, with all recipients that were
accepted.

Whose address `client-ip` is depends on the server: up to Exchange 2010 it is the client's; from 2013 on it is the
front end's, and the client stands in `original-client-ip` or in `S:ProxiedClientIPAddress` of `custom-data`. An
address that is the server's own hides whoever it was: then the client is not told. The same message can arrive at one
server of an organisation after the other; the server's own `network-message-id` tells that it is the same.

`return-path` is the reverse-path; `sender-address` is what the message says in its From.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from arrowslit.traffic.attempt import PERMITTED, Attempt
from arrowslit.traffic.formats.once import Once, same
from arrowslit.traffic.formats.smtp_text import address_of, is_loopback

Value = Callable[[str], str]
"""The field of a column, by its name with hyphens; "" where there is none."""

RECIPIENTS: Final = 10_000
_CONTEXT: Final = re.compile(r"[0-9A-F]{16};[^;]{1,40};\d{1,9}")
_PROXIED: Final = re.compile(r"(?:^|;)S:ProxiedClientIPAddress=([^;]+)")
_CHECKS: Final = ("healthmailbox", "inboundproxy@", "maildeliveryprobe@")


def is_arrival(value: Value) -> bool:
    """Whether somebody handed a message in by SMTP."""
    return value("source").upper() == "SMTP" and value("event-id").upper() == "RECEIVE"


def is_own(value: Value) -> bool:
    """Whether the server calls the mail its own and was handed it by itself: so mailboxes submit, from 2013 on."""
    proxied = _PROXIED.search(value("custom-data")) is not None
    return not proxied and value("directionality").casefold() == "originating" and _hidden(value)


def arrivals(value: Value, time: float, once: Once) -> list[Attempt]:
    """The attempts of an arrival; none where it came before, or is a health check of Exchange."""
    client = client_of(value)
    path = reverse_path_of(value("return-path"))
    recipients = [one.strip() for one in value("recipient-address").split(";")][:RECIPIENTS]
    if client is None and any(end.casefold().startswith(_CHECKS) for end in (path or "", *recipients)):
        return []
    message = same(value("network-message-id"))
    new = [one or None for one in recipients if not message or once.new(message, one.casefold())]
    size = value("total-bytes")
    return [
        Attempt(
            time,
            client,
            PERMITTED,
            _id(value),
            not at,
            service=value("connector-id") or None,
            reverse_path=path,
            forward_path=recipient,
            message_bytes=int(size) if size.isdecimal() and len(size) < 16 else None,
        )
        for at, recipient in enumerate(new)
    ]


def client_of(value: Value) -> str | None:
    """Who handed the message in; None where that was the server itself, or is not told."""
    named = address_of(value("original-client-ip")) or _proxied(value("custom-data"))
    if named is not None:
        return None if is_loopback(named) or named == address_of(value("server-ip")) else named
    return None if _hidden(value) else address_of(value("client-ip"))


def _proxied(custom: str) -> str | None:
    """What the front end says of its client. Other parts of the field repeat strangers' words: twice is none."""
    found = _PROXIED.findall(custom)
    return address_of(found[0]) if len(found) == 1 else None


def reverse_path_of(text: str) -> str | None:
    """The reverse-path as tracking writes it; an empty field tells nothing."""
    return "" if text == "<>" else text.removeprefix("<").removesuffix(">") or None


def _hidden(value: Value) -> bool:
    """Whether `client-ip` is an address of the server itself."""
    client = address_of(value("client-ip"))
    return client is not None and (
        is_loopback(client) or client == address_of(value("server-ip")) or client.casefold().startswith("fe80:")
    )


def _id(value: Value) -> str:
    """The session and the message in it, as the protocol log of the same server has it."""
    context = value("source-context")
    if _CONTEXT.fullmatch(context):
        return context
    return value("network-message-id") or value("internal-message-id")
