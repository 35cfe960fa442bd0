"""One smtpd of Postfix: what its lists say of every kind of session, and what of them was not evaluated.

At RCPT all lists have been gone through (client, HELO, sender, relay, recipient) and at DATA the last ones; each has to
let a client through. With `smtpd_delay_reject = no` the first ones are gone through before anybody signed in, in clear
and without a recipient. Sources: postconf(5), SMTPD_ACCESS_README, POSTSCREEN_README.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from arrowslit.imports.asking import Answer, Asked, Questions, Recipient
from arrowslit.imports.imported import Imported, Origin
from arrowslit.imports.postfix.domains import Domains, mynetworks
from arrowslit.imports.postfix.mentions import MOST, client_names, client_parts, recipients
from arrowslit.imports.postfix.restrictions import HINTS, Restriction, restrictions
from arrowslit.imports.postfix.tables import Table, Tables
from arrowslit.imports.postfix.text import Setting
from arrowslit.imports.postfix.values import Values, words
from arrowslit.imports.postfix.walk import Surroundings, Unknown, walk
from arrowslit.imports.spaces import EMPTY, EVERYBODY, common, first_matches, of_prefixes
from arrowslit.mail.address_set import AddressSet

EARLY: Final = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions")
AT_RECIPIENT: Final = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
LATE: Final = ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions")
GUARDS: Final = frozenset({"reject_unauth_destination", "defer_unauth_destination", "reject", "defer"})
_LOOPBACK: Final = of_prefixes("127.0.0.0/8", "::1/128")
_NO_RECIPIENT: Final = Recipient("other", "")


@dataclass(slots=True)
class _Seen:
    """What was not evaluated, and whether that would have mattered."""

    wider: bool = False
    narrower: bool = False


@dataclass(slots=True)
class Smtpd:
    """One service; `ask` answers for `imports.fit`."""

    values: Values
    tables: Tables
    domains: Domains
    found: Imported
    origin: Origin
    lists: dict[str, list[Restriction]] = field(default_factory=dict)
    postscreen: Values | None = None
    seen: dict[Unknown, _Seen] = field(default_factory=dict)
    around: Surroundings | None = None
    screened: AddressSet = EMPTY
    """Whom postscreen refuses."""

    def questions(self) -> Questions:
        """Everything that makes a difference to this service."""
        values = self.values
        nets = mynetworks(values, self.tables, self.found)
        parents = "smtpd_access_maps" in words(values.get("parent_domain_matches_subdomains").value)
        classes = {name: values.get(name) for name in words(values.get("smtpd_restriction_classes").value)}
        self.around = Surroundings(
            nets.addresses,
            self._table,
            self.domains,
            {name.lower(): setting for name, setting in classes.items()},
            parents,
            values.yes("allow_untrusted_routing"),
        )
        for name in (*EARLY, *AT_RECIPIENT, *LATE):
            self.lists[name] = restrictions(values.get(name), name)
        self._relay_guard()
        clients, receivers = self._used(classes)
        self.screened = self._postscreen(nets.addresses)
        names = client_names(clients, parents=parents)
        kinds = recipients(receivers, self.domains, parents=parents)
        if len(names) > MOST:
            self._too_many(f"{len(names)} client names")
        if len([one for one in kinds if one.kind == "address"]) > MOST:
            self._too_many(f"more than {MOST} recipients")
            kinds = [one for one in kinds if one.kind != "address"]
        tls = self._tls(clients + receivers, classes)
        return Questions(
            self.answer, self.origin, kinds, names[:MOST], [*nets.parts, *client_parts(clients)],
            values.yes("smtpd_sasl_auth_enable"), tls,
            None if values.yes("smtpd_delay_reject") else self._greeted,
        )  # fmt: skip

    def _table(self, text: str, origin: Origin) -> Table | None:
        return self.tables.table(text, origin)

    def _too_many(self, what: str) -> None:
        says = f"so many in tables are not told apart (up to {MOST} are): they count like those that none names"
        self.found.leave(self.origin, what, says, "recipients: use recipients_file of the next hop", widens=True)

    # Which lists there are.

    def _relay_guard(self) -> None:
        """The list that keeps strangers from relaying has to be there: it is since 2.10, and before, the other had to
        do so. Where the version can't be told, both are taken to hold, which is the narrower side.
        """
        relay, recipient = (self.values.raw(name) for name in AT_RECIPIENT)
        guarded = any(one.name in GUARDS for name in AT_RECIPIENT for one in self.lists[name])
        if relay is None and not self.values.told("compatibility_level"):
            text = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
            default = Setting(text, Origin("default", 0, "smtpd_relay_restrictions"))
            self.lists["smtpd_relay_restrictions"] = restrictions(default, "smtpd_relay_restrictions")
            if recipient is not None:
                says = "before Postfix 2.10 there was no such list, and since then one stands where none is written"
                self.found.doubt(recipient.origin, "smtpd_relay_restrictions is not written", says, "write it")
        elif not guarded:
            text = "reject_unauth_destination"
            last = Setting(text, (relay or recipient or Setting("", self.origin)).origin)
            self.lists["smtpd_relay_restrictions"] += restrictions(last, "smtpd_relay_restrictions")
            says = "no list refuses to relay, and Postfix does not start so: relaying is refused here"
            self.found.doubt(last.origin, "smtpd_relay_restrictions", says, "write reject_unauth_destination")

    def _used(self, classes: dict[str, Setting]) -> tuple[list[Table], list[Table]]:
        """The tables about clients and those about recipients, those that classes and other tables name too."""
        clients: dict[str, Table] = {}
        receivers: dict[str, Table] = {}
        waiting = [one for found in self.lists.values() for one in found]
        for name, setting in classes.items():
            waiting += restrictions(setting, name)
        seen: set[tuple[str, str]] = set()
        while waiting:
            one = waiting.pop()
            if (one.name, one.argument) in seen or one.name not in {"check_client_access", "check_recipient_access"}:
                continue
            seen.add((one.name, one.argument))
            table = self.tables.table(one.argument, one.origin)
            if table is not None:
                (clients if one.name == "check_client_access" else receivers)[one.argument] = table
                actions = {row.action: row for row in table.rows if "_access" in row.action}
                waiting += [
                    each for row in actions.values() for each in restrictions(Setting(row.action, row.origin), "")
                ]
        return list(clients.values()), list(receivers.values())

    def _tls(self, tables: list[Table], classes: dict[str, Setting]) -> tuple[bool, ...]:
        if self.requires_tls:
            return (False, True)
        texts = [one.name for found in self.lists.values() for one in found]
        texts += [setting.value for setting in classes.values()]
        texts += [row.action for table in tables for row in table.rows]
        offered = self.values.get("smtpd_tls_security_level").value.lower() == "may" or self.values.yes("smtpd_use_tls")
        if any("reject_plaintext_session" in text for text in texts) and offered:
            return (False, True)
        return (False,)

    @property
    def requires_tls(self) -> bool:
        """Whether nothing goes on in clear."""
        level = self.values.get("smtpd_tls_security_level").value.lower()
        return level == "encrypt" or any(self.values.yes(one) for one in ("smtpd_enforce_tls", "smtpd_tls_wrappermode"))

    def _postscreen(self, own: AddressSet) -> AddressSet:
        """Whom postscreen keeps from smtpd, by its own list alone."""
        values = self.postscreen
        if values is None or values.get("postscreen_denylist_action").value not in {"enforce", "drop"}:
            return EMPTY
        setting = values.get("postscreen_access_list")
        rows: list[tuple[str, AddressSet]] = []
        for word in words(setting.value):
            table = self.tables.table(word, setting.origin) if ":" in word else None
            if word == "permit_mynetworks":
                rows.append(("permit", own))
            elif table is None or table.kind not in {"cidr", "static"}:
                says = "the table was not given, or is of a kind that can't be read"
                self.found.leave(setting.origin, word, says, "give the file too", widens=True)
            else:
                everybody = table.kind == "static"
                every = ((row.action.lower(), EVERYBODY if everybody else row.addresses) for row in table.rows)
                rows += [(action, addresses) for action, addresses in every if action != "dunno"]
        return first_matches(rows).get("reject", EMPTY)

    # The answers.

    def answer(self, asked: Asked) -> Answer:
        """Whom all lists let through, and who is refused only for now."""
        if self.around is None:
            raise RuntimeError("questions() comes first")
        start = EVERYBODY.subtract(self.screened)
        if self.values.get("inet_interfaces").value in {"loopback-only", "localhost", "127.0.0.1"}:
            start = common(start, _LOOPBACK)
        if self.requires_tls and not asked.tls:
            return Answer(EMPTY)
        left, deferred = start, EMPTY
        reached: list[tuple[Unknown, AddressSet]] = []
        for name, about in self._stages(asked):
            made = walk(self.lists[name], about, left, self.around)
            left, deferred = made.through, deferred.union(made.deferred)
            reached += made.reached
        for unknown, who in reached:
            seen = self.seen.setdefault(unknown, _Seen())
            seen.wider = seen.wider or (unknown.refuses and bool(common(who, left)))
            seen.narrower = seen.narrower or (unknown.permits and bool(who.subtract(left)))
        return Answer(left, deferred)

    def _greeted(self, name: str) -> AddressSet:
        """Whom the client restrictions let through before anything is said."""
        if self.around is None:
            raise RuntimeError("questions() comes first")
        start = EVERYBODY.subtract(self.screened)
        return walk(self.lists[EARLY[0]], Asked(_NO_RECIPIENT, name=name), start, self.around).through

    def _stages(self, asked: Asked) -> Iterator[tuple[str, Asked]]:
        late = replace(asked, recipient=_NO_RECIPIENT)
        if self.values.yes("smtpd_delay_reject"):
            yield from ((name, asked) for name in EARLY)
        else:
            wrapped = self.values.yes("smtpd_tls_wrappermode")
            first = replace(late, signed_in=False, tls=wrapped)
            yield from zip(EARLY, (first, first, late), strict=True)
        yield from ((name, asked) for name in AT_RECIPIENT)
        yield from ((name, late) for name in LATE)

    def told(self) -> None:
        """Puts down what was not evaluated, now that everything has been asked."""
        for unknown, seen in self.seen.items():
            says = unknown.hint or "this is not evaluated here"
            if seen.wider:
                says += ": whom it refuses is not refused by the policy"
            elif seen.narrower:
                says += ": whom it permits is not permitted by the policy"
            else:
                says += ", and makes no difference to who is permitted"
            name = unknown.text.removeprefix("warn_if_reject ").split(" ")[0]
            self.found.leave(unknown.origin, unknown.text, says, HINTS.get(name, ""), widens=seen.wider)


def loopback_only(name: str) -> bool:
    """Whether a service listens where only the machine itself gets to."""
    host = name.rpartition(":")[0].strip("[]").lower()
    return host in {"127.0.0.1", "localhost", "::1"}
