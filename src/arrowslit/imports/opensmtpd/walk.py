"""Goes through the filters of a listener and then through the rules, with all clients at once.

The first rule that matches an envelope decides; where none does, the recipient is refused. A filter can refuse in each
phase before that, or end the phase (`bypass`). What can't be evaluated never matches, and whom that concerns is
remembered. "local" is the machine itself: loopback. Source: smtpd.conf(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.asking import NO_NAME, Answer, Asked
from arrowslit.imports.imported import Origin
from arrowslit.imports.opensmtpd.conf import Condition, Conf, Listener, Rule
from arrowslit.imports.patterns import shapes
from arrowslit.imports.plain import Plain
from arrowslit.imports.spaces import EMPTY, EVERYBODY, common, of_prefixes
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet

LOOPBACK: Final = of_prefixes("127.0.0.0/8", "::1/128")
_PHASES: Final = ("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data", "data-line", "commit")
_REFUSES: Final = frozenset({"reject", "disconnect"})
_HARMLESS: Final = frozenset({"junk", "report", "rewrite"})
_DEEPEST: Final = 5
_SHORT: Final = 50


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not evaluated; `refuses` says on which side it would have been."""

    origin: Origin
    text: str
    refuses: bool


@dataclass(slots=True)
class Walk:
    """One listener. `skipped` says of each thing that was not evaluated whether it would have mattered."""

    conf: Conf
    listener: Listener
    local_domains: frozenset[str] = frozenset({"localhost"})
    skipped: dict[Skipped, bool] = field(default_factory=dict)
    sets: dict[int, AddressSet] = field(default_factory=dict)
    indexes: dict[int, Plain] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Answer:
        """Whom the filters let through and some rule takes."""
        if self.listener.auth == "auth" and not asked.signed_in:
            return Answer(EMPTY)
        if self.listener.tls in {"smtps", "tls-require"} and not asked.tls:
            return Answer(EMPTY)
        reached: list[tuple[Skipped, AddressSet]] = []
        left = self._filtered(asked, reached)
        permitted = EMPTY
        for rule in self.conf.rules:
            hit = self._hit(rule, asked, left, reached)
            left = left.subtract(hit)
            permitted = permitted if rule.action == "reject" else permitted.union(hit)
        for one, who in reached:
            matters = common(who, permitted) if one.refuses else who.subtract(permitted)
            self.skipped[one] = self.skipped.get(one, False) or bool(matters)
        return Answer(permitted)

    def _filtered(self, asked: Asked, reached: list[tuple[Skipped, AddressSet]]) -> AddressSet:
        left = EVERYBODY
        found = list(self._filters(self.listener.filters, 0))
        for phase in _PHASES:
            passed = EMPTY
            for rule in found:
                if rule.action == "proc":
                    reached.append((Skipped(rule.origin, rule.text, refuses=True), left))
                elif rule.phase == phase and rule.action not in _HARMLESS:
                    hit = self._hit(rule, asked, left, reached)
                    left = left.subtract(hit)
                    passed = passed.union(hit) if rule.action == "bypass" else passed
            left = left.union(passed)
        return left

    def _filters(self, names: tuple[str, ...], depth: int) -> Iterator[Rule]:
        for name in names:
            if name in self.conf.filters:
                yield self.conf.filters[name]
            elif depth < _DEEPEST:
                yield from self._filters(self.conf.chains.get(name, ()), depth + 1)

    def _hit(self, rule: Rule, asked: Asked, left: AddressSet, reached: list[tuple[Skipped, AddressSet]]) -> AddressSet:
        """Those of `left` whom the rule matches; nobody where that can't be told."""
        hit, known = left, True
        for condition in rule.conditions:
            if condition.kind == "src" or (condition.kind in {"local", "socket"} and condition.scope == "from"):
                addresses = self._addresses(condition)
                known = known and addresses is not None
                addresses = addresses or EMPTY
                hit = hit.subtract(addresses) if condition.negated else common(hit, addresses)
                continue
            holds = self.holds(condition, asked)
            known = known and holds is not None
            if holds is condition.negated:
                return EMPTY
        if known:
            return hit
        reached.append((Skipped(rule.origin, rule.text, rule.action in _REFUSES), hit))
        return EMPTY

    def _addresses(self, condition: Condition) -> AddressSet | None:
        if condition.kind == "socket":
            return EMPTY
        if condition.kind == "local":
            return LOOPBACK
        if condition.values is None or condition.regex:
            return None
        key = id(condition)
        if key not in self.sets:
            self.sets[key] = addresses_of(condition)
        return self.sets[key]

    def holds(self, condition: Condition, asked: Asked) -> bool | None:
        """Whether a condition that is not about the address holds; None where that can't be told."""
        tell = _TELL.get(condition.kind)
        return None if tell is None else tell(self, condition, asked)

    def _any(self, _condition: Condition, _asked: Asked) -> bool | None:
        return True

    def _local(self, _condition: Condition, asked: Asked) -> bool | None:
        return asked.recipient.text.rpartition("@")[2] in self.local_domains

    def _domain(self, condition: Condition, asked: Asked) -> bool | None:
        name = asked.recipient.text.rpartition("@")[2]
        if condition.regex or condition.values is None or len(condition.values) < _SHORT:
            return matches(condition, name)
        if id(condition) not in self.indexes:
            self.indexes[id(condition)] = Plain.of(text.lower() for text, _ in condition.values)
        index = self.indexes[id(condition)]
        hard = (condition.values[place][0].lower() for place in index.hard)
        return index.first(name) is not None or any(_globs(name, pattern) for pattern in hard)

    def _recipient(self, condition: Condition, asked: Asked) -> bool | None:
        return matches(condition, asked.recipient.text)

    def _tag(self, condition: Condition, _asked: Asked) -> bool | None:
        return None if condition.regex else any(text == self.listener.tag for text, _ in condition.values or ())

    def _tls(self, _condition: Condition, asked: Asked) -> bool | None:
        return asked.tls

    def _auth(self, condition: Condition, asked: Asked) -> bool | None:
        return asked.signed_in if not condition.values and condition.values is not None else None

    def _named(self, condition: Condition, asked: Asked) -> bool | None:
        return asked.name != NO_NAME if condition.kind == "fcrdns" else None


