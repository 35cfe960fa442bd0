"""Statements of smtpd.conf as values: tables, listeners, filters and rules with their conditions.

A condition that is not one of those that are carried is "unknown". Sources: smtpd.conf(5), table(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from arrowslit.imports.imported import Imported, Origin, Source
from arrowslit.imports.names import file_of
from arrowslit.imports.opensmtpd.text import Statement, Word

_LISTED: Final = frozenset(
    {"domain", "rcpt-to", "src", "rdns", "mail-from", "helo", "tag", "auth", "fcrdns", "tls", "any", "local", "socket"}
)
_TAKES_WORD: Final = frozenset({"domain", "rcpt-to", "src", "rdns", "mail-from", "helo", "tag", "auth"})
_OPTIONAL: Final = frozenset({"auth", "rdns"})
_FILE_TYPES: Final = ("file:", "/")


@dataclass(frozen=True, slots=True)
class Condition:
    """`kind` is a keyword; "from any" and "for any" are "any". `values` are texts with their places, None where a table
    is not to be had.
    """

    kind: str
    values: tuple[tuple[str, Origin], ...] | None = ()
    negated: bool = False
    regex: bool = False
    scope: str = ""
    """ "from" or "for" where it stands behind one of them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A `match` line, or a filter of one phase. `action` is the name of what is done, "reject", or a filter's word."""

    conditions: tuple[Condition, ...]
    action: str
    origin: Origin
    text: str
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A `listen on` line."""

    interface: str
    origin: Origin
    port: str = ""
    tag: str = ""
    filters: tuple[str, ...] = ()
    auth: str = ""
    tls: str = ""
    proxied: bool = False


@dataclass(slots=True)
class Conf:
    """The whole of it. `filters` holds phases and the names of chains; `actions` how each delivers."""

    tables: dict[str, tuple[tuple[str, Origin], ...] | None] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    filters: dict[str, Rule] = field(default_factory=dict)
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    actions: dict[str, str] = field(default_factory=dict)


def conf_of(found: list[Statement], sources: Sequence[Source], told: Imported, used: set[str]) -> Conf:
    """Every statement read; what is none of the known ones is left."""
    return _Maker(sources, told, used).made(found)


class _Maker:
    def __init__(self, sources: Sequence[Source], told: Imported, used: set[str]) -> None:
        self.sources, self.told, self.used = sources, told, used
        self.conf = Conf()

    def made(self, found: list[Statement]) -> Conf:
        for statement in found:
            if statement[0].text == "table":
                self._table(statement)
        for statement in found:
            make = _STATEMENTS.get(statement[0].text)
            if make is not None:
                make(self, statement)
            elif statement[0].text != "table":
                self.told.leave(statement[0].origin, _shown(statement), "this statement is not read")
        return self.conf

    def _table(self, words: Statement) -> None:
        if len(words) < 3:
            return
        name = words[1].text
        if words[2].text == "{" and not words[2].quoted:
            self.conf.tables[name] = _braced(words[3:])
            return
        path = words[2].text
        if path.startswith(_FILE_TYPES):
            source = file_of(path.removeprefix("file:"), self.sources)
            if source is not None:
                self.used.add(source.name)
                self.conf.tables[name] = _lines(source)
                return
        self.conf.tables[name] = None
        self.told.doubt(words[0].origin, f"table {name} {path}", "its content was not given", "give the file too")

    def _listen(self, words: Statement) -> None:
        texts = [word.text for word in words]
        if len(texts) < 3 or texts[2] == "socket":
            return
        options = dict(pairwise(texts))
        at = texts.index("filter") + 1 if "filter" in texts[3:] else len(texts)
        names = _until_brace(texts[at:]) if texts[at : at + 1] == ["{"] else texts[at : at + 1]
        for option in ("senders", "verify"):
            if option in texts[3:]:
                says = "this demand of a listener is not carried over"
                self.told.leave(words[0].origin, _shown(words), says, f"see what {option} refuses", widens=True)
        auth = next((one for one in ("auth", "auth-optional") if one in texts[3:]), "")
        tls = next((one for one in ("smtps", "tls-require", "tls") if one in texts[3:]), "")
        self.conf.listeners.append(
            Listener(
                texts[2], words[0].origin, options.get("port", ""), options.get("tag", ""), tuple(names), auth, tls,
                "proxy-v2" in texts,
            )
        )  # fmt: skip

    def _filter(self, words: Statement) -> None:
        if len(words) < 4:
            return
        name, kind = words[1].text, words[2].text
        if kind == "chain":
            self.conf.chains[name] = tuple(_until_brace([word.text for word in words[3:]]))
        elif kind == "phase" and len(words) > 5:
            conditions, at = self._conditions(words, 5)
            action = words[at].text if at < len(words) else ""
            self.conf.filters[name] = Rule(conditions, action, words[0].origin, _shown(words), words[3].text)
        else:
            self.conf.filters[name] = Rule((), "proc", words[0].origin, _shown(words))

    def _match(self, words: Statement) -> None:
        conditions, at = self._conditions(words, 1)
        rest = [word.text for word in words[at:]]
        action = "reject" if rest[:1] == ["reject"] else rest[1] if rest[:1] == ["action"] and len(rest) > 1 else ""
        scopes = {one.scope for one in conditions}
        for scope in ("from", "for"):
            if scope not in scopes:
                conditions += (Condition("local", scope=scope),)
        self.conf.rules.append(Rule(conditions, action, words[0].origin, _shown(words)))

    def _action(self, words: Statement) -> None:
        if len(words) > 2:
            self.conf.actions[words[1].text] = " ".join(word.text for word in words[2:])

    def _old(self, words: Statement) -> None:
        says = "this is the language of OpenSMTPD before 6.4"
        self.told.leave(words[0].origin, _shown(words), says, "write it as a match rule", widens=False)

    def _conditions(self, words: Statement, at: int) -> tuple[tuple[Condition, ...], int]:
        """Conditions from that word on, and the place of the word behind them."""
        made: list[Condition] = []
        while at < len(words):
            start, negated, scope, regex = at, False, "", False
            while at < len(words) and words[at].text in {"!", "from", "for"}:
                negated = negated or words[at].text == "!"
                scope = words[at].text if words[at].text in {"from", "for"} else scope
                at += 1
            kind = words[at].text if at < len(words) else ""
            if kind not in _LISTED:
                return tuple(made), start
            at += 1
            if kind in _TAKES_WORD and words[at : at + 1] and words[at].text == "regex":
                regex, at = True, at + 1
            values: tuple[tuple[str, Origin], ...] | None = ()
            if kind in _TAKES_WORD and not (kind in _OPTIONAL and not self._is_value(words, at)):
                values, at = self._values(words, at)
            made.append(Condition(kind, values, negated, regex, scope))
        return tuple(made), at

    def _is_value(self, words: Statement, at: int) -> bool:
        return at < len(words) and (words[at].quoted or words[at].text[:1] in {"<", "{"})

    def _values(self, words: Statement, at: int) -> tuple[tuple[tuple[str, Origin], ...] | None, int]:
        if at >= len(words):
            return (), at
        word = words[at]
        if word.text == "{" and not word.quoted:
            end = next((place for place in range(at, len(words)) if words[place].text == "}"), len(words))
            return _braced(words[at + 1 : end + 1]), end + 1
        if word.text.startswith("<") and word.text.endswith(">") and not word.quoted:
            return self.conf.tables.get(word.text[1:-1]), at + 1
        return ((word.text, word.origin),), at + 1


_STATEMENTS: Final = {
    "listen": _Maker._listen,
    "filter": _Maker._filter,
    "match": _Maker._match,
    "action": _Maker._action,
    "accept": _Maker._old,
    "deliver": _Maker._old,
}


def _shown(words: Statement) -> str:
    return " ".join(word.text for word in words)


def _until_brace(texts: Sequence[str]) -> list[str]:
    inner = texts[1:] if texts[:1] == ["{"] else texts
    return [text for text in inner[: list(inner).index("}") if "}" in inner else len(inner)] if text != ","]


def _braced(words: Sequence[Word]) -> tuple[tuple[str, Origin], ...]:
    """Values, or the keys of pairs, up to the closing brace."""
    made: list[tuple[str, Origin]] = []
    skip = False
    for word in words:
        if word.quoted or word.text not in {",", "=", "}"}:
            if not skip:
                made.append((word.text, word.origin))
            skip = False
        elif word.text == "=":
            skip = True
        elif word.text == "}":
            break
    return tuple(made)


def _lines(source: Source) -> tuple[tuple[str, Origin], ...]:
    rows = ((number, line.split("#")[0].split()) for number, line in enumerate(source.text.splitlines(), 1))
    return tuple((words[0].strip('"'), Origin(source.name, number)) for number, words in rows if words)
