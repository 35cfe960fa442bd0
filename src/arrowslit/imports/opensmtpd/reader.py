"""smtpd.conf of OpenSMTPD, read into a policy: a virtual server for each listener that strangers can reach.

What is carried: listeners, tables, filters that are built in, and match rules by source, domain, recipient, tag, TLS
and sign-in. Port 25 becomes "default", 587 "submission", 465 "submissions"; several listeners of one port that have
the same words are one. Source: smtpd.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from arrowslit.imports.asking import Asked, Questions, Recipient
from arrowslit.imports.assembling import Assembly
from arrowslit.imports.imported import AcceptedDomain, Imported, ImportFailedError, Kind, Origin, Source
from arrowslit.imports.kinds import is_pattern, of_regex, recipients
from arrowslit.imports.opensmtpd.conf import Condition, Conf, Listener, Rule, conf_of
from arrowslit.imports.opensmtpd.text import statements
from arrowslit.imports.opensmtpd.walk import Walk
from arrowslit.imports.spaces import Part
from arrowslit.mail.address_range import parse_range

_NAMES: Final = {
    "": "default", "25": "default", "smtp": "default", "587": "submission", "submission": "submission",
    "465": "submissions", "smtps": "submissions", "submissions": "submissions",
}  # fmt: skip
_LOOPBACK: Final = frozenset({"lo", "lo0", "localhost", "127.0.0.1", "::1"})
_DELIVERS: Final = ("mbox", "maildir", "mda", "lmtp", "expand-only", "forward-only")


def read(sources: Sequence[Source]) -> Imported:
    """Raises ImportFailedError where none of the files is an smtpd.conf, or it is of before 6.4."""
    found = Imported()
    main = max(sources, key=lambda one: recognise(one.text), default=None)
    if main is None or not recognise(main.text):
        raise ImportFailedError("none of the files is an smtpd.conf of OpenSMTPD: give it, with the files it names")
    others = [one for one in sources if one is not main]
    used: set[str] = set()
    lines = statements(main, others, found, used)
    if any(words[0].text in {"accept", "deliver"} for words in lines) and not any(w[0].text == "match" for w in lines):
        raise ImportFailedError(f"{main.name} is written in the language of OpenSMTPD before 6.4: upgrade it first")
    conf = conf_of(lines, others, found, used)
    _Reader(conf, found, Origin(main.name)).read()
    for source in others:
        if source.name not in used:
            found.leave(Origin(source.name), "", "nothing that was read names this file", "see what it was meant for")
    return found


class _Reader:
    def __init__(self, conf: Conf, found: Imported, origin: Origin) -> None:
        self.conf, self.found, self.origin = conf, found, origin

    def read(self) -> None:
        accepted = dict(self._accepted())
        assembly = Assembly(self.found, accepted)
        for listener in self._listeners():
            walk = Walk(self.conf, listener)
            questions = Questions(
                walk.answer, listener.origin, self._recipients(accepted, walk), (), list(self._parts()),
                bool(listener.auth), self._tls(listener),
            )  # fmt: skip
            assembly.add(_NAMES.get(listener.port, f"port-{listener.port}"), questions)
            self._tell(walk)
        assembly.finish()

    def _listeners(self) -> Iterator[Listener]:
        seen: set[Listener] = set()
        for one in self.conf.listeners:
            if one.proxied:
                says = "whose PROXY header is trusted stands in the settings of a node"
                self.found.leave(one.origin, f"listen on {one.interface} proxy-v2", says)
            alike = replace(one, interface="", origin=self.origin, proxied=False)
            if one.interface in _LOOPBACK and not one.proxied:
                text = f"listen on {one.interface}"
                self.found.leave(one.origin, text, "only the machine itself gets there: no virtual server is made")
            elif alike not in seen:
                seen.add(alike)
                yield one

    def _tls(self, listener: Listener) -> tuple[bool, ...]:
        if listener.tls in {"smtps", "tls-require"}:
            return (False, True)
        asks = any(one.kind == "tls" for rule in self._rules() for one in rule.conditions)
        return (False, True) if asks and listener.tls else (False,)

    def _rules(self) -> Iterator[Rule]:
        yield from self.conf.rules
        yield from self.conf.filters.values()

    def _accepted(self) -> Iterator[tuple[str, AcceptedDomain]]:
        """Domains that some rule takes mail for by name."""
        for rule in self.conf.rules:
            kind = "authoritative" if self._delivers(rule.action) else "internal_relay"
            if rule.action == "reject":
                continue
            for condition in rule.conditions:
                if condition.kind == "local" and condition.scope == "for":
                    yield "localhost", AcceptedDomain("localhost", "authoritative", rule.origin)
                for pattern, origin in _patterns(condition):
                    if not condition.negated:
                        yield pattern, AcceptedDomain(pattern, kind, origin)

    def _delivers(self, action: str) -> bool:
        return self.conf.actions.get(action, "").startswith(_DELIVERS)

    def _recipients(self, accepted: dict[str, AcceptedDomain], walk: Walk) -> list[Recipient]:
        mentioned: dict[str, Origin] = {}
        addresses: dict[str, Origin] = {}
        conditions = [one for rule in self._rules() for one in rule.conditions if one.kind in {"domain", "rcpt-to"}]
        for condition in conditions:
            mentioned.update(_patterns(condition))
            addresses.update(_addresses(condition))

        def tells_apart(text: str) -> object:
            asked = Asked(Recipient("", text))
            return tuple(walk.holds(one, asked) for one in conditions)

        names = {pattern: one.origin for pattern, one in accepted.items()}
        return recipients(names, mentioned, addresses, tells_apart)

    def _parts(self) -> Iterator[Part]:
        for rule in self._rules():
            for condition in rule.conditions:
                if condition.kind == "src" and not condition.regex:
                    for text, origin in condition.values or ():
                        try:
                            one = parse_range(text.replace("[", "").replace("]", ""))
                        except ValueError:
                            continue
                        yield Part(one.first, one.last, origin)

    def _tell(self, walk: Walk) -> None:
        for one, matters in walk.skipped.items():
            side = "whom it refuses is not refused" if one.refuses else "whom it permits is not permitted"
            says = f"this is not evaluated here: {side} by the policy" if matters else "this is not evaluated here"
            self.found.leave(one.origin, one.text, says, "", widens=matters and one.refuses)


def _patterns(condition: Condition) -> Iterator[tuple[str, Origin]]:
    """The domains that a condition on domains or recipients names."""
    for text, origin in condition.values or ():
        found = list(of_regex(text)) if condition.regex else [text.lower()]
        for one in found:
            pattern = one.removeprefix("@") if condition.kind == "rcpt-to" else one
            if (
                "@" not in pattern
                and (condition.kind == "domain" or one.startswith(("@", "*")))
                and is_pattern(pattern)
            ):
                yield pattern, origin


def _addresses(condition: Condition) -> Iterator[tuple[str, Origin]]:
    for text, origin in condition.values or ():
        for one in list(of_regex(text)) if condition.regex else [text.lower()]:
            if condition.kind == "rcpt-to" and "@" in one[1:]:
                yield one, origin


def recognise(text: str) -> int:
    """How sure it is that the text is an smtpd.conf."""
    listens = acts = 0
    for line in text[:200_000].splitlines():
        words = line.split(None, 2)
        listens += words[:2] == ["listen", "on"]
        acts += bool(words) and words[0] in {"match", "accept", "action"} and len(words) > 1
    return 85 if listens and acts else 40 if acts > 1 else 0


OPENSMTPD: Final = Kind("opensmtpd", "OpenSMTPD: smtpd.conf and the tables it names", recognise, read)
