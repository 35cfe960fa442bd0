"""The parameters of MAIL and RCPT (RFC 5321 4.1.2, RFC 1870, RFC 6152, RFC 6531, RFC 3461, RFC 4954 5).

A parameter counts only where its extension is offered. Values are checked, and DSN's are kept as they were sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from arrowslit.smtp import replies
from arrowslit.smtp.events import Fault
from arrowslit.smtp.offer import Offer
from arrowslit.smtp.xtext import decode_xtext

_KEYWORD: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_SIZE_DIGITS = 20  # RFC 1870 3
_ENVID_OCTETS = 100  # RFC 3461 4.4
_ORCPT_OCTETS = 500  # RFC 3461 4.2
_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What stood behind the reverse-path; fields as in `events.Mail`."""

    size: int | None = None
    body: str = ""
    smtputf8: bool = False
    dsn: tuple[tuple[str, str], ...] = ()
    auth: str | None = None


def mail_parameters(raw: bytes, offer: Offer) -> MailParameters | Fault:
    """The parameters of MAIL in `raw`, judged by what is offered."""
    words = _split(raw)
    if isinstance(words, Fault):
        return words
    size: int | None = None
    body = ""
    smtputf8 = False
    dsn: list[tuple[str, str]] = []
    auth: str | None = None
    for keyword, value in words.items():
        if not _MAIL_OFFERED.get(keyword, _never)(offer):
            return replies.PARAMETER_UNKNOWN
        if not _MAIL_VALID[keyword](value):
            return _bad_value(keyword, value)
        match keyword:
            case "SIZE":
                size = int(value)
            case "BODY":
                body = value.upper()
            case "SMTPUTF8":
                smtputf8 = True
            case "AUTH":
                auth = decode_xtext(value)
            case _:
                dsn.append((keyword, value))
    if size is not None and 0 < offer.size < size:
        return replies.SIZE_TOO_BIG
    return MailParameters(size, body, smtputf8, tuple(dsn), auth)


def rcpt_parameters(raw: bytes, offer: Offer) -> tuple[tuple[str, str], ...] | Fault:
    """NOTIFY and ORCPT in `raw`, as sent."""
    words = _split(raw)
    if isinstance(words, Fault):
        return words
    for keyword, value in words.items():
        if not offer.dsn or keyword not in _RCPT_VALID:
            return replies.PARAMETER_UNKNOWN
        if not _RCPT_VALID[keyword](value):
            return replies.PARAMETER_SYNTAX
    return tuple(words.items())


def _split(raw: bytes) -> dict[str, str] | Fault:
    if not raw.isascii():
        return replies.NON_ASCII_PATH
    text = raw.decode("ascii")
    if not text.isprintable():
        return replies.PARAMETER_SYNTAX
    words: dict[str, str] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if not keyword or not _KEYWORD.issuperset(keyword) or keyword in words or (equals and not value):
            return replies.PARAMETER_SYNTAX
        words[keyword] = value
    return words


def _bad_value(keyword: str, value: str) -> Fault:
    if keyword == "BODY" and value:
        return replies.PARAMETER_UNKNOWN
    return replies.PARAMETER_SYNTAX


def _never(_offer: Offer) -> bool:
    return False


def is_digits(value: str) -> bool:
    """True for one to twenty ASCII digits."""
    return 0 < len(value) <= _SIZE_DIGITS and value.isascii() and value.isdecimal()


def _is_xtext(value: str) -> bool:
    try:
        return decode_xtext(value).isprintable() and bool(value)
    except ValueError:
        return False


def _is_notify(value: str) -> bool:
    words = value.upper().split(",")
    return words == ["NEVER"] or (_NOTIFY.issuperset(words) and len(set(words)) == len(words))


def _is_orcpt(value: str) -> bool:
    kind, semicolon, address = value.partition(";")
    return bool(kind and semicolon and address) and len(value) <= _ORCPT_OCTETS and "=" not in address


_MAIL_OFFERED: Final[dict[str, Callable[[Offer], bool]]] = {
    "SIZE": lambda _offer: True,
    "BODY": lambda offer: offer.eight_bit,
    "SMTPUTF8": lambda offer: offer.smtputf8,
    "RET": lambda offer: offer.dsn,
    "ENVID": lambda offer: offer.dsn,
    "AUTH": lambda offer: bool(offer.auth),
}
_MAIL_VALID: Final[dict[str, Callable[[str], bool]]] = {
    "SIZE": is_digits,
    "BODY": lambda value: value.upper() in ("7BIT", "8BITMIME"),
    "SMTPUTF8": lambda value: not value,
    "RET": lambda value: value.upper() in ("FULL", "HDRS"),
    "ENVID": lambda value: len(value) <= _ENVID_OCTETS and _is_xtext(value),
    "AUTH": _is_xtext,
}
_RCPT_VALID: Final[dict[str, Callable[[str], bool]]] = {"NOTIFY": _is_notify, "ORCPT": _is_orcpt}
