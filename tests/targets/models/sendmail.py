"""Sendmail's rewriting, from chapter 5.1 of its Installation and Operation Guide: tokens, left and right sides, calls.

The rules of a set are applied in order, each as long as it matches; `$:` at the front of a right side makes that once,
`$@` ends the set, `$#` ends everything. m4 has taken the quotes away and the lines behind a dnl. What Local_check_rcpt
answers without `$#` is let in, for Sendmail's own checks follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Tokens = tuple[str, ...]
PASSES = "passes"

_TOKEN = re.compile(
    r"\$\{\w+\}|\$&\{\w+\}|\$&\w|\$=\{\w+\}|\$>\w+|\$\(\w+|\$\)|\$[*+\-@|:#\d]|\"[^\"]*\"|[.:%@!^/\[\]+<>,;()]|"
    r"[^\s$.:%@!^/\[\]+<>,;()\"]+"
)


@dataclass(frozen=True)
class Client:
    """Who talks, and what of."""

    address: str
    to: str
    mail_from: str = "x@sender.test"
    tls: bool = False
    signed_in: bool = False
    port: int = 25
    accepted: int = 0

    @property
    def macros(self) -> dict[str, str]:
        """As Sendmail sets them; without TLS or a sign-in their macros are empty."""
        return {
            "client_addr": _uncompressed(self.address),
            "daemon_port": str(self.port),
            "tls_version": "TLSv1.3" if self.tls else "",
            "auth_type": "PLAIN" if self.signed_in else "",
            "f": self.mail_from,
            "nrcpts": str(self.accepted),
        }


def _uncompressed(address: str) -> str:
    if ":" not in address:
        return address
    before, double, after = address.partition("::")
    left, right = ([one for one in part.split(":") if one] for part in (before, after))
    middle = ["0"] * (8 - len(left) - len(right)) if double else []
    return "IPv6:" + ":".join(f"{int(one, 16):x}" for one in (*left, *middle, *right))


def split(text: str) -> Tokens:
    """A text as tokens."""
    found = tuple(_TOKEN.findall(text))
    if "".join(found) != re.sub(r"\s+(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", "", text):
        raise ValueError(text)
    return found


class Rules:
    """One text."""

    def __init__(self, text: str) -> None:
        self._classes: dict[str, set[Tokens]] = {}
        self._maps: dict[str, tuple[str, str]] = {}
        self._sets: dict[str, list[tuple[Tokens, Tokens]]] = {}
        now: list[tuple[Tokens, Tokens]] = []
        for line in text.split("\n"):
            if line.startswith("dnl") or not line or line in {"LOCAL_CONFIG", "LOCAL_RULESETS"}:
                continue
            kind, rest = line[0], line[1:].replace("`", "").replace("'", "")
            if kind == "C":
                name, _, value = rest.removeprefix("{").partition("}")
                self._classes.setdefault(name, set()).add(_folded(split(value)))
            elif kind == "K":
                self._map(rest)
            elif kind == "S":
                now = self._sets.setdefault(rest, [])
            elif kind == "R":
                left, tab, right = rest.partition("\t")
                if not tab or not left:
                    raise ValueError(line)
                now.append((split(left), split(right)))
            else:
                raise ValueError(line)

    def _map(self, rest: str) -> None:
        if rest in {"arrowslit_log syslog -LNOTICE", "arrowslit_count arith"}:
            return
        found = re.fullmatch(r"(\w+) regex -a(\w+) (\S+)", rest)
        if found is None:
            raise ValueError(rest)
        self._maps[found[1]] = found[2], found[3]

    def rcpt(self, client: Client) -> str:
        """`OK`, the text of an error, or PASSES."""
        try:
            self._run("Local_check_rcpt", split(f"<{client.to}>"), client)
        except _Ended as ended:
            return str(ended)
        return PASSES

    def _run(self, name: str, space: Tokens, client: Client) -> Tokens:
        for left, right in self._sets[name]:
            for _ in range(100):
                found = next(self._matches(left, space), None)
                if found is None:
                    break
                head, rest = (right[0], right[1:]) if right[:1] in {("$:",), ("$@",)} else ("", right)
                if rest[:1] == ("$#",):
                    raise _Ended(" ".join(rest[1:]))
                space = self._right(rest, found, client)
                if head == "$@":
                    return space
                if head == "$:":
                    break
            else:
                raise ValueError(f"{name}: endless")
        return space

    def _matches(self, left: Tokens, space: Tokens) -> Iterator[list[Tokens]]:
        if not left:
            if not space:
                yield []
            return
        first, rest = left[0], left[1:]
        for size in self._sizes(first, space):
            for others in self._matches(rest, space[size:]):
                yield [space[:size], *others] if first[:1] == "$" and first != "$|" else others

    def _sizes(self, first: str, space: Tokens) -> Iterator[int]:
        """How many tokens a part of a left side may take, the fewest first."""
        if first in {"$*", "$+"}:
            yield from range(first == "$+", len(space) + 1)
        elif first == "$-":
            yield from [1] if space and space[0] != "$|" else []
        elif first == "$@":
            yield 0
        elif first.startswith("$={"):
            members = self._classes.get(first[3:-1], set())
            yield from (size for size in range(1, len(space) + 1) if _folded(space[:size]) in members)
        elif first[:1] == "$" and first != "$|":
            raise ValueError(first)
        elif space and space[0].lower() == first.lower():
            yield 1

    def _right(self, right: Tokens, found: list[Tokens], client: Client) -> Tokens:
        made: list[str] = []
        at = 0
        while at < len(right):
            one = right[at]
            at += 1
            if one.startswith("$>"):
                return (*made, *self._run(one[2:], self._right(right[at:], found, client), client))
            if one.startswith("$("):
                end = right.index("$)", at)
                made += self._look_up(one[2:], right[at:end], found, client)
                at = end + 1
            elif re.fullmatch(r"\$\d", one):
                made += found[int(one[1]) - 1]
            elif one.startswith("$&"):
                made += split(client.macros[one[2:].strip("{}")])
            elif one[:1] == "$" and one != "$|":
                raise ValueError(one)
            else:
                made.append(one)
        return tuple(made)

    def _look_up(self, name: str, inside: Tokens, found: list[Tokens], client: Client) -> Tokens:
        if name == "arrowslit_log":
            return ()
        if name == "arrowslit_count":
            what, one, other = (self._right(part, found, client) for part in _parted(inside))
            if what != ("l",):
                raise ValueError(what)
            return ("TRUE" if int("".join(one)) < int("".join(other)) else "FALSE",)
        colon = inside.index("$:")
        key = "".join(self._right(inside[:colon], found, client))
        tag, pattern = self._maps[name]
        return (tag,) if re.search(pattern, key, re.IGNORECASE) else self._right(inside[colon + 1 :], found, client)


def _parted(inside: Tokens) -> list[Tokens]:
    """The arguments of a map, which stand apart by $@."""
    found: list[list[str]] = [[]]
    for one in inside:
        if one == "$@":
            found.append([])
        else:
            found[-1].append(one)
    return [tuple(part) for part in found]


class _Ended(Exception):
    """What a `$#` says."""


def _folded(tokens: Tokens) -> Tokens:
    return tuple(one.lower() for one in tokens)


def digit(said: str) -> str:
    """The first digit of the reply that an answer comes to."""
    if said in {PASSES, "OK"}:
        return "2"
    found = re.fullmatch(r'error \$@ [45] \. \d \. \d \$: "(\d)\d\d .*"', said)
    if found is None:
        raise ValueError(said)
    return found[1]


def included(text: str) -> Admits:
    """Whom the text does not refuse for who he is, in TLS."""
    rules = Rules(text)

    def admits(address: IPAddress) -> bool:
        return "may not deliver here" not in rules.rcpt(Client(str(address), "anybody@example.org", tls=True))

    return admits


MODELS = {"sendmail": included}
