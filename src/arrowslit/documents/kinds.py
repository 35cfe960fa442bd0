"""The kinds of value that a setting may have, as data: what it is called, and how it is read.

A kind's `read` gets the value of the tree and the folder that paths are relative to. It raises `WrongValueError`
of `policy.values` with a sentence for whoever wrote the file. Never touches the file system.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from arrowslit.documents.endpoint import parse_endpoint
from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox_text import parse_mailbox
from arrowslit.policy.tree import Value
from arrowslit.policy.values import WrongValueError, describe

_SYSTEM_LOG = Path("/dev/log")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is what the reference calls it."""

    name: str
    read: Callable[[Value, Path], object]


def _wrong_type(value: Value, wanted: str, help: str = "") -> WrongValueError:
    return WrongValueError(f"this is {describe(value)}, {wanted} is wanted", help, "wrong-type", value.span)


def _string(value: Value, wanted: str) -> str:
    if not isinstance(value.data, str):
        raise _wrong_type(value, wanted)
    if not value.data.isprintable():
        raise WrongValueError("this holds a character that cannot be shown", span=value.span)
    return value.data


def _text(value: Value, _base: Path) -> str:
    return _string(value, "text")


def _flag(value: Value, _base: Path) -> bool:
    if not isinstance(value.data, bool):
        raise _wrong_type(value, "true or false")
    return value.data


def _name(value: Value, _base: Path) -> str:
    try:
        return normalise_domain(_string(value, "a domain name"))
    except ValueError as error:
        raise WrongValueError(str(error), 'write a full name, such as "mx.example.org"') from None


def _path(value: Value, base: Path) -> Path:
    text = _string(value, "a path")
    if not text or "\0" in text:
        raise WrongValueError("a path cannot be empty")
    return base / text


def _store(value: Value, base: Path) -> str:
    """An address as it is, a path as an absolute one."""
    text = _string(value, "a database")
    if "://" not in text:
        return str(_path(value, base).absolute())
    parts = urlsplit(text)
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise WrongValueError(f'"{parts.scheme}" is no database that is known', _STORE_HELP)
    if parts.password is not None:
        raise WrongValueError("a password does not belong into the settings", "put it into ~/.pgpass, mode 0600")
    return text


_STORE_HELP = 'write "postgresql://USER@HOST/NAME", or the path of an SQLite file'


def _endpoint(value: Value, _base: Path) -> object:
    try:
        return parse_endpoint(_string(value, "ADDRESS:PORT"))
    except ValueError as error:
        raise WrongValueError(str(error), 'write for example "127.0.0.1:25", or "[::]:25" for both families') from None


def _duration(value: Value, _base: Path) -> float:
    data = value.data
    if isinstance(data, bool) or not isinstance(data, str):
        raise _wrong_type(value, "a time", 'write it with its unit: "5s", "10m", "1h"')
    number = data.rstrip("dhms")
    unit = _UNITS.get(data[len(number) :])
    if unit is None or not number.isascii() or not number.isdigit() or float(number) <= 0:
        raise WrongValueError(
            f'"{data}" is no time', 'write a whole number and its unit: "500ms", "5s", "10m", "1h", "3d"'
        )
    return int(number) * unit


def _addresses(value: Value, _base: Path) -> AddressSet:
    return AddressSet.from_ranges([_range(item) for item in _items(value, "addresses")])


def _range(item: Value) -> tuple[IPAddress, IPAddress]:
    try:
        found = parse_range(_string(item, "an address"))
    except ValueError as error:
        raise WrongValueError(
            str(error), 'write an address ("10.0.0.5") or a prefix ("10.0.0.0/24")', span=item.span
        ) from None
    if found.host_bits:
        raise WrongValueError(f"{item.data} has bits set after the prefix", f'write "{found.text}"', span=item.span)
    return found.first, found.last


def _items(value: Value, of: str) -> tuple[Value, ...]:
    if not isinstance(value.data, tuple):
        raise _wrong_type(value, f"an array of {of}", "put it in brackets: [ ... ]")
    return value.data


def _servers(value: Value, _base: Path) -> tuple[str, ...]:
    return tuple(_server(item) for item in _items(value, "addresses"))


def _server(item: Value) -> str:
    text = _string(item, "an address")
    try:
        return str(parse_address(text))
    except ValueError:
        pass
    try:
        return parse_endpoint(text).text
    except ValueError:
        help = 'write the address of a DNS server, "192.0.2.53", or with its port, "127.0.0.1:5353"'
        raise WrongValueError(f'"{text}" is no address', help, span=item.span) from None


def _texts(value: Value, _base: Path) -> tuple[str, ...]:
    return tuple(_string(item, "text") for item in _items(value, "texts"))


