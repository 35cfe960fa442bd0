"""XML of strangers as a plain tree: no document type (so no entities), few elements, little depth.

Names are without their prefix: devices disagree about namespaces more than about names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from arrowslit.rollout.point import RolloutError

_DEPTH: Final = 32
_ELEMENTS: Final = 5_000
_CLEAN: Final = bytes(one if one >= 0x20 or one in b"\t\n\r" else ord("?") for one in range(256))


@dataclass(slots=True)
class Element:
    """One element. `text` is what stands in it and in none of its children."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def of(self, name: str) -> str:
        """The text of the first child of that name, without the blanks around it; "" where there is none."""
        return next((one.text.strip() for one in self.children if one.name == name), "")

    def every(self, name: str) -> Iterator[Element]:
        """All of that name in it, at any depth."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            if one.name == name:
                yield one
            waiting.extend(reversed(one.children))


def read_elements(data: bytes) -> Element:
    """The outermost element. Raises RolloutError where it is no XML that we take.

    Routers pass on what a program called its mapping, whatever it is: control characters become question marks, and
    what is no UTF-8 is read as Latin-1, so that nobody hides a mapping by its name. An encoding that it names counts
    for nothing: it would choose among all codecs of Python.
    """
    data = data.translate(_CLEAN)
    try:
        return _parsed(data, "utf-8")
    except expat.ExpatError:
        try:
            return _parsed(data, "iso-8859-1")
        except expat.ExpatError as error:
            says = expat.ErrorString(error.code)
            raise RolloutError(f"what it sent is no XML: {says}, line {error.lineno}") from None


def _parsed(data: bytes, encoding: str) -> Element:
    tree = _Tree()
    parser = expat.ParserCreate(encoding)
    parser.StartDoctypeDeclHandler = tree.doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.characters
    parser.Parse(data, True)
    return tree.outermost.children[0]


class _Tree:
    def __init__(self) -> None:
        self.outermost = Element("")
        self.open = [self.outermost]
        self.pieces: list[list[str]] = [[]]
        self.count = 0

    def doctype(self, *_declared: object) -> None:
        raise RolloutError("its XML has a document type, which is not taken: entities could be declared there")

    def start(self, name: str, _attributes: object) -> None:
        self.count += 1
        if self.count > _ELEMENTS or len(self.open) > _DEPTH:
            raise RolloutError(f"its XML has more than {_ELEMENTS} elements, or is deeper than {_DEPTH}")
        made = Element(name.rpartition(":")[2])
        self.open[-1].children.append(made)
        self.open.append(made)
        self.pieces.append([])

    def end(self, _name: str) -> None:
        self.open.pop().text = "".join(self.pieces.pop())

    def characters(self, text: str) -> None:
        self.pieces[-1].append(text)
