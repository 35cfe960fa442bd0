"""CLIXML: objects of PowerShell as `Export-Clixml` writes them ([MS-PSRP] 2.2.5, read by its public description).

Only what settings need: primitive values as text, whole numbers and flags as such, lists, enumerations (their text and
their number), nested objects with their properties, references to what came before. `SerializationData` and every
other run of octets (`<BA>`) is .NET's own business: left out by the XML reader, never decoded. A reference to an object
that is not complete yet is null. Nothing is ever made into an object of a type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from arrowslit.imports.things import MAX_ITEMS, Nested, Thing, ThingsError, Value, lowered
from arrowslit.imports.xml_tree import Element, XmlError, parse_xml

_SKIPPED: Final = frozenset({"BA", "SS", "SCT", "TN", "TNRef", "PR"})
_LISTS: Final = frozenset({"LST", "IE", "STK", "QUE"})
_NUMBERS: Final = frozenset({"I16", "I32", "I64", "U16", "U32", "U64", "By", "SB"})
_HEX: Final = frozenset("0123456789abcdefABCDEF")


def is_clixml(text: str) -> bool:
    """True where the text begins like CLIXML."""
    return "http://schemas.microsoft.com/powershell/2004/04" in text[:2000]


def read_clixml(text: str, file: str) -> list[Thing]:
    """The objects at the top, each a thing; a list at the top gives its items. Raises ThingsError."""
    try:
        root = parse_xml(text, _SKIPPED)
    except XmlError as error:
        raise ThingsError(str(error), error.line) from None
    if root.name != "Objs":
        raise ThingsError(f"<{root.name}> is not how an export of PowerShell begins (<Objs>)", root.line)
    return list(_Reader(file).things(root))


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.known: dict[str, Value] = {}

    def things(self, root: Element) -> Iterator[Thing]:
        count = 0
        for child in root.children:
            value = self.value(child)
            for one in value if isinstance(value, tuple) else (value,):
                count += 1
                if count > MAX_ITEMS:
                    raise ThingsError(f"it holds more than {MAX_ITEMS} objects", child.line)
                if isinstance(one, Nested):
                    yield Thing(one.properties, self.file, child.line)

    def value(self, element: Element) -> Value:
        """What an element comes to. The depth of the tree is limited where it is parsed."""
        if element.name == "Ref":
            return self.known.get(element.attributes.get("RefId", ""))
        read = _PRIMITIVES.get(element.name)
        if read is not None:
            return read(element.text)
        if element.name == "Obj":
            made = self._object(element)
            if "RefId" in element.attributes:
                self.known[element.attributes["RefId"]] = made
            return made
        if element.name in _LISTS:
            return tuple(self.value(child) for child in element.children)
        return _unescaped(element.text)

    def _object(self, element: Element) -> Value:
        text = ""
        inner: Value = None
        properties: dict[str, Value] = {}
        for child in element.children:
            if child.name == "ToString":
                text = _unescaped(child.text)
            elif child.name in {"Props", "MS"}:
                # Both hold properties; an object of a remote session has some in each.
                properties |= {name: value for name, value in self._properties(child).items() if name not in properties}
            elif child.name != "DCT":
                inner = self.value(child)
        if isinstance(inner, tuple):
            return inner
        number = inner if isinstance(inner, int) and not isinstance(inner, bool) else None
        return Nested(text or (inner if isinstance(inner, str) else ""), number, properties)

    def _properties(self, element: Element) -> dict[str, Value]:
        return lowered((_unescaped(child.attributes.get("N", "")), self.value(child)) for child in element.children)


def _number(text: str) -> Value:
    digits = text.strip().removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else text


def _unescaped(text: str) -> str:
    """`_x000A_` is the character with that code."""
    if "_x" not in text:
        return text
    first, *rest = text.split("_x")
    made = [first]
    for part in rest:
        if len(part) >= 5 and part[4] == "_" and _HEX.issuperset(part[:4]):
            made.append(chr(int(part[:4], 16)) + part[5:])
        else:
            made.append("_x" + part)
    return "".join(made)


_PRIMITIVES: Final[dict[str, Callable[[str], Value]]] = {
    "Nil": lambda _text: None,
    "S": _unescaped,
    "B": lambda text: {"true": True, "false": False}.get(text.strip().lower()),
    **dict.fromkeys(_NUMBERS, _number),
}
