"""The octets of the client side's commands (RFC 5321 4.1.1, RFC 4954, RFC 3461, RFC 6531, RFC 1870, RFC 6152).

A parameter goes out only where the next hop offers its extension. Never lets a line end into a command: that would be
a second command, and the mistake of the caller. AUTH= of a client is never passed on, for the next hop would trust it.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from arrowslit.mail.mailbox import ForwardPath
from arrowslit.smtp.errors import LocalProtocolError
from arrowslit.smtp.events import Mail
from arrowslit.smtp.offer import Capabilities

INITIAL_RESPONSE_OCTETS: Final = 512  # RFC 4954 4: a longer one is sent after a challenge

Dsn = tuple[tuple[str, str], ...]


def mail_line(mail: Mail, capabilities: Capabilities) -> str:
    """MAIL FROM with the parameters that are offered, without CR LF."""
    line = f"MAIL FROM:<{mail.reverse_path.text}>"
    if mail.size is not None and capabilities.size is not None:
        line += f" SIZE={mail.size}"
    if mail.body and capabilities.eight_bit:
        line += f" BODY={mail.body}"
    if mail.smtputf8 and capabilities.smtputf8:
        line += " SMTPUTF8"
    if mail.dsn and capabilities.dsn:
        line += _parameters(mail.dsn)
    return line


def rcpt_line(forward_path: ForwardPath, dsn: Dsn, capabilities: Capabilities) -> str:
    """RCPT TO with NOTIFY and ORCPT where DSN is offered, without CR LF."""
    line = f"RCPT TO:<{forward_path.text}>"
    return line + _parameters(dsn) if dsn and capabilities.dsn else line


def command_octets(line: str) -> bytes:
    """The line for the wire. Raises LocalProtocolError for one that holds a line end."""
    if "\r" in line or "\n" in line:
        raise LocalProtocolError("a command may not hold a line end")
    return line.encode() + b"\r\n"


def auth_lines(mechanisms: frozenset[str], username: str, password: str) -> tuple[bytes, ...]:
    """AUTH and the responses that follow, one for each challenge; empty where no usable mechanism is offered.

    PLAIN, else LOGIN. PLAIN cannot carry a NUL: one inside a name would shift the fields (RFC 4616 2).
    """
    name, secret = username.encode("utf-8", "replace"), password.encode("utf-8", "replace")
    if "PLAIN" in mechanisms and b"\0" not in name + secret:
        response = b64encode(b"\0" + name + b"\0" + secret)
        line = b"AUTH PLAIN " + response + b"\r\n"
        return (line,) if len(line) <= INITIAL_RESPONSE_OCTETS else (b"AUTH PLAIN\r\n", response + b"\r\n")
    if "LOGIN" in mechanisms:
        return b"AUTH LOGIN\r\n", b64encode(name) + b"\r\n", b64encode(secret) + b"\r\n"
    return ()


def _parameters(pairs: Dsn) -> str:
    return "".join([f" {keyword}={value}" if value else f" {keyword}" for keyword, value in pairs])
