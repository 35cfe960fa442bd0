"""Settings of one SMTP virtual server of Windows, whatever file they come from.

Terms: a *property* has a name of the metabase in lower case (`relayiplist`) and a *value*: None where the file says
that it is null, octets, text (also of a whole number), or a list; the list () is an
array that the file shows to be empty. What a file does not name is not here. A file is *whole* for
a server where it would also hold what the server inherits: then what is not there is the default of the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from arrowslit.imports.imported import ImportFailedError, Origin

Value: TypeAlias = "bytes | str | tuple[str, ...] | None"

MAX_TEXT: Final = 16 * 1024 * 1024
_HEX: Final = frozenset("0123456789abcdefABCDEF")

IDS: Final = {"36970": "relayiplist", "36973": "relayforauth", "36946": "routeaction"}
_FLAGS: Final = {
    "authanonymous": 1,
    "authbasic": 2,
    "authntlm": 4,
    "authmd5": 16,
    "authpassport": 64,
    "accessssl": 8,
    "accesssslnegotiatecert": 32,
    "accesssslrequirecert": 64,
    "accesssslmapcert": 128,
    "accessssl128": 256,
}
BLOBS: Final = frozenset({"relayiplist", "ipsecurity"})


@dataclass(frozen=True, slots=True)
class Property:
    """One value and where it stands."""

    value: Value
    origin: Origin


@dataclass(slots=True)
class Service:
    """One virtual server. `domains` are the settings of domains below it, by their names as written."""

    name: str
    origin: Origin
    properties: dict[str, Property] = field(default_factory=dict)
    domains: dict[str, dict[str, Property]] = field(default_factory=dict)
    whole: bool = False

    def number(self, name: str) -> int | None:
        """A whole number; None where it is not there or none."""
        return number(self.properties.get(name))

    def text(self, name: str) -> str:
        """A text; "" where it is not there."""
        one = self.properties.get(name)
        return one.value.strip() if one is not None and isinstance(one.value, str) else ""


def number(one: Property | None) -> int | None:
    """The whole number of a property: with a sign, in hexadecimal, or as words that MetaBase.xml writes for flags.

    True is -1 as in scripts of Windows. None where it is none, also where one of the words is not known.
    """
    text = one.value.strip().lower() if one is not None and isinstance(one.value, str) else ""
    if text in {"true", "false"}:
        return -1 if text == "true" else 0
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 12:
        return int(text)
    if text.startswith("0x") and 2 < len(text) <= 10 and _HEX.issuperset(text[2:]):
        return int(text, 16)
    words = [word.strip() for word in text.split("|")]
    return sum({_FLAGS[word] for word in words}) if all(word in _FLAGS for word in words) else None


def octets_of_hex(text: str) -> bytes | str:
    """Hex digits without blanks as octets; the text itself where it is none, for whoever asks to say so."""
    return bytes.fromhex(text) if len(text) % 2 == 0 and _HEX.issuperset(text) else text


def fit_lines(text: str, name: str) -> list[str]:
    """The lines of a file. Raises ImportFailedError where it is too long for settings, or its last line has no end."""
    if not text.endswith("\n"):
        says = "the last line has no end: is the file cut? If it is whole, end it with a new line"
        raise ImportFailedError(f"{name}: {says}")
    if len(text) > MAX_TEXT:
        millions = MAX_TEXT // (1024 * 1024)
        raise ImportFailedError(f"{name} is longer than {millions} million characters: export only the SMTP service")
    return text.lstrip("\ufeff").replace("\r", "").split("\n")


def inherited(own: Mapping[str, Property], above: Mapping[str, Property]) -> dict[str, Property]:
    """What counts for a server: its own properties, then those above it."""
    return {**above, **own}
