"""LDIF as `ldifde` writes it of the virtual servers of Exchange 2000 and 2003 in Active Directory (RFC 2849).

Class `protocolCfgSMTPServer`; a line that begins with a blank goes on with the one before it, `name:: value` is base64.
The attributes have the names of the metabase behind `msExch`. An export may be of chosen attributes, so that what is
not there is not known. Active Directory is the master where a metabase says something else.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Final

from arrowslit.imports.imported import ImportFailedError, Origin, Source
from arrowslit.imports.smtp_values import BLOBS, Property, Service, Value, fit_lines

_VALUES: Final = 100
"""Of one attribute; those that decide have one."""
_OF_ENTRY: Final = frozenset({"dn", "objectclass"})
_CLASS: Final = "protocolcfgsmtpserver"
_NAMES: Final = {
    "msexchsmtprelayiplist": "relayiplist",
    "msexchipsecurity": "ipsecurity",
    "msexchsmtprelayforauth": "relayforauth",
    "msexchauthenticationflags": "authflags",
    "msexchaccesssslflags": "accesssslflags",
    "msexchsmtpmaxmessagesize": "maxmessagesize",
    "msexchsmtpmaxrecipients": "maxrecipients",
    "msexchserverbindings": "serverbindings",
    "msexchsmtpsmarthost": "smarthost",
}
Attribute = tuple[str, "bytes | str", int]


def is_ldif(text: str) -> int:
    """How sure it is."""
    return 90 if _CLASS in text.lower() and ("\ndn:" in text[:5000] or text.lstrip("\ufeff").startswith("dn:")) else 0


def read_ldif(source: Source) -> list[Service]:
    """The virtual servers. Raises ImportFailedError where a line is none of LDIF."""
    services: list[Service] = []
    for entry in _entries(source):
        if any(name == "objectclass" and str(value).lower() == _CLASS for name, value, _ in entry):
            services.append(_service(entry, source.name, len(services)))
    return services


def _service(entry: list[Attribute], file: str, before: int) -> Service:
    dn = next((str(value) for name, value, _ in entry if name == "dn"), "")
    service = Service("default" if not before else f"smtp-{before + 1}", Origin(file, entry[0][2], dn[:200]))
    for name, value, line in entry:
        plain = _NAMES.get(name)
        if plain is None:
            continue
        earlier = service.properties.get(plain)
        made: Value = value
        if earlier is not None and plain in BLOBS:
            raise ImportFailedError(f"{file}:{line}: {name} stands twice in one entry")
        if earlier is not None:
            values = earlier.value if isinstance(earlier.value, tuple) else (str(earlier.value),)
            made = (*values, str(value))[:_VALUES]
        service.properties[plain] = Property(made, Origin(file, line, name))
    return service


def _entries(source: Source) -> Iterator[list[Attribute]]:
    entry: list[Attribute] = []
    for number, line in _unfolded(fit_lines(source.text, source.name)):
        if not line:
            if entry:
                yield entry
            entry = []
        elif not line.startswith("#") and line != "-":
            one = _attribute(line, number, source.name)
            if one[0] in _NAMES or one[0] in _OF_ENTRY:
                entry.append(one)
    if entry:
        yield entry


def _unfolded(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first; an empty one ends an entry."""
    parts: list[str] = []
    start = 1
    for number, line in enumerate(lines, 1):
        if line.startswith(" ") and parts:
            parts.append(line[1:])
            continue
        if parts:
            yield start, "".join(parts)
        parts, start = [line], number
        if not line:
            yield number, ""
            parts = []
    if parts:
        yield start, "".join(parts)


def _attribute(line: str, number: int, file: str) -> Attribute:
    name, colon, rest = line.partition(":")
    if not colon or not name or len(name) > 100 or not name.replace("-", "").replace(";", "").isalnum():
        raise ImportFailedError(f"{file}:{number}: {line[:60]!r} is no line of LDIF: was the file cut?")
    if not rest.startswith(":"):
        return name.lower(), rest.strip(" "), number
    try:
        octets = b64decode(rest[1:].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ImportFailedError(f"{file}:{number}: the value of {name} is no base64: was the file cut?") from None
    if _NAMES.get(name.lower()) in BLOBS:
        return name.lower(), octets, number
    return name.lower(), octets.decode("utf-8", "replace"), number
