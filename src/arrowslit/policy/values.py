"""How each kind of value of the document is read: from the tree into its normal form.

A reader gives the value and a remark where something was normalised that its writer should hear of. It raises
`WrongValueError` with a sentence for whoever wrote the document. Never looks a name up.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.mail.address_range import AddressRange, parse_range
from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox_text import parse_forward_path, parse_mailbox
from arrowslit.policy.parts import NextHopAddress
from arrowslit.policy.schema import Key, Kind
from arrowslit.policy.tree import Span, Table, Value

Names = Mapping[Kind, frozenset[str]]
Read = tuple[Any, str]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LARGEST: Final = 2**53
_PORTS: Final = {"smtp": 25, "lmtp": 24, "tcp": 25}


class WrongValueError(Exception):
    """A value that a key can not have. `name` is the finding's; "" for "wrong-value"."""

    def __init__(self, says: str, help: str = "", name: str = "", span: Span | None = None) -> None:
        super().__init__(says)
        self.help = help
        self.name = name
        self.span = span


def describe(value: Value) -> str:
    """What TOML calls it, with its article."""
    data = value.data
    if isinstance(data, Table | tuple):
        return "a table" if isinstance(data, Table) else "an array"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(data), "a date or time")


def _wrong_type(value: Value, wanted: str) -> WrongValueError:
    return WrongValueError(f"this is {describe(value)}, {wanted} is wanted", name="wrong-type", span=value.span)


def _string(value: Value, wanted: str = "text") -> str:
    if not isinstance(value.data, str):
        raise _wrong_type(value, wanted)
    if not value.data.isprintable():
        raise WrongValueError("this holds a character that can not be shown", span=value.span)
    return value.data


def _items(value: Value, key: Key) -> tuple[Value, ...]:
    if not isinstance(value.data, tuple):
        raise _wrong_type(value, f"an {key.kind.value}")
    return value.data


def _text(value: Value, key: Key, _names: Names) -> Read:
    return _string(value, key.kind.value), ""


def _word(value: Value, key: Key, _names: Names) -> Read:
    text = _string(value)
    if text not in key.words:
        raise _none_of(text, key.words, value)
    return text, ""


def _none_of(text: str, words: tuple[str, ...], value: Value) -> WrongValueError:
    near = get_close_matches(text, words, 1)
    listed = ", ".join(f'"{word}"' for word in words)
    help = f'did you mean "{near[0]}"?' if near else f"write {listed}" if words else ""
    return WrongValueError(f'"{text}" is none of {listed}', help, span=value.span)


def _flag(value: Value, _key: Key, _names: Names) -> Read:
    if not isinstance(value.data, bool):
        raise _wrong_type(value, "true or false")
    return value.data, ""


def _count(value: Value, _key: Key, _names: Names) -> Read:
    if isinstance(value.data, bool) or not isinstance(value.data, int):
        raise _wrong_type(value, "a whole number")
    if not 1 <= value.data <= _LARGEST:
        raise WrongValueError(f"{value.data} is out of range", "write a whole number from 1 on")
    return value.data, ""


def _time(value: Value, _key: Key, _names: Names) -> Read:
    text = _string(value, 'a time such as "5s"')
    number = text.rstrip("dhms")
    unit = _UNITS.get(text[len(number) :])
    if unit is None or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise WrongValueError(f'"{text}" is no time', 'write a whole number and its unit: "500ms", "5s", "10m", "1h"')
    return int(number) * unit, ""


def _share(value: Value, _key: Key, _names: Names) -> Read:
    text = _string(value, 'a percentage such as "50%"')
    number = text.removesuffix("%")
    if number == text or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise WrongValueError(f'"{text}" is no percentage', 'write for example "50%"')
    return int(number) / 100, ""


def _date(value: Value, _key: Key, _names: Names) -> Read:
    if not isinstance(value.data, datetime.date) or isinstance(value.data, datetime.datetime):
        raise _wrong_type(value, "a date such as 2027-03-31, without quotes,")
    return value.data, ""


def _texts(value: Value, key: Key, _names: Names) -> Read:
    found = tuple(_string(item) for item in _items(value, key))
    for text, item in zip(found, _items(value, key), strict=True):
        if key.words and text not in key.words:
            raise _none_of(text, key.words, item)
    return found, ""


def _one_range(value: Value) -> AddressRange:
    try:
        return parse_range(_string(value, "an address"))
    except ValueError as error:
        help = 'write for example "192.0.2.1", "192.0.2.0/24" or "192.0.2.1-192.0.2.9"'
        raise WrongValueError(str(error), help, "not-an-address", value.span) from None