_TELL: Final[dict[str, Callable[[Walk, Condition, Asked], bool | None]]] = {
    "any": Walk._any,
    "local": Walk._local,
    "domain": Walk._domain,
    "rcpt-to": Walk._recipient,
    "tag": Walk._tag,
    "tls": Walk._tls,
    "auth": Walk._auth,
    "fcrdns": Walk._named,
}


def matches(condition: Condition, text: str) -> bool | None:
    """Whether one of the condition's values matches; None where one can't be read and none else does."""
    if condition.values is None:
        return None
    unknown = False
    for value, _ in condition.values:
        if condition.regex:
            found = shapes(value.removeprefix("(?i)"))
            unknown = unknown or found is None
            if any(one.matches(text) for one in found or ()):
                return True
        elif _globs(text, value.lower()):
            return True
    return None if unknown else False


def _globs(text: str, pattern: str) -> bool:
    """`*` stands for anything, at the beginning or the end; `@domain` is any address there."""
    if pattern.startswith("@"):
        return text.rpartition("@")[2] == pattern[1:]
    if "*" not in pattern:
        return text == pattern
    first, _, last = pattern.partition("*")
    return "*" not in last and len(text) >= len(first) + len(last) and text.startswith(first) and text.endswith(last)


def addresses_of(condition: Condition) -> AddressSet:
    """The addresses of a list; "local" is the machine itself, which no client is."""
    ranges = []
    for text, _ in condition.values or ():
        try:
            found = parse_range(text.replace("[", "").replace("]", ""))
        except ValueError:
            continue
        ranges.append((found.first, found.last))
    return AddressSet.from_ranges(ranges)
