"""What stands in logged commands and replies of SMTP (RFC 5321), as Microsoft's servers write them.

Terms: the *argument* is what follows `MAIL FROM:` or `RCPT TO:`. Strangers write commands, the server writes replies;
a reply can repeat what a stranger said, so it is judged by its beginning. The texts of refusals are those of Exchange
2007 to Subscription Edition and of the SMTP service of Windows.
"""

from __future__ import annotations

import re
from typing import Final

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE

_PATH: Final = re.compile(r'\s*<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>(?:\s+(.*))?', re.DOTALL)
_BARE: Final = re.compile(r'\s*([^\s<>"@]+@[^\s<>"@]+)(?:\s+(.*))?', re.DOTALL)
_COMMAND: Final = re.compile(r"(?:MAIL\s+FROM|RCPT\s+TO)\s*:(.*)", re.IGNORECASE | re.DOTALL)
_SIZE: Final = re.compile(r"(?:^|\s)SIZE=(\d{1,15})(?:\s|$)", re.IGNORECASE)
_ACCESS: Final = re.compile(
    r"[45]\d\d "
    r"(?:5\.7\.(?:51|54|57|60|64)\b"
    r"|(?:[45]\.7\.[013] )?(?:SMTP; )?(?:"
    r"unable to relay|relay access denied|relaying (?:is )?(?:denied|prohibited|not allowed)"
    r"|(?:anonymous )?client (?:does not have permission|was not authenticated|not permitted|is not permitted)"
    r"|external client with IP address \S+ does not have permission"
    r"|(?:not authenticated|not authori[sz]ed)\.?$"
    r"|must issue a STARTTLS command first|STARTTLS is required|require STARTTLS|require basic authentication))",
    re.IGNORECASE,
)
"""Refusals for who the client is or where the mail should go: 5.7.54 and "Unable to relay", 5.7.57 and "Client was not
authenticated", 5.7.60 and "does not have permissions" to submit or to send as somebody, 5.7.51 and 5.7.64 of a
connector in the cloud, the server's own list of blocked addresses, and TLS that was demanded. Lists of others
("found on a block list") are none of who may connect."""


def told_by(reply: str) -> str:
    """What a final reply to MAIL, RCPT or the message says of access: one of `attempt.TOLD`."""
    if reply.startswith("2"):
        return PERMITTED
    return REFUSED if _ACCESS.match(reply) else REFUSED_OTHERWISE


def path_in(argument: str) -> tuple[str | None, str]:
    """The path in an argument without its brackets, and the parameters behind it; None where there is no path."""
    found = _PATH.fullmatch(argument) or _BARE.fullmatch(argument)
    return (None, "") if found is None else (found[1], found[2] or "")


def argument_of(command: str) -> str | None:
    """What follows `MAIL FROM:` or `RCPT TO:`; None for another command."""
    found = _COMMAND.fullmatch(command)
    return None if found is None else found[1]


def declared_size(parameters: str) -> int | None:
    """The octets that `SIZE=` (RFC 1870) declares."""
    found = _SIZE.search(parameters)
    return None if found is None else int(found[1])


def address_of(endpoint: str) -> str | None:
    """The address in `192.0.2.1:25`, `[2001:db8::1]:25` or `IPv6:2001:db8::1`; None where there is none."""
    text = endpoint.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    if text[:5].casefold() == "ipv6:":
        text = text[5:]
    return text or None


def is_loopback(address: str | None) -> bool:
    """Whether the server speaks to itself."""
    return address is not None and (address.startswith("127.") or address == "::1")