def _cleared(value: Value, found: AddressRange) -> str:
    return f"{value.data} has bits set after the prefix; it counts as {found.text}" if found.host_bits else ""


def _ranges(value: Value, key: Key, _names: Names) -> Read:
    items = _items(value, key)
    found = [_one_range(item) for item in items]
    remarks = [_cleared(item, one) for item, one in zip(items, found, strict=True) if one.host_bits]
    return tuple(dict.fromkeys(one.text for one in found)), "; ".join(remarks[:10])


def _address(value: Value, _key: Key, _names: Names) -> Read:
    text = _string(value, "an address")
    try:
        return str(parse_address(text)), ""
    except ValueError:
        raise WrongValueError(
            f'"{text}" is not an address', 'write one, such as "192.0.2.1"', "not-an-address"
        ) from None


def _group(value: Value, _key: Key, _names: Names) -> Read:
    found = _one_range(value)
    if found.prefix is None or not any(mark in str(value.data) for mark in "/,"):
        raise WrongValueError(
            f'"{value.data}" is no address with a mask or prefix',
            'write for example "192.0.2.0/24", or use computer or range',
            "not-an-address",
        )
    return f"{found.first}/{found.prefix}", _cleared(value, found)


def _range(value: Value, _key: Key, _names: Names) -> Read:
    found = _one_range(value)
    if "-" not in str(value.data):
        raise WrongValueError(
            f'"{value.data}" is no range', 'write first and last: "192.0.2.1-192.0.2.9"', "not-an-address"
        )
    return f"{found.first}-{found.last}", ""


def _domain(text: str, value: Value) -> str:
    try:
        return normalise_domain(text)
    except ValueError as error:
        raise WrongValueError(
            str(error), 'write a full name, such as "mx.example.org"', "not-a-domain", value.span
        ) from None


def _name(value: Value, _key: Key, _names: Names) -> Read:
    return _domain(_string(value, "a domain name"), value), ""


def _names_list(value: Value, key: Key, _names: Names) -> Read:
    return tuple(_domain(_string(item, "a domain name"), item) for item in _items(value, key)), ""


def pattern(text: str, value: Value) -> str:
    """The normal form of a domain name, or of `*.` and one. Raises WrongValueError when it is neither."""
    name = text.removeprefix("*.")
    return ("*." if name != text else "") + _domain(name, value)


def _pattern(value: Value, _key: Key, _names: Names) -> Read:
    return pattern(_string(value, "a domain name"), value), ""


def _fingerprint(value: Value) -> str:
    text = _string(value, "a fingerprint").lower()
    digits = text.removeprefix("sha256:").replace(":", "")
    if not text.startswith("sha256:") or len(digits) != 64 or not all(c in "0123456789abcdef" for c in digits):
        raise WrongValueError(
            f'"{value.data}" is no fingerprint', 'write "sha256:" and 64 hexadecimal digits', span=value.span
        )
    return f"sha256:{digits}"


def _certificate(value: Value, _key: Key, _names: Names) -> Read:
    text = _string(value, "a certificate name")
    return (_fingerprint(value) if text.lower().startswith("sha256:") else pattern(text, value)), ""


def _fingerprints(value: Value, key: Key, _names: Names) -> Read:
    return tuple(_fingerprint(item) for item in _items(value, key)), ""


def _reference(value: Value, key: Key, names: Names) -> Read:
    text = _string(value, key.kind.value)
    known = names[key.kind]
    if text not in known:
        what = key.kind.value.removeprefix("name of a ")
        near = get_close_matches(text, known, 1)
        help = f'did you mean "{near[0]}"?' if near else "known: " + ", ".join(sorted(known)[:10]) if known else ""
        raise WrongValueError(f'there is no {what} "{text}"', help, "unknown-" + what.replace(" ", "-"))
    return text, ""


def _mailbox(value: Value, key: Key, _names: Names) -> Read:
    text = _string(value, "a mail address")
    try:
        if text and text != "<>":
            parse_forward_path(text)
    except ValueError as error:
        raise WrongValueError(str(error), 'write for example "bob@example.org"', "not-a-mail-address") from None
    if key.name == "to" and text in {"", "<>"}:
        raise WrongValueError("a recipient can not be empty", name="not-a-mail-address")
    return text.removeprefix("<").removesuffix(">"), ""


