"""XML of strangers, read into a small tree: expat with everything off that a settings file never needs.

A document type is refused, and with it every entity that somebody could declare (nothing grows, nothing is fetched).
Text, elements and depth have limits, so that a file costs no more memory than a few times its size. Never raises
anything but `XmlError`, whose words speak to an administrator.

Why expat of the standard library: it is the parser that is there, C and long hardened, and all that the usual attacks
stand on (entities, external ones, parameter entities) needs a document type, which ends the reading here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

MAX_TEXT: Final = 64 * 1024 * 1024
"""Characters of a whole file."""
MAX_VALUE: Final = 4 * 1024 * 1024
"""Characters of one text or one attribute."""
MAX_ELEMENTS: Final = 400_000
MAX_ATTRIBUTES: Final = 1_000_000
"""Of the whole document, as far as its equals signs tell."""
MAX_DEPTH: Final = 64
_CHUNK: Final = 1 << 20


class XmlError(Exception):
    """No XML that is read here; the message says why, and `line` where (0: the whole)."""

    def __init__(self, says: str, line: int = 0) -> None:
        super().__init__(says)
        self.line = line


@dataclass(slots=True)
class Element:
    """One element: its name without the prefix of a namespace, its attributes, its text and its children in order."""

    name: str
    line: int
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        """This element and every one below it, in the order of the document."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.children))


def parse_xml(text: str, skip: frozenset[str] = frozenset()) -> Element:
    """The root of the document in `text`; elements named in `skip` are left out with all that is in them.

    Raises XmlError.
    """
    if len(text) > MAX_TEXT:
        raise XmlError(f"the file is longer than {MAX_TEXT // (1024 * 1024)} million characters: export less at a time")
    if text.count("=") > MAX_ATTRIBUTES:
        raise XmlError(f"it has more than {MAX_ATTRIBUTES} attributes: export less at a time")
    return _Builder(skip).built(text)


class _Builder:
    def __init__(self, skip: frozenset[str]) -> None:
        self._skip = skip
        self._skipping = 0
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._lengths: list[int] = []
        self._root: Element | None = None
        self._count = 0
        self._depth = 0
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def built(self, text: str) -> Element:
        try:
            # The parser takes text as it is, whatever encoding the declaration gives: that was true of the file.
            whole = text.lstrip("\ufeff \r\n\t")
            for start in range(0, len(whole), _CHUNK):
                self._parser.Parse(whole[start : start + _CHUNK], False)
            self._parser.Parse("", True)
        except expat.ExpatError as error:
            raise XmlError(f"it is no complete XML: {expat.ErrorString(error.code)}", error.lineno) from None
        except UnicodeEncodeError:
            raise XmlError("it holds half characters, as a file that was cut or decoded wrongly does") from None
        if self._root is None:
            raise XmlError("it holds no XML element")
        return self._root

    def _refuse(self, says: str) -> NoReturn:
        raise XmlError(says, self._parser.CurrentLineNumber)

    def _doctype(self, *_: object) -> None:
        self._refuse("it has a document type (<!DOCTYPE ...>), which an export never has: it is not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        self._depth += 1
        if self._count > MAX_ELEMENTS:
            self._refuse(f"it has more than {MAX_ELEMENTS} elements: export less at a time")
        if self._depth > MAX_DEPTH:
            self._refuse(f"its elements are nested deeper than {MAX_DEPTH}, which no export is")
        if any(len(value) > MAX_VALUE for value in attributes.values()):
            self._refuse("one value is too long to be a setting")
        plain = name.rpartition(":")[2]
        if self._skipping or plain in self._skip:
            self._skipping += 1
            return
        made = Element(plain, self._parser.CurrentLineNumber, attributes)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self._root = made
        self._open.append(made)
        self._texts.append([])
        self._lengths.append(0)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._skipping:
            self._skipping -= 1
            return
        self._open.pop().text = "".join(self._texts.pop())
        self._lengths.pop()

    def _characters(self, text: str) -> None:
        if self._skipping or not self._texts:
            return
        self._lengths[-1] += len(text)
        if self._lengths[-1] > MAX_VALUE:
            self._refuse("one value is too long to be a setting")
        self._texts[-1].append(text)
