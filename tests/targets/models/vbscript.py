"""As much of VBScript as the scripts of targets use, so that they are run and not only read.

No Windows Script Host runs where these tests do: this follows the VBScript Language Reference, with `Option Explicit`
taken at its word. What is not understood raises ValueError. And and Or look at both sides, as VBScript does. The
objects that a script asks for (`CreateObject`, `GetObject`) are given as functions from their name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from inspect import isroutine
from typing import Any

Value = Any
Block = list["Statement"]
_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|\d+|[A-Za-z_]\w*|<>|[-+&=<>(),.])')


class Quit(Exception):
    pass


class _Exit(Exception):
    pass


class Named:
    """The named arguments of a command line."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = {name.lower(): value for name, value in given.items()}

    def exists(self, name: str) -> bool:
        return name.lower() in self.given

    def item(self, name: str) -> str:
        return self.given[name.lower()]


class Dictionary:
    """Scripting.Dictionary, whose keys tell upper from lower case."""

    def __init__(self) -> None:
        self.held: dict[str, Value] = {}

    def exists(self, key: str) -> bool:
        return key in self.held

    def item(self, key: str) -> Value:
        return self.held.setdefault(key, "")

    def set_item(self, key: str, value: Value) -> None:
        self.held[key] = value

    @property
    def keys(self) -> list[str]:
        return list(self.held)

    @property
    def count(self) -> int:
        return len(self.held)


class FileSystem:
    """Scripting.FileSystemObject over a dictionary."""

    def __init__(self, files: dict[str, list[str]]) -> None:
        self.files = files

    def fileexists(self, name: str) -> bool:
        return name in self.files

    def opentextfile(self, name: str, mode: int) -> TextFile:
        assert mode == 1
        return TextFile(self.files[name])

    def createtextfile(self, name: str, overwrite: bool) -> TextFile:
        assert overwrite
        self.files[name] = []
        return TextFile(self.files[name])

    def deletefile(self, name: str) -> None:
        del self.files[name]

    def movefile(self, name: str, to: str) -> None:
        if to in self.files:
            raise ValueError(f"{to} is there")
        self.files[to] = self.files.pop(name)


