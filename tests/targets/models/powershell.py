"""As much of PowerShell 2.0 as the scripts of targets use, so that they are run and not only parsed.

No PowerShell runs where these tests do: this follows Microsoft's documentation (about_Scopes, about_Operators,
about_Pipelines, about_Functions, about_Splatting), over the grammar of tree-sitter-powershell. It is narrower than the
real one wherever that forgives: an unknown variable, property, command, operator or node, a loop over $null (which
PowerShell 2.0 enters once) and a comparison of a list raise ValueError, so no text passes that is not understood.
What a server's cmdlets do is not in here: see the fakes in the modules beside this one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import tree_sitter
import tree_sitter_powershell

Value = Any
_GRAMMAR = tree_sitter.Language(tree_sitter_powershell.language())
_SWITCHES = {"whatif", "confirm", "custom", "force", "unique", "all", "block", "noexpiration"}


class Nothing:
    """What a pipeline gives that gives nothing: no element at all, where $null is one."""


NOTHING = Nothing()


class Thrown(Exception):
    """A `throw` that nothing caught."""


class _Return(Exception):
    pass


class _Continue(Exception):
    pass


class Record:
    """An object with properties; names are equal whatever their case."""

    def __init__(self, **properties: Value) -> None:
        self.__dict__["fields"] = {name.lower(): value for name, value in properties.items()}

    def get(self, name: str) -> Value:
        if name.lower() not in self.fields:
            raise ValueError(f"no property {name}")
        return self.fields[name.lower()]

    def set(self, name: str, value: Value) -> None:
        if name.lower() not in self.fields:
            raise ValueError(f"no property {name} to set")
        self.fields[name.lower()] = value

    def __getattr__(self, name: str) -> Value:
        try:
            return self.__dict__["fields"][name.lower()]
        except KeyError:
            raise AttributeError(name) from None


class Table(dict[str, Value]):
    """A hash table with texts for keys."""

    def __init__(self, pairs: Iterable[tuple[str, Value]] = ()) -> None:
        super().__init__((key.lower(), value) for key, value in pairs)

    def get_member(self, name: str) -> Value:
        if name.lower() in self:
            return self[name.lower()]
        return {"keys": list(self), "count": len(self)}[name.lower()]


class Node:
    """A node of the grammar, without comments."""

    __slots__ = ("children", "condition", "end_byte", "inner", "is_named", "line", "start_byte", "text", "type")

    def __init__(self, node: tree_sitter.Node) -> None:
        self.type, self.text, self.is_named = node.type, node.text, node.is_named
        self.start_byte, self.end_byte, self.line = node.start_byte, node.end_byte, node.start_point[0] + 1
        self.children = [Node(child) for child in node.children if child.type != "comment"]
        found = node.child_by_field_name("condition")
        at = None if found is None else (found.start_byte, found.end_byte)
        self.condition = next((one for one in self.children if at == (one.start_byte, one.end_byte)), None)
        self.inner = self._inner()

    def _inner(self) -> Node:
        """Down to the node that says something: most levels of the grammar only hold the next."""
        if len(self.children) != 1 or not self.children[0].is_named or self.type in _KEPT:
            return self
        (only,) = self.children
        return only.inner if (only.start_byte, only.end_byte) == (self.start_byte, self.end_byte) else self


_KEPT = {"variable", "string_literal", "integer_literal", "command", "statement_list", "type_literal"}


@lru_cache(maxsize=8)
def parsed(text: str) -> Node:
    """The tree of a script. Raises ValueError where the grammar finds an error."""
    if not text.isascii():
        raise ValueError("read in the code page of a machine: only ASCII is safe")
    root = tree_sitter.Parser(_GRAMMAR).parse(text.encode()).root_node
    if root.has_error:
        raise ValueError(f"no PowerShell: {_first_error(root)}")
    return Node(root)


def _first_error(node: tree_sitter.Node) -> str:
    for child in node.children:
        if child.is_error or child.is_missing:
            return f"line {child.start_point[0] + 1}: {child.text!r}"
        if child.has_error:
            return _first_error(child)
    return "?"


def text_of(value: Value) -> str:
    """A value in a string."""
    if value is None or value is NOTHING:
        return ""
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    return str(value)


def truth(value: Value) -> bool:
    """A value as a condition."""
    if isinstance(value, list):
        return truth(value[0]) if len(value) == 1 else bool(value)
    return value is not NOTHING and bool(value)


def stream(value: Value) -> list[Value]:
    """What a value gives to a pipeline."""
    if isinstance(value, list):
        return list(value)
    return [] if value is NOTHING else [value]


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, list) or isinstance(other, list):
        raise ValueError("a list is compared")  # noqa: TRY004 - as for all that is not understood
    if isinstance(one, str) or isinstance(other, str):
        return text_of(one).lower() == text_of(other).lower()
    return bool(one == other)


class Shell:
    """Runs scripts. `commands` are functions of the shell: (positional, named, input) -> what they give."""

    def __init__(self, **environment: str) -> None:
        self.environment = environment
        self.files: dict[str, Value] = {}
        self.said: list[str] = []
        self.warned: list[str] = []
        self.functions: dict[str, tuple[list[str], Node]] = {}
        self.scopes: list[dict[str, Value]] = []
        self.statics: dict[tuple[str, str], Callable[..., Value]] = {
            ("system.net.ipaddress", "parse"): lru_cache(maxsize=50_000)(ip_address),
            ("math", "max"): max,
            ("math", "min"): min,
            ("math", "pow"): pow,
            ("convert", "tostring"): lambda value, base: f"{value:b}" if base == 2 else str(value),
        }
        self.types: dict[str, Callable[..., Value]] = {}
        self.commands: dict[str, Callable[..., Iterable[Value]]] = {
            "set-strictmode": lambda args, named, given: [],
            "out-null": lambda args, named, given: [],
            "write-output": self._write_output,
            "write-warning": lambda args, named, given: self.warned.append(text_of(args[0])) or [],
            "test-path": lambda args, named, given: [args[0] in self.files],
            "import-clixml": lambda args, named, given: [copy.deepcopy(self.files[args[0]])],
            "export-clixml": self._export,
            "move-item": self._move,
            "new-object": self._new,
            "sort-object": lambda args, named, given: sorted(
                dict.fromkeys(given) if "unique" in named else given, key=str
            ),
            "get-command": self._get_command,
        }

    def run(self, text: str, **parameters: Value) -> list[Value]:
        """Runs a script with these parameters."""
        root = parsed(text)
        self.scopes = [{"true": True, "false": False, "null": None}]
        given = {name.lower(): value for name, value in parameters.items()}
        try:
            for block in root.children:
                if block.type == "param_block":
                    self._parameters(block, given)
            if given:
                raise ValueError(f"no parameter {list(given)}")
            return [one for block in root.children if block.type == "statement_list" for one in self._all(block)]
        except _Return as back:
            return list(back.args[0])

    def _parameters(self, block: Node, given: dict[str, Value]) -> None:
        for one in _named(block.children[2]):
            name = next(c for c in one.children if c.type == "variable").text.decode()[1:].lower()
            kind = next((c.text.decode().lower() for c in one.children if c.type == "attribute_list"), "")
            default = next((c for c in one.children if c.type == "script_parameter_default"), None)
            value: Value = False if "switch" in kind else ""
            if name in given:
                value = given.pop(name)
            elif default is not None:
                value = self.value(default.children[1])
            self.scopes[-1][name] = value

    # Statements give a stream.

    def _all(self, node: Node) -> list[Value]:
        found: list[Value] = []
        try:
            for child in _named(node):
                found += self.statement(child)
        except _Return as back:
            raise _Return(found + back.args[0]) from None
        return found

    def statement(self, node: Node) -> list[Value]:
        """What one statement gives."""
        node = _inner(node)
        if node.type in {"statement_list", "statement_block", "script_block_body"}:
            return self._all(node)
        handler = getattr(self, f"_s_{node.type}", None)
        if handler is not None:
            return list(handler(node))
        return stream(self.value(node))

    def _s_empty_statement(self, node: Node) -> list[Value]:
        return []

    def _s_function_statement(self, node: Node) -> list[Value]:
        name = _child(node, "function_name").text.decode().lower()
        declared = [c for c in node.children if c.type == "function_parameter_declaration"]
        names = [one.text.decode()[1:].lower() for d in declared for one in _find(d, "variable")]
        self.functions[name] = (names, _child(node, "script_block"))
        return []

    def _s_if_statement(self, node: Node) -> list[Value]:
        if truth(self.value(node.condition)):
            return self.statement(_child(node, "statement_block"))
        for clauses in (c for c in node.children if c.type == "elseif_clauses"):
            for clause in _named(clauses):
                if truth(self.value(clause.condition)):
                    return self.statement(_child(clause, "statement_block"))
        other = [c for c in node.children if c.type == "else_clause"]
        return self.statement(_child(other[0], "statement_block")) if other else []

    def _s_foreach_statement(self, node: Node) -> list[Value]:
        name = node.children[2].text.decode()[1:].lower()
        over = self.value(node.children[4])
        if over is None or over is NOTHING:
            raise ValueError(f"a loop over $null: {node.text[:60]!r}")
        found: list[Value] = []
        for value in stream(over):
            self.scopes[-1][name] = value
            try:
                found += self.statement(_child(node, "statement_block"))
            except _Continue:
                continue
            except _Return as back:
                raise _Return(found + back.args[0]) from None
        return found

    def _s_flow_control_statement(self, node: Node) -> list[Value]:
        word = node.children[0].text.decode()
        given = self.statement(node.children[1]) if len(node.children) > 1 else []
        if word == "throw":
            raise Thrown(text_of(given))
        if word == "continue":
            raise _Continue
        if word != "return":
            raise ValueError(word)
        raise _Return(given)

    def _s_assignment_expression(self, node: Node) -> list[Value]:
        left, sign = _inner(node.children[0]), node.children[1].text.decode()
        value = self.value(node.children[2])
        if sign == "+=":
            value = self._add(self.value(left), value)
        elif sign == "-=":
            value = self.value(left) - value
        elif sign != "=":
            raise ValueError(sign)
        self._assign(left, value)
        return []

    def _assign(self, left: Node, value: Value) -> None:
        if left.type == "variable":
            name = left.text.decode()[1:].lower()
            if name in {"true", "false", "null", "input", "args"}:
                raise ValueError(f"${name} belongs to PowerShell")
            self.scopes[-1][name] = value
        elif left.type == "element_access":
            self.value(left.children[0])[text_of(self.value(left.children[2])).lower()] = value
        elif left.type == "member_access":
            owner, name = self.value(left.children[0]), left.children[2].text.decode()
            if isinstance(owner, Table):
                owner[name.lower()] = value
            else:
                owner.set(name, value)
        else:
            raise ValueError(left.type)

    def _s_pipeline_chain(self, node: Node) -> list[Value]:
        given: list[Value] | None = None
        for part in map(_inner, _named(node)):
            if part.type == "command":
                given = self._s_command(part, given)
            elif given is None:
                given = self.statement(part)
            else:
                raise ValueError(part.text)
        return given or []

    def _s_command(self, node: Node, given: list[Value] | None = None) -> list[Value]:
        name = _child(node, "command_name").text.decode().lower()
        args, named = self._arguments(node)
        if name in {"foreach-object", "where-object"}:
            return self._each(name, args[0], given or [])
        if name in self.functions:
            if named or given is not None:
                raise ValueError(node.text)
            return self._call(name, args)
        if name not in self.commands:
            raise ValueError(f"no command {name}")
        return list(self.commands[name](args, named, given))

    def _call(self, name: str, args: list[Value]) -> list[Value]:
        names, body = self.functions[name]
        if len(names) != len(args):
            raise ValueError(f"{name} takes {len(names)}")
        self.scopes.append(dict(zip(names, args, strict=True)))
        try:
            return self._all(_named(body)[0])
        except _Return as back:
            return list(back.args[0])
        finally:
            self.scopes.pop()

    def _each(self, name: str, block: Node, given: list[Value]) -> list[Value]:
        found: list[Value] = []
        for one in given:
            self.scopes[-1]["_"] = one
            result = self._all(block)
            if name == "where-object":
                found += [one] if truth(result) else []
            else:
                found += result
        return found

    def _arguments(self, node: Node) -> tuple[list[Value], dict[str, Value]]:
        args: list[Value] = []
        named: dict[str, Value] = {}
        waiting = ""
        elements = [c for c in node.children if c.type == "command_elements"]
        parts = [part for one in elements for part in one.children]
        for number, part in enumerate(parts):
            if part.type == "command_argument_sep":
                continue
            if part.type == "command_parameter":
                if waiting:
                    raise ValueError(f"-{waiting} has no value")
                waiting = part.text.decode()[1:].lower()
                colon = number + 1 < len(parts) and parts[number + 1].text.strip() == b":"
                if waiting in _SWITCHES and not colon:
                    named[waiting], waiting = True, ""
                continue
            if part.text.startswith(b"@") and _inner(part).type == "variable":
                named.update(self._variable(part.text.decode()[1:]))
                continue
            value = self._argument(part)
            if waiting:
                named[waiting], waiting = value, ""
            else:
                args.append(value)
        if waiting:
            raise ValueError(f"-{waiting} has no value")
        return args, named

    def _argument(self, part: Node) -> Value:
        part = _inner(part)
        if part.type == "generic_token":
            return part.text.decode()
        if part.type == "script_block_expression":
            return _child(part, "script_block")
        return self.value(part)

    # Expressions have a value.

    def value(self, node: Node) -> Value:
        """The value of an expression or of a pipeline."""
        node = _inner(node)
        kind = node.type.replace("argument_expression", "expression")
        handler = getattr(self, f"_v_{kind}", None)
        if handler is not None:
            return handler(node)
        if getattr(self, f"_s_{node.type}", None) is not None or node.type == "statement_list":
            found = self.statement(node)
            return found if len(found) > 1 else (found[0] if found else NOTHING)
        raise ValueError(f"{node.type}: {node.text[:80]!r}")

    def _variable(self, name: str) -> Value:
        name = name.strip("{}").lower()
        if name.startswith("env:"):
            return self.environment[name[4:]]
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise ValueError(f"no variable ${name}")

    def _v_variable(self, node: Node) -> Value:
        return self._variable(node.text.decode()[1:])

    def _v_string_literal(self, node: Node) -> str:
        inner = node.children[0]
        if inner.type == "verbatim_string_characters":
            return inner.text.decode()[1:-1].replace("''", "'")
        return self._v_expandable_string_literal(inner)

    def _v_verbatim_string_characters(self, node: Node) -> str:
        return node.text.decode()[1:-1].replace("''", "'")

    def _v_expandable_string_literal(self, node: Node) -> str:
        at, found = node.start_byte + 1, ""
        whole = node.text
        for child in _named(node):
            found += whole[at - node.start_byte : child.start_byte - node.start_byte].decode()
            found += text_of(
                self.value(child) if child.type == "variable" else [x for c in _named(child) for x in self.statement(c)]
            )
            at = child.end_byte
        found += whole[at - node.start_byte : -1].decode()
        if "`" in whole.decode() or '""' in whole.decode()[1:-1]:
            raise ValueError("an escape")
        return found

    def _v_integer_literal(self, node: Node) -> int:
        return int(node.text)

    def _v_decimal_integer_literal(self, node: Node) -> int:
        return int(node.text)

    def _v_real_literal(self, node: Node) -> float:
        return float(node.text)

    def _v_parenthesized_expression(self, node: Node) -> Value:
        return self.value(node.children[1])

    def _v_array_expression(self, node: Node) -> list[Value]:
        return [one for child in _named(node) for one in self.statement(child)]

    def _v_array_literal_expression(self, node: Node) -> list[Value]:
        return [self.value(one) for one in _named(node)]

    def _v_hash_literal_expression(self, node: Node) -> Table:
        pairs = [
            (one.children[0].text.decode(), self.value(one.children[2]))
            for body in _named(node)
            for one in ([body] if body.type == "hash_entry" else _named(body))
        ]
        return Table(pairs)

    def _v_expression_with_unary_operator(self, node: Node) -> Value:
        sign, value = node.children[0].text.decode().lower(), self.value(node.children[1])
        return not truth(value) if sign == "-not" else -value

    def _v_cast_expression(self, node: Node) -> Value:
        kind, value = node.children[0].text.decode().lower(), self.value(node.children[1])
        return {"[int]": lambda: round(float(value)), "[string]": lambda: text_of(value)}[kind]()

    def _v_type_literal(self, node: Node) -> str:
        return node.text.decode()[1:-1].lower()

    def _v_element_access(self, node: Node) -> Value:
        owner, key = self.value(node.children[0]), self.value(node.children[2])
        return owner[text_of(key).lower()] if isinstance(owner, Table) else owner[key]

    def _v_member_access(self, node: Node) -> Value:
        owner, name = self.value(node.children[0]), node.children[2].text.decode()
        if isinstance(owner, Table):
            return owner.get_member(name)
        if isinstance(owner, Record):
            return owner.get(name)
        if isinstance(owner, list) and name.lower() in {"count", "length"}:
            return len(owner)
        if isinstance(owner, (str, bytes)) and name.lower() == "length":
            return len(owner)
        raise ValueError(f"{type(owner)} has no property {name}: {node.text!r}")

    def _v_invokation_expression(self, node: Node) -> Value:
        name = node.children[2].text.decode().lower()
        listed = _find_first(node.children[3], "argument_expression_list")
        args = [self.value(one) for one in (_named(listed) if listed else _named(node.children[3]))]
        owner = self.value(node.children[0])
        if node.children[1].text == b"::":
            return self.statics[(owner, name)](*args)
        return _method(owner, name, args)

    def _v_logical_expression(self, node: Node) -> bool:
        left = truth(self.value(node.children[0]))
        if node.children[1].text.lower() == b"-and":
            return left and truth(self.value(node.children[2]))
        return left or truth(self.value(node.children[2]))

    def _v_comparison_expression(self, node: Node) -> bool:
        left, right = self.value(node.children[0]), self.value(node.children[2])
        sign = node.children[1].text.decode().lower()
        if sign in {"-contains", "-notcontains"}:
            return any(_same(one, right) for one in left) is (sign == "-contains")
        if sign in {"-like", "-notlike"}:
            return fnmatchcase(left.lower(), right.lower()) is (sign == "-like")
        if sign in {"-eq", "-ne"}:
            return _same(left, right) is (sign == "-eq")
        return {"-gt": left > right, "-lt": left < right, "-ge": left >= right, "-le": left <= right}[sign]

    def _v_bitwise_expression(self, node: Node) -> int:
        left, right = self.value(node.children[0]), self.value(node.children[2])
        return left & right if node.children[1].text.lower() == b"-band" else left | right

    def _v_additive_expression(self, node: Node) -> Value:
        left, right = self.value(node.children[0]), self.value(node.children[2])
        return self._add(left, right) if node.children[1].text == b"+" else left - right

    def _v_multiplicative_expression(self, node: Node) -> Value:
        if node.children[1].text != b"*":
            raise ValueError(node.text)
        return self.value(node.children[0]) * self.value(node.children[2])

    def _add(self, left: Value, right: Value) -> Value:
        if isinstance(left, list):
            return [*left, *stream(right)]
        return left + (text_of(right) if isinstance(left, str) else right)

    # The commands that are PowerShell's own.

    def _write_output(self, args: list[Value], named: dict[str, Value], given: Value) -> list[Value]:
        self.said.append(text_of(args[0]))
        return []

    def _export(self, args: list[Value], named: dict[str, Value], given: list[Value]) -> list[Value]:
        self.files[args[0]] = copy.deepcopy(given if len(given) != 1 else given[0])
        return []

    def _move(self, args: list[Value], named: dict[str, Value], given: Value) -> list[Value]:
        self.files[args[1]] = self.files.pop(args[0])
        return []

    def _new(self, args: list[Value], named: dict[str, Value], given: Value) -> list[Value]:
        if args[0].lower() == "psobject":
            return [Record(**named["property"])]
        return [self.types[args[0].lower()](*args[1:])]

    def _get_command(self, args: list[Value], named: dict[str, Value], given: Value) -> list[Value]:
        parameters = getattr(self.commands[args[0].lower()], "parameters", ())
        return [Record(parameters=Table((name, True) for name in parameters))]


def _method(owner: Value, name: str, args: list[Value]) -> Value:
    if isinstance(owner, Table) and name == "containskey":
        return text_of(args[0]).lower() in owner
    if isinstance(owner, str):
        known: dict[str, Callable[..., Value]] = {
            "split": owner.split,
            "replace": owner.replace,
            "contains": lambda part: part in owner,
            "startswith": owner.startswith,
            "endswith": owner.endswith,
            "tostring": lambda: owner,
        }
        return known[name](*args)
    if isinstance(owner, int) and name == "tostring" and args == ["x2"]:
        return f"{owner:02x}"
    if name == "getaddressbytes":
        return list(owner.packed)
    if isinstance(owner, Record):
        return owner.get(name)(*args)
    raise ValueError(f"{type(owner)} has no method {name}")


def _named(node: Node) -> list[Node]:
    return [child for child in node.children if child.is_named]


def _inner(node: Node) -> Node:
    return node.inner


def _child(node: Node, kind: str) -> Node:
    return next(child for child in node.children if child.type == kind)


def _find(node: Node, kind: str) -> Iterator[Node]:
    for child in node.children:
        if child.type == kind:
            yield child
        else:
            yield from _find(child, kind)


def _find_first(node: Node, kind: str) -> Node | None:
    return next(_find(node, kind), None)