def _ports(value: Value, _base: Path) -> tuple[int, ...]:
    read = whole_number(1, 65_535).read
    return tuple(int(str(read(item, _base))) for item in _items(value, "ports"))


def _mailboxes(value: Value, _base: Path) -> tuple[str, ...]:
    return tuple(_mailbox(item) for item in _items(value, "mail addresses"))


def _mailbox(item: Value) -> str:
    text = _string(item, "a mail address")
    try:
        return parse_mailbox(text).text
    except ValueError:
        raise WrongValueError(
            f'"{text}" is no mail address', 'write for example "postmaster@example.org"', span=item.span
        ) from None


def _web_address(value: Value, _base: Path) -> str:
    text = _string(value, "a web address")
    if not is_web_address(text):
        raise WrongValueError("this is no web address", 'write for example "https://alarms.example.org/hook"')
    return text


def is_web_address(text: str) -> bool:
    """Whether a request can be sent there: http or https, a host, a port that is one, nothing but ASCII."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and _is_plain(text)
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    return text.isascii() and " " not in text


def _api_address(value: Value, _base: Path) -> str:
    text = _string(value, "a web address")
    help = 'write for example "https://firewall.example.org"'
    if not is_web_address(text):
        raise WrongValueError("this is no web address", help)
    parts = urlsplit(text)
    if parts.scheme != "https" and parts.hostname not in _THIS_MACHINE:
        raise WrongValueError("credentials would go over the network in clear", help)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise WrongValueError("this holds more than a server and a path", "credentials go into credentials_file")
    return text.rstrip("/")


def _fingerprint(value: Value, _base: Path) -> str:
    text = _string(value, "a fingerprint")
    digits = text.lower().removeprefix("sha256:").replace(":", "")
    if len(digits) != 64 or digits.strip("0123456789abcdef"):
        help = "openssl x509 -noout -fingerprint -sha256 says it"
        raise WrongValueError("this is no SHA-256 fingerprint", help)
    return digits


_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def _system_log(value: Value, base: Path) -> object:
    data = value.data
    if isinstance(data, bool):
        return _SYSTEM_LOG if data else None
    text = _string(value, 'true, false, "ADDRESS:PORT" or a path')
    return Path(text) if text.startswith("/") else _endpoint(value, base)


def whole_number(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""

    def read(value: Value, _base: Path) -> int:
        data = value.data
        if isinstance(data, bool) or not isinstance(data, int):
            raise _wrong_type(value, "a whole number")
        if not least <= data <= most:
            raise WrongValueError(f"{data} is not between {least} and {most}", span=value.span)
        return data

    return Kind("whole number", read)


def octets(least: int, most: int) -> Kind:
    """A number of octets."""
    return Kind("octets", whole_number(least, most).read)


def one_of(*words: str) -> Kind:
    """One word of a fixed few."""

    def read(value: Value, _base: Path) -> str:
        text = _string(value, "text")
        if text not in words:
            near = get_close_matches(text, words, 1)
            offer = f'did you mean "{near[0]}"?' if near else "write " + _either(words)
            raise WrongValueError(f'"{text}" is none of {_either(words)}', offer)
        return text

    return Kind(_either(words), read)


def _either(words: tuple[str, ...]) -> str:
    quoted = [f'"{word}"' for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def or_off(kind: Kind) -> Kind:
    """The kind, or `"off"` for none; `""` says the same. A file of that name is written `"./off"`."""

    def read(value: Value, base: Path) -> object:
        return None if value.data in ("", "off") else kind.read(value, base)

    return Kind(f'{kind.name}, or "off"', read)


def or_words(kind: Kind, *words: str) -> Kind:
    """One of a few words, or else the kind."""

    def read(value: Value, base: Path) -> object:
        return value.data if value.data in words else kind.read(value, base)

    return Kind(", ".join(f'"{word}"' for word in words) + f" or {kind.name}", read)


TEXT = Kind("text", _text)
TEXTS = Kind("array of text", _texts)
FLAG = Kind("true or false", _flag)
NAME = Kind("domain name", _name)
PATH = Kind("path", _path)
STORE = Kind("database", _store)
ENDPOINT = Kind("ADDRESS:PORT", _endpoint)
DURATION = Kind("time with unit", _duration)
ADDRESSES = Kind("array of addresses and ranges", _addresses)
SERVERS = Kind("array of addresses", _servers)
PORTS = Kind("array of ports", _ports)
WEB_ADDRESS = Kind("web address", _web_address)
API_ADDRESS = Kind("web address", _api_address)
FINGERPRINT = Kind("SHA-256 fingerprint", _fingerprint)
MAILBOXES = Kind("array of mail addresses", _mailboxes)
SYSTEM_LOG = Kind("true or false, or ADDRESS:PORT, or path", _system_log)