class TextFile:
    """A TextStream."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 0

    @property
    def atendofstream(self) -> bool:
        return self.at == len(self.lines)

    def readline(self) -> str:
        self.at += 1
        return self.lines[self.at - 1]

    def writeline(self, text: str) -> None:
        self.lines.append(text)

    def close(self) -> None:
        pass


class Statement:
    """One line, or a block with its lines."""

    def __init__(self, words: list[str], number: int) -> None:
        self.words, self.number = words, number
        self.blocks: list[tuple[list[str], Block]] = []

    @property
    def first(self) -> str:
        return self.words[0].lower()


def _tokens(line: str) -> list[str]:
    found, at = [], 0
    while at < len(line.rstrip()):
        match = _TOKEN.match(line, at)
        if match is None:
            raise ValueError(line)
        found.append(match.group(1))
        at = match.end()
    return found


def _read(text: str) -> Block:
    if not text.isascii():
        raise ValueError("read in the code page of a machine: only ASCII is safe")
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    rows = iter([Statement(_tokens(line), number) for number, line in lines if line and not line.startswith("'")])
    block, end = _block(rows, ())
    assert end is None
    return block


_ENDS = {"if": ("end if", "else", "elseif"), "for": ("next",), "do": ("loop",), "sub": ("end sub",)}
_ENDS["function"] = ("end function",)


def _block(rows: Iterator[Statement], ends: tuple[str, ...]) -> tuple[Block, Statement | None]:
    found: Block = []
    for row in rows:
        start = " ".join(row.words[:2]).lower()
        if row.first in ends or start in ends:
            return found, row
        if row.first in _ENDS:
            head = row.words
            while True:
                inner, end = _block(rows, _ENDS[row.first])
                if end is None:
                    raise ValueError(f"line {row.number}: no end")
                row.blocks.append((head, inner))
                head = end.words
                if row.first != "if" or " ".join(head[:2]).lower() == "end if":
                    break
        found.append(row)
    if ends:
        return found, None
    return found, None


class Host:
    """cscript with a script. `objects` are what CreateObject and GetObject give, by their name in lower case."""

    def __init__(self, objects: dict[str, Callable[[], Value]], get: Callable[[str], Value] | None = None) -> None:
        self.said: list[str] = []
        self.files: dict[str, list[str]] = {}
        self.objects = objects | {
            "scripting.dictionary": Dictionary,
            "scripting.filesystemobject": lambda: FileSystem(self.files),
        }
        self.get = get
        self.procedures: dict[str, Statement] = {}
        self.scopes: list[dict[str, Value]] = []
        self.builtins: dict[str, Callable[..., Value]] = {
            "createobject": lambda name: self.objects[name.lower()](),
            "getobject": lambda name: self.get(name) if self.get else None,
            "array": lambda *values: list(values),
            "split": lambda text, by: text.split(by) if text else [],
            "replace": lambda text, old, new: text.replace(old, new),
            "trim": str.strip,
            "lcase": str.lower,
            "left": lambda text, count: text[:count],
            "mid": lambda text, start: text[start - 1 :],
            "instr": lambda text, part: text.find(part) + 1,
            "isarray": lambda value: isinstance(value, list),
            "cstr": str,
            "clng": int,
        }

    def run(self, text: str, **arguments: str) -> int:
        """Runs a script; gives its exit code."""
        named = Named(arguments)

        class Script:
            arguments = type("Arguments", (), {"named": named})
            echo = staticmethod(self.said.append)

            @staticmethod
            def quit(code: int) -> None:
                raise Quit(code)

        block = _read(text)
        if block[0].words != ["Option", "Explicit"]:
            raise ValueError("no Option Explicit")
        self.procedures = {row.words[1].lower(): row for row in block if row.first in {"sub", "function"}}
        self.scopes = [{"wscript": Script}]
        try:
            self._run([row for row in block[1:] if row.first not in {"sub", "function"}])
        except Quit as end:
            return int(end.args[0])
        return 0

    def _run(self, block: Block) -> None:
        for row in block:
            getattr(self, f"_s_{row.first}", self._other)(row)

    def _s_dim(self, row: Statement) -> None:
        for name in row.words[1::2]:
            if name.lower() in self.scopes[-1]:
                raise ValueError(f"{name} twice")
            self.scopes[-1][name.lower()] = ""

    def _s_if(self, row: Statement) -> None:
        for head, block in row.blocks:
            if head[0].lower() == "else" or self._truth(head[1:-1]):
                assert head[-1].lower() in {"then", "else"}
                self._run(block)
                return

    def _truth(self, words: list[str]) -> bool:
        value = self._value(words)
        if not isinstance(value, (bool, int)):
            raise ValueError(words)  # noqa: TRY004
        return bool(value)

    def _s_for(self, row: Statement) -> None:
        each, name, within = (word.lower() for word in row.words[1:4])
        assert (each, within) == ("each", "in")
        for value in list(self._value(row.words[4:])):
            self._assign([name], value)
            self._run(row.blocks[0][1])

    def _s_do(self, row: Statement) -> None:
        assert row.words[1].lower() == "until"
        while not self._truth(row.words[2:]):
            self._run(row.blocks[0][1])

    def _s_exit(self, row: Statement) -> None:
        raise _Exit

    def _s_set(self, row: Statement) -> None:
        at = row.words.index("=")
        value = self._value(row.words[at + 1 :])
        if isinstance(value, (str, int, list)):
            raise ValueError(f"line {row.number}: Set takes an object")  # noqa: TRY004
        self._assign(row.words[1:at], value)

    def _other(self, row: Statement) -> None:
        words, depth = row.words, 0
        for at, word in enumerate(words):
            depth += (word == "(") - (word == ")")
            if word == "=" and depth == 0:
                value = self._value(words[at + 1 :])
                if not isinstance(value, (str, int, list)):
                    raise ValueError(f"line {row.number}: an object without Set")
                self._assign(words[:at], value)
                return
        end = 1
        while end + 1 < len(words) and words[end] == ".":
            end += 2
        arguments = self._arguments(words[end:])
        if end == 1:
            self._call(words[0], arguments)
        else:
            owner = self._value(words[: end - 2])
            _member(owner, words[end - 1])(*arguments)

    def _arguments(self, words: list[str]) -> list[Value]:
        parts: list[list[str]] = [[]]
        depth = 0
        for word in words:
            depth += (word == "(") - (word == ")")
            if word == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(word)
        return [self._value(part) for part in parts if part]

    def _scope(self, name: str) -> dict[str, Value]:
        for scope in (self.scopes[-1], self.scopes[0]):
            if name.lower() in scope:
                return scope
        raise ValueError(f"no variable {name}")

    def _assign(self, left: list[str], value: Value) -> None:
        if len(left) == 1:
            self._scope(left[0])[left[0].lower()] = value
            return
        depth, at = 0, len(left) - 1
        while not (left[at] == "." and depth == 0):
            depth += (left[at] == ")") - (left[at] == "(")
            at -= 1
        owner, name, keys = self._value(left[:at]), left[at + 1].lower(), left[at + 3 : -1]
        if keys:
            getattr(owner, f"set_{name}")(self._value(keys), value)
        else:
            _member(owner, name)
            setattr(owner, name, value)

    def _call(self, name: str, arguments: list[Value]) -> Value:
        if name.lower() in self.builtins:
            return self.builtins[name.lower()](*arguments)
        row = self.procedures[name.lower()]
        names = [word.lower() for word in row.words[3:-1:2]]
        if len(names) != len(arguments):
            raise ValueError(f"{name} takes {names}")
        scope = dict(zip(names, arguments, strict=True))
        if row.first == "function":
            scope[name.lower()] = ""
        self.scopes.append(scope)
        try:
            self._run(row.blocks[0][1])
        except _Exit:
            pass
        finally:
            self.scopes.pop()
        return scope.get(name.lower())

    # Expressions, from the loosest binding to the tightest.

    def _value(self, words: list[str]) -> Value:
        self.rest = [*words]
        rest = self.rest
        value = self._or(rest)
        if rest:
            raise ValueError(f"{words}: {rest}")
        return value

    def _or(self, rest: list[str]) -> Value:
        value = self._and(rest)
        while rest and rest[0].lower() == "or":
            rest.pop(0)
            value = self._and(rest) | value
        return value

    def _and(self, rest: list[str]) -> Value:
        value = self._not(rest)
        while rest and rest[0].lower() == "and":
            rest.pop(0)
            value = self._not(rest) & value
        return value

    def _not(self, rest: list[str]) -> Value:
        if rest[0].lower() == "not":
            rest.pop(0)
            value = self._not(rest)
            if not isinstance(value, bool):
                raise ValueError(f"Not {value}")
            return not value
        return self._compared(rest)

    def _compared(self, rest: list[str]) -> Value:
        value = self._joined(rest)
        while rest and rest[0] in {"=", "<>", "<", ">"}:
            sign, other = rest.pop(0), self._joined(rest)
            if type(value) is not type(other):
                raise ValueError(f"{value} {sign} {other}")
            value = {"=": value == other, "<>": value != other, "<": value < other, ">": value > other}[sign]
        return value

    def _joined(self, rest: list[str]) -> Value:
        value = self._sum(rest)
        while rest and rest[0] == "&":
            rest.pop(0)
            other = self._sum(rest)
            if not isinstance(value, str) or not isinstance(other, str):
                raise ValueError(f"{value} & {other}")  # noqa: TRY004
            value += other
        return value

    def _sum(self, rest: list[str]) -> Value:
        value = self._one(rest)
        while rest and rest[0] in {"+", "-"}:
            sign, other = rest.pop(0), self._one(rest)
            value = value + other if sign == "+" else value - other
        return value

    def _one(self, rest: list[str]) -> Value:
        word = rest.pop(0)
        if word.startswith('"'):
            return word[1:-1].replace('""', '"')
        if word.isdigit():
            return int(word)
        if word == "(":
            value = self._or(rest)
            assert rest.pop(0) == ")"
            return value
        if word.lower() in {"true", "false"}:
            return word.lower() == "true"
        return self._path(word, rest)

    def _path(self, word: str, rest: list[str]) -> Value:
        known = word.lower() in self.builtins or (word.lower() in self.procedures and rest[:1] == ["("])
        if known:
            value = self._call(word, self._listed(rest))
        else:
            value = self._scope(word)[word.lower()]
            if rest[:1] == ["("]:
                value = value[self._listed(rest)[0]]
        while rest[:1] == ["."]:
            rest.pop(0)
            value = _member(value, rest.pop(0))
            if rest[:1] == ["("]:
                value = value(*self._listed(rest))
            elif isroutine(value):
                value = value()
        return value

    def _listed(self, rest: list[str]) -> list[Value]:
        found: list[Value] = []
        assert rest.pop(0) == "("
        while rest[0] != ")":
            found.append(self._or(rest))
            if rest[0] == ",":
                rest.pop(0)
        rest.pop(0)
        return found


def _member(owner: Value, name: str) -> Value:
    if isinstance(owner, (str, int, list)):
        raise ValueError(f"{owner} has no {name}")  # noqa: TRY004
    return getattr(owner, name.lower())
