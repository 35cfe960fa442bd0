"""Command lines: the octets behind the verb in, an event or a `Fault` out (RFC 5321 4.1.1).

Pure functions without a state; whether a command may come now is judged by the engine. Sections are of RFC 5321.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from arrowslit.smtp import replies
from arrowslit.smtp.events import Fault, Hello, Mail, Rcpt
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.parameters import mail_parameters, rcpt_parameters
from arrowslit.smtp.paths import forward_path, reverse_path, split_path
from arrowslit.smtp.sasl import MECHANISMS, Exchange

ALLOWANCE: Final = {
    # SIZE 26 (RFC 1870 3), BODY 17 (RFC 6152 2), SMTPUTF8 10 (RFC 6531 3.1), AUTH 500 (RFC 4954 3),
    # RET and ENVID 107 (RFC 3461 3)
    "MAIL": 26 + 17 + 10 + 500 + 107,
    # NOTIFY 28 and ORCPT 500, its limit (RFC 3461 3 and 4.2), with a space and its keyword
    "RCPT": 28 + 500 + 7,
    # A SASL line may have 12,288 octets (RFC 4954 4)
    "AUTH": 12_288 - 512,
}
"""Octets that extensions add to the command lines' 512 (4.5.3.1.4), by verb."""
AUTH_OCTETS: Final = 12_288
"""RFC 4954 4: the longest line of a SASL exchange, CR LF included."""

HTTP_VERBS: Final = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})
_HELLO_OCTETS = 255
_CACHED_OCTETS = 300


def hello(argument: bytes, extended: bool) -> Hello | Fault:
    """EHLO or HELO. Any printable ASCII is let pass as a name (4.1.4 wants no refusal for it)."""
    if not argument.isascii():
        return replies.HELLO_NON_ASCII
    name = argument.decode("ascii").strip(" ")
    if not name or len(name) > _HELLO_OCTETS or not name.isprintable():
        return replies.HELLO_SYNTAX
    return Hello(name, extended)


def mail(argument: bytes, offer: Offer) -> Mail | Fault:
    """MAIL: `FROM:<reverse-path>` and parameters."""
    if argument.find(b">") == len(argument) - 1 < _CACHED_OCTETS:
        return _plain_mail(argument)
    if argument[:5].upper() != b"FROM:":
        return replies.MAIL_SYNTAX
    cut = split_path(argument[5:].lstrip(b" "))
    if cut is None:
        return replies.MAIL_SYNTAX
    parameters = mail_parameters(cut[1], offer)
    if isinstance(parameters, Fault):
        return parameters
    path = reverse_path(cut[0], parameters.smtputf8)
    if isinstance(path, Fault):
        return path
    return Mail(path, parameters.size, parameters.body, parameters.smtputf8, parameters.dsn, parameters.auth)


def rcpt(argument: bytes, offer: Offer, utf8: bool) -> Rcpt | Fault:
    """RCPT: `TO:<forward-path>` and parameters. `utf8`: SMTPUTF8 was asked for at MAIL."""
    if argument.find(b">") == len(argument) - 1 < _CACHED_OCTETS:
        return _plain_rcpt(argument, utf8)
    if argument[:3].upper() != b"TO:":
        return replies.RCPT_SYNTAX
    cut = split_path(argument[3:].lstrip(b" "))
    if cut is None:
        return replies.RCPT_SYNTAX
    dsn = rcpt_parameters(cut[1], offer)
    if isinstance(dsn, Fault):
        return dsn
    path = forward_path(cut[0], utf8)
    return path if isinstance(path, Fault) else Rcpt(path, dsn)


@lru_cache(maxsize=2048)
def _plain_mail(argument: bytes) -> Mail | Fault:
    """MAIL whose argument ends with the path, so that no parameter and no offer matter."""
    path = argument[5:].lstrip(b" ")
    if argument[:5].upper() != b"FROM:" or path[:1] != b"<":
        return replies.MAIL_SYNTAX
    parsed = reverse_path(path[1:-1], False)
    return parsed if isinstance(parsed, Fault) else Mail(parsed)


@lru_cache(maxsize=2048)
def _plain_rcpt(argument: bytes, utf8: bool) -> Rcpt | Fault:
    """As `_plain_mail`, for RCPT."""
    path = argument[3:].lstrip(b" ")
    if argument[:3].upper() != b"TO:" or path[:1] != b"<":
        return replies.RCPT_SYNTAX
    parsed = forward_path(path[1:-1], utf8)
    return parsed if isinstance(parsed, Fault) else Rcpt(parsed)


def bdat(argument: bytes) -> tuple[int, bool] | Fault:
    """BDAT: octets of the chunk, and whether it is the last (RFC 3030 2)."""
    words = argument.split()
    last = len(words) == 2 and words[1].upper() == b"LAST"
    if not words or not words[0].isdigit() or len(words[0]) > 20 or len(words) > 1 + last:
        return replies.BDAT_SYNTAX
    return int(words[0]), last


def auth(argument: bytes, offered: tuple[str, ...]) -> Exchange | Fault:
    """AUTH: the exchange that the client wants to start (RFC 4954 4)."""
    words = argument.split(b" ")
    mechanism = words[0].decode("latin-1").upper()
    if not mechanism or len(words) > 2 or (len(words) == 2 and not words[1]):
        return replies.AUTH_SYNTAX
    if mechanism not in offered or mechanism not in MECHANISMS:
        return replies.AUTH_MECHANISM
    return Exchange(mechanism, words[1] if len(words) == 2 else None)
