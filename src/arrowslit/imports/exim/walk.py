"""Goes through the ACLs of a session with all clients at once: connect, HELO, MAIL, and RCPT with a recipient.

A statement takes those whom its conditions match: accept lets them through, deny and drop refuse, defer refuses for
now; `require` refuses those whom it does not match; what comes to the end of an ACL is refused. Clients for whom
variables differ are *branches*, each a set of addresses. What can't be evaluated does not match (and holds, where it
is required), and whom that concerns is remembered. Whether a recipient or a sender exists is not asked: `verify` holds.
Source: the Exim specification, chapter 43.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.asking import NO_NAME, Answer, Asked
from arrowslit.imports.exim.expand import holds, set_to
from arrowslit.imports.exim.lists import Lists, address, hosts, local_part, matches
from arrowslit.imports.exim.text import Condition, Conf, Setting, Statement
from arrowslit.imports.imported import Origin
from arrowslit.imports.spaces import EMPTY, EVERYBODY, common
from arrowslit.mail.address_set import AddressSet

STAGES: Final = ("acl_smtp_connect", "acl_smtp_helo", "acl_smtp_mail", "acl_smtp_rcpt")
_MODIFIERS: Final = frozenset(
    {"message", "log_message", "logwrite", "log_reject_target", "control", "add_header", "remove_header", "delay",
     "endpass", "continue", "queue", "udpsend"}
)  # fmt: skip
_DEEPEST: Final = 10
_MOST: Final = 64
Variables = tuple[tuple[str, str], ...]
Branch = tuple[Variables, AddressSet]


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not evaluated; `refuses` and `permits` say what it could have done."""

    origin: Origin
    text: str
    refuses: bool
    permits: bool


@dataclass(slots=True)
class Through:
    """What an ACL comes to."""

    accepted: list[Branch] = field(default_factory=list)
    deferred: AddressSet = EMPTY


