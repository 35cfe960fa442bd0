"""MetaBase.xml of IIS 6 and later, and what `iiscnfg /export` writes: the same XML.

Settings of SMTP are attributes of `IIsSmtpService`, `IIsSmtpServer` and `IIsSmtpDomain` elements, or `Custom` elements
within them, by name or by number. The virtual server n lies at `/LM/SMTPSVC/n` and inherits from `/LM/SMTPSVC`. An
element named differently at such a place counts by its place. Lists of addresses are hex digits.
"""

from __future__ import annotations

from typing import Final

from arrowslit.imports.imported import ImportFailedError, Origin, Source
from arrowslit.imports.smtp_values import BLOBS, IDS, Property, Service, inherited, octets_of_hex
from arrowslit.imports.xml_tree import Element, XmlError, parse_xml

_ABOVE: Final = ("", "LM", "SMTPSVC")


def is_metabase(text: str) -> int:
    """How sure it is."""
    if "/lm/smtpsvc" not in text.lower():
        return 0
    return 95 if "<" in text[:2000] and "IIsSmtp" in text else 40 if text.lstrip("\ufeff \r\n").startswith("<") else 0


def read_metabase(source: Source) -> list[Service]:
    """The virtual servers. Raises ImportFailedError."""
    try:
        root = parse_xml(source.text)
    except XmlError as error:
        place = f"{source.name}:{error.line}" if error.line else source.name
        raise ImportFailedError(f"{place}: {error}") from None
    placed = {}
    for one in root.all():
        path = _path(one)
        if path is not None and len(path) <= 6:
            if path in placed:
                raise ImportFailedError(f"{source.name}:{one.line}: {'/'.join(path)} stands twice")
            placed[path] = one
    return [_service(path, one, placed, source.name) for path, one in placed.items() if _is_server(path)]


def _path(element: Element) -> tuple[str, ...] | None:
    location = element.attributes.get("Location", "")
    parts = tuple(location.rstrip("/").upper().split("/")) if len(location) < 1000 else ()
    return parts if parts[:3] == _ABOVE else None


def _is_server(path: tuple[str, ...]) -> bool:
    return len(path) == 4 and path[3].isascii() and path[3].isdigit()


def _service(path: tuple[str, ...], element: Element, placed: dict[tuple[str, ...], Element], file: str) -> Service:
    above = placed.get(_ABOVE)
    name = "default" if path[3] == "1" else f"smtp-{path[3]}"
    inherits = {} if above is None else _properties(above, file)
    service = Service(name, Origin(file, element.line, element.attributes["Location"]), whole=above is not None)
    service.properties = inherited(_properties(element, file), inherits)
    for other, one in placed.items():
        if len(other) == 6 and other[:5] == (*path, "DOMAIN"):
            service.domains[one.attributes["Location"].rstrip("/").rpartition("/")[2]] = _properties(one, file)
    return service


def _properties(element: Element, file: str) -> dict[str, Property]:
    found: dict[str, Property] = {}
    for name, value in element.attributes.items():
        _put(found, name.lower(), value, Origin(file, element.line, name))
    for child in element.children:
        if child.name == "Custom":
            name = child.attributes.get("Name", "").lower()
            name = IDS.get(child.attributes.get("ID", ""), name)
            _put(found, name, child.attributes.get("Value", ""), Origin(file, child.line, name))
    return found


def _put(found: dict[str, Property], name: str, value: str, origin: Origin) -> None:
    if name and name != "location":
        found[name] = Property(octets_of_hex(value.strip()) if name in BLOBS else value, origin)
