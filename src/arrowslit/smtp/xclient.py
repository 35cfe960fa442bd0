"""XCLIENT as a server takes it (Postfix, XCLIENT_README): attributes in, values out.

Terms: see the events; a value of None is [UNAVAILABLE]. Addresses lose their `IPV6:` prefix and come out in one form.
Never decides who may say XCLIENT.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.address import parse_address
from arrowslit.smtp import replies
from arrowslit.smtp.events import TEMPUNAVAIL, Fault, Xclient
from arrowslit.smtp.xtext import decode_xtext

ATTRIBUTES: Final = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT", "REVERSE_NAME")
_UNAVAILABLE = "[UNAVAILABLE]"
_VALUE_CHARACTERS = 255


def parse(argument: bytes) -> Xclient | Fault:
    """The attributes in `argument`, in order."""
    attributes: dict[str, str | None] = {}
    try:
        for word in argument.decode("ascii").split():
            name, equals, value = word.partition("=")
            name = name.upper()
            if not equals or name not in ATTRIBUTES or name in attributes:
                return replies.XCLIENT_SYNTAX
            attributes[name] = _value(name, decode_xtext(value))
    except ValueError:
        return replies.XCLIENT_SYNTAX
    return Xclient(tuple(attributes.items())) if attributes else replies.XCLIENT_SYNTAX


def _value(name: str, text: str) -> str | None:
    if text.upper() == _UNAVAILABLE:
        return None
    if text.upper() == TEMPUNAVAIL:
        return TEMPUNAVAIL
    if len(text) > _VALUE_CHARACTERS or not text.isprintable():
        raise ValueError("too long, or a control character")
    match name:
        case "ADDR" | "DESTADDR":
            return _address(text)
        case "PORT" | "DESTPORT":
            return _port(text)
        case "PROTO":
            return _proto(text.upper())
        case _:
            return text or None


def _address(text: str) -> str:
    bare = text[5:] if text[:5].upper() == "IPV6:" else text
    if "%" in bare:
        raise ValueError("a zone")
    return str(parse_address(bare))


def _port(text: str) -> str:
    if not text.isascii() or not text.isdecimal() or len(text) > 5 or int(text) > 65_535:
        raise ValueError("no port")
    return str(int(text))


def _proto(text: str) -> str:
    if text not in ("SMTP", "ESMTP"):
        raise ValueError("no protocol of XCLIENT")
    return text