def _mailboxes(value: Value, key: Key, _names: Names) -> Read:
    found: list[str] = []
    for item in _items(value, key):
        try:
            read = parse_mailbox(_string(item, "a mail address"))
        except ValueError as error:
            help = 'write for example "postmaster@example.org"'
            raise WrongValueError(str(error), help, "not-a-mail-address", item.span) from None
        found.append(f"{read.local_part}@{read.domain}".lower())
    return tuple(dict.fromkeys(found)), ""


def parse_next_hop_address(text: str) -> NextHopAddress:
    """`smtp://HOST:PORT`, `lmtp://HOST:PORT`, `tcp://HOST:PORT`, `lmtp+unix:PATH` or `maildir:PATH`.

    Raises ValueError when it is none of them.
    """
    scheme, _, rest = text.partition(":")
    if scheme in {"lmtp+unix", "maildir"} and rest:
        return NextHopAddress(scheme, rest)
    if scheme not in _PORTS or not rest.startswith("//"):
        raise ValueError(f'"{text}" is no next hop')
    host, port = _split_port(rest[2:].removesuffix("/"), _PORTS[scheme])
    if host.startswith("[") and host.endswith("]"):
        return NextHopAddress(scheme, str(parse_address(host[1:-1])), port)
    try:
        return NextHopAddress(scheme, str(parse_address(host)), port)
    except ValueError:
        return NextHopAddress(scheme, normalise_domain(host), port)


def _split_port(text: str, default: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or (text.startswith("[") and text.endswith("]")):
        return text, default
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65_536:
        raise ValueError(f'"{port}" is no port')
    return host, int(port)


def _hop_address(value: Value, schemes: tuple[str, ...]) -> NextHopAddress:
    text = _string(value, "where the next hop is")
    try:
        found = parse_next_hop_address(text)
    except ValueError as error:
        help = "write " + " or ".join(_SHAPES[scheme] for scheme in schemes)
        raise WrongValueError(str(error), help, "not-a-next-hop", value.span) from None
    if found.scheme not in schemes:
        help = "write " + " or ".join(_SHAPES[scheme] for scheme in schemes)
        raise WrongValueError(f'"{text}" can not be used here', help, "not-a-next-hop", value.span)
    return found


_SHAPES: Final = {
    "smtp": '"smtp://HOST:PORT"',
    "lmtp": '"lmtp://HOST:PORT"',
    "lmtp+unix": '"lmtp+unix:PATH"',
    "maildir": '"maildir:PATH"',
    "tcp": '"tcp://HOST:PORT"',
}


def _hop_addresses(value: Value, _key: Key, _names: Names) -> Read:
    schemes = ("smtp", "lmtp", "lmtp+unix", "maildir")
    items = value.data if isinstance(value.data, tuple) else (value,)
    if not items:
        raise WrongValueError("a next hop needs an address", 'write for example "smtp://192.0.2.1:25"')
    return tuple(_hop_address(item, schemes) for item in items), ""


def _splice(value: Value, _key: Key, _names: Names) -> Read:
    return _hop_address(value, ("tcp",)), ""


def _url(value: Value, _key: Key, _names: Names) -> Read:
    text = _string(value, "an address such as https://HOST/PATH")
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in {"http", "https", "ldap", "ldaps", "ldapi"} or not rest or " " in text:
        raise WrongValueError(f'"{text}" is no web or directory address', 'write for example "https://HOST/PATH"')
    return text, ""


READ: Final[dict[Kind, Callable[[Value, Key, Names], Read]]] = {
    Kind.TEXT: _text,
    Kind.WORD: _word,
    Kind.FLAG: _flag,
    Kind.COUNT: _count,
    Kind.TIME: _time,
    Kind.SHARE: _share,
    Kind.DATE: _date,
    Kind.TEXTS: _texts,
    Kind.RANGES: _ranges,
    Kind.ADDRESS: _address,
    Kind.NAME: _name,
    Kind.NAMES: _names_list,
    Kind.PATTERN: _pattern,
    Kind.CERTIFICATE: _certificate,
    Kind.FINGERPRINTS: _fingerprints,
    Kind.GROUP: _group,
    Kind.RANGE: _range,
    Kind.NETWORK: _reference,
    Kind.NEXT_HOP: _reference,
    Kind.VIRTUAL_SERVER: _reference,
    Kind.MAILBOX: _mailbox,
    Kind.MAILBOXES: _mailboxes,
    Kind.NEXT_HOP_ADDRESSES: _hop_addresses,
    Kind.SPLICE_ADDRESS: _splice,
    Kind.URL: _url,
}