@dataclass(slots=True)
class Walk:
    """One configuration. `skipped` says of each thing whether it would have mattered."""

    conf: Conf
    lists: Lists
    skipped: dict[Skipped, bool] = field(default_factory=dict)
    reached: list[tuple[Skipped, AddressSet]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        """Whom every ACL lets through."""
        self.reached = []
        branches: list[Branch] = [((("received_port", "25"),), self._start(asked))]
        deferred = EMPTY
        for stage in STAGES:
            setting = self.conf.options.get(stage)
            if setting is None:
                branches = [] if stage == "acl_smtp_rcpt" else branches
                continue
            made = self.through(self._acl(setting), asked, branches, 0, known=stage == "acl_smtp_rcpt")
            branches, deferred = made.accepted, deferred.union(made.deferred)
        permitted = _all(branches)
        for one, who in self.reached:
            wider = one.refuses and bool(common(who, permitted))
            narrower = one.permits and bool(who.subtract(permitted))
            self.skipped[one] = self.skipped.get(one, False) or wider or narrower
        return Answer(permitted, deferred)

    def _start(self, _asked: Asked) -> AddressSet:
        setting = self.conf.options.get("host_reject_connection")
        items = None if setting is None else self.lists.items("hostlist", setting)
        refused = None if items is None else hosts(items, _asked.name)
        return EVERYBODY if refused is None else EVERYBODY.subtract(refused)

    def _acl(self, setting: Setting) -> list[Statement]:
        return self.conf.acls.get(setting.value.strip(), [])

    def through(
        self, acl: list[Statement], asked: Asked, branches: list[Branch], depth: int, *, known: bool = True
    ) -> Through:
        """One ACL; `known` where the recipient is known."""
        made, left = Through(), branches
        for statement in acl:
            matched, failed, denied = self._matched(statement, asked, left, depth, known=known)
            left = failed
            if statement.verb in {"accept", "discard"}:
                made.accepted += matched
            elif statement.verb == "defer":
                made.deferred = made.deferred.union(_all(matched))
            elif statement.verb == "require":
                left = matched
            elif statement.verb == "warn":
                left = _joined([*matched, *failed, *denied])
            if not left:
                break
        made.accepted = _joined(made.accepted)
        return made

    def _matched(
        self, statement: Statement, asked: Asked, branches: list[Branch], depth: int, *, known: bool
    ) -> tuple[list[Branch], list[Branch], list[Branch]]:
        """Those whom all conditions match, those who go on, and those who fail behind `endpass`."""
        current, failed, denied = branches, list[Branch](), list[Branch]()
        passed = False
        for condition in statement.conditions:
            if condition.name == "endpass":
                passed = statement.verb in {"accept", "discard"}
            elif condition.name.startswith("set "):
                current = [(_with(one, condition, asked), who) for one, who in current]
            elif condition.name not in _MODIFIERS:
                hit: list[Branch] = []
                for variables, who in current:
                    yes = self._condition(condition, statement, asked, (variables, who), depth, known=known)
                    hit += [(variables, yes)] if yes else []
                    rest = who.subtract(yes)
                    if rest:
                        (denied if passed else failed).append((variables, rest))
                current = hit
        return current, failed, denied

    def _condition(
        self, condition: Condition, statement: Statement, asked: Asked, branch: Branch, depth: int, *, known: bool
    ) -> AddressSet:
        """Those of a branch whom a condition matches."""
        who = self._who(condition, asked, branch, depth, known=known)
        if who is not None:
            return branch[1].subtract(who) if condition.negated else common(branch[1], who)
        verb = statement.verb
        refuses, permits = verb in {"deny", "drop", "defer", "require", "warn"}, verb in {"accept", "discard", "warn"}
        value = f"{'!' if condition.negated else ''}{condition.name} = {condition.value}"
        skipped = Skipped(condition.origin, f"{verb} {value}", refuses, permits)
        self.reached.append((skipped, branch[1]))
        return branch[1] if verb == "require" else EMPTY

    def _who(self, condition: Condition, asked: Asked, branch: Branch, depth: int, *, known: bool) -> AddressSet | None:
        setting = Setting(condition.value, condition.origin)
        if condition.name == "hosts":
            items = self.lists.items("hostlist", setting)
            return None if items is None else hosts(items, asked.name)
        if condition.name == "acl":
            named = self.conf.acls.get(condition.value)
            if named is None or depth >= _DEEPEST:
                return None
            return _all(self.through(named, asked, [branch], depth + 1, known=known).accepted)
        found = self._scalar(condition, setting, asked, dict(branch[0]), known=known)
        return None if found is None else EVERYBODY if found else EMPTY

    def _scalar(
        self, condition: Condition, setting: Setting, asked: Asked, variables: dict[str, str], *, known: bool
    ) -> bool | None:
        if condition.name == "condition":
            return holds(condition.value, variables)
        if condition.name in {"authenticated", "encrypted"}:
            given = asked.signed_in if condition.name == "authenticated" else asked.tls
            return given if condition.value == "*" else None
        if condition.name == "verify":
            return _verified(condition.value, asked)
        return self._listed(condition, setting, asked) if known else None

    def _listed(self, condition: Condition, setting: Setting, asked: Asked) -> bool | None:
        """Whether the recipient is on a list; None for what is not about it."""
        text = asked.recipient.text
        local, _, name = text.rpartition("@")
        if condition.name == "domains":
            listed = self.lists.items("domainlist", setting)
            return None if listed is None else self.lists.has_domain(listed, name)
        about = {
            "recipients": ("addresslist", text, address),
            "local_parts": ("localpartlist", local, local_part),
        }.get(condition.name)
        items = None if about is None else self.lists.items(about[0], setting)
        return None if about is None or items is None else matches(items, about[1], about[2])


def _verified(value: str, asked: Asked) -> bool | None:
    what = value.partition("/")[0].strip()
    if what == "reverse_host_lookup":
        return asked.name != NO_NAME
    return True if what in {"recipient", "header_syntax", "not_blind"} else None


def _with(variables: Variables, condition: Condition, asked: Asked) -> Variables:
    value = set_to(condition.value, tls=asked.tls)
    return tuple(sorted({**dict(variables), condition.name[4:]: value}.items()))


def _all(branches: list[Branch]) -> AddressSet:
    return EMPTY.union(*(who for _, who in branches))


def _joined(branches: list[Branch]) -> list[Branch]:
    """Branches of the same variables as one; of too many, the addresses of the last ones are let go (refused)."""
    made: dict[Variables, AddressSet] = {}
    for variables, who in branches:
        made[variables] = made[variables].union(who) if variables in made else who
    return list(made.items())[:_MOST]
