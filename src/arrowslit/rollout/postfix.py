"""The live enforcement point Postfix: the lists of `targets.postfix` in the Postfix of this machine.

A change is the script that `arrowslit target compile postfix` writes, run here: it keeps what it replaces, puts whole
files into place, and has Postfix check them. What was in force before is kept as such a script too (`undo_files`), so
that to go back is to run it: it works after a change that was cut off anywhere, and keeps what an administrator has
changed meanwhile beside ours. Tables are read back as sets, settings word by word; then the tables are asked with
`postmap -q`, and the server in a dialogue from this machine itself, which is no exception for Postfix.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from arrowslit.mail.address_set import EMPTY
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, RolloutError, Seen
from arrowslit.rollout.postfix_copies import stale_copies
from arrowslit.rollout.postfix_place import LivePostfix, read, same, words
from arrowslit.rollout.postfix_wide import wide_settings
from arrowslit.rollout.smtp_dialogue import asked
from arrowslit.rollout.undo_files import UndoFiles
from arrowslit.targets.postfix import POSTFIX
from arrowslit.targets.postfix_lists import lists_of
from arrowslit.targets.postfix_tables import Lists
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_LOOPBACK: Final = ("127.0.0.1", "::1")
_TRIES: Final = 20
"""A process of before a reload may take one more connection."""

_PAUSE: Final = 0.25
_SECONDS: Final = 10.0


@dataclass(slots=True)
class PostfixPoint:
    """`ports` are those that it guards."""

    machine: MailMachine = field(default_factory=MailMachine)
    ports: tuple[int, ...] = (25,)
    keeps_time: bool = False
    forgets: bool = False

    def look(self) -> Seen:
        """What is there now."""
        return self._seen(self._read())

    def differs(self, rules: Rules, place: Place) -> Difference:  # noqa: ARG002  the word of LivePoint
        """What these rules would change in what holds now."""
        live = self._read()
        if not live.holds:
            says = "no rule of ours holds" if live.there else "nothing of ours is there"
            return Difference(rules.connect.listed, says=(says,))
        return self._difference(live, rules)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there."""
        live = self._read()
        if live.token != token:
            raise ChangedMeanwhileError("our settings of Postfix were changed since they were looked at")
        script = POSTFIX.comment.opening + POSTFIX.write(rules, place).text
        files = self._files(live)
        files.keep(self._in_force(live, files), script)
        try:
            self._run(files, "now")
            self._prove(rules, place)
        except RolloutError as error:
            self.undo()
            raise RolloutError(f"{error}; it was undone at once") from error
        if seconds is None:
            files.done()
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002  the word of LivePoint
        """Never asked: files do not forget."""
        raise RolloutError("Postfix keeps its files over a restart")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        live = self._read()
        self._files(live).confirm()
        return self._seen(live)

    def take_back(self) -> Seen:
        """Go back to the rules before what is pending, or stay where nothing is."""
        files = self._files(self._read())
        return self.undo() if files.pending else self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending; where nothing is, or there were none, take ours out."""
        live = self._read()
        files = self._files(live)
        if files.before:
            self._run(files, "before")
        else:
            self._take_out(live, files)
        files.done()
        return self.look()

    # --- inside -------------------------------------------------------------------------------------------------

    def _read(self) -> LivePostfix:
        return read(self.machine, self.ports)

    def _files(self, live: LivePostfix) -> UndoFiles:
        return UndoFiles(self.machine, f"{live.folder}/arrowslit.undo")

    def _own(self, live: LivePostfix) -> str:
        return f"{live.folder}/arrowslit"

    def _seen(self, live: LivePostfix) -> Seen:
        wide = tuple(wide_settings(self.machine, live))
        return Seen(live.token, live.holds, live.listed if live.holds else EMPTY, None, wide)

    def _in_force(self, live: LivePostfix, files: UndoFiles) -> str:
        """The script of the rules that are there now, "" for none."""
        if not live.there:
            return ""
        known = (self.machine.read(f"{self._own(live)}/applied.sh"), files.now, files.before)
        found = next((one for one in known if one and f"\nDIGEST={live.digest}\n" in one), None)
        if found is None:
            raise RolloutError(
                "there are settings of Arrowslit here that nothing could go back to: run the script of"
                " 'arrowslit target compile postfix' once by hand"
            )
        return found

    def _run(self, files: UndoFiles, which: str, *arguments: str) -> str:
        return self.machine.run("sh", f"{files.folder}/{which}", *arguments)

    def _take_out(self, live: LivePostfix, files: UndoFiles) -> None:
        own = self._own(live)
        if live.there or self.machine.path(f"{own}/saved").is_dir():
            known = f"{own}/applied.sh"
            script = f"{files.folder}/now" if files.now else known
            if self.machine.read(script) is None:
                raise RolloutError(f"{known} is not there: run the script that was applied once, with the word undo")
            self.machine.run("sh", script, "undo")
        shutil.rmtree(self.machine.path(own), ignore_errors=True)  # what was left of a change that was cut off

    def _prove(self, rules: Rules, place: Place) -> None:
        live = self._read()
        if not live.holds:
            raise RolloutError("the rules are not in force after they were applied")
        difference = self._difference(live, rules)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")
        wrong = self._dialogue(rules, place.ports, lists_of(rules))
        if wrong:
            raise RolloutError(wrong)

    def _difference(self, live: LivePostfix, rules: Rules) -> Difference:
        lists, wanted = lists_of(rules), rules.connect.listed
        return Difference(
            wanted.subtract(live.listed),
            live.listed.subtract(wanted),
            (*_says(live, lists), *stale_copies(self.machine, live, lists.copies), *self._answers(live, lists)),
        )

    def _answers(self, live: LivePostfix, lists: Lists) -> Iterator[str]:
        for probe in lists.probes:
            table = f"cidr:{live.main['arrowslit_tables']}/{probe.table}"
            said = self.machine.run("postmap", "-q", probe.address, table, fine=(0, 1)).strip()
            if said != probe.action:
                should = probe.action or "nothing"
                yield f"{probe.table} says {said or 'nothing'} of {probe.address}, and should say {should}"

    def _dialogue(self, rules: Rules, ports: Sequence[int], lists: Lists) -> str:
        """Ask the server itself, as this machine; what is wrong, or "". Where it is not running, nothing is."""
        recipient = _recipient(rules)
        if (
            recipient is None
            or rules.server.mode == OBSERVE
            or "exceptions.regexp" in {one.name for one in lists.tables}
        ):
            return ""
        for address in _LOOPBACK:
            if not rules.connect.permitted.contains(ip_address(address)) and not rules.connect.others:
                for port in ports:
                    if not self._refused(address, port, recipient):
                        return f"the server takes mail on port {port} from {address}, who may not connect"
        return ""

    def _refused(self, address: str, port: int, recipient: str) -> bool:
        for _ in range(_TRIES):
            try:
                said = asked(self.machine.connect(address, port, _SECONDS), recipient)
            except OSError:
                return True
            if said[:1] in {"4", "5"}:
                return True
            time.sleep(_PAUSE)
        return False


def _recipient(rules: Rules) -> str | None:
    name = next((one.name for one in rules.accepted if not one.name.startswith("*")), None)
    return None if name is None else f"postmaster@{name}"


def _says(live: LivePostfix, lists: Lists) -> Iterator[str]:
    """What differs besides the addresses of who may connect."""
    tables = {one.name: one for one in lists.tables}
    for name in sorted(tables.keys() | live.tables.keys()):
        if name not in live.tables:
            yield f"the table {name} is missing"
        elif name not in tables:
            yield f"there is a table {name} that should not be"
        elif not same(tables[name], live.tables[name]):
            yield f"the table {name} says something else"
    for name, value in {**lists.settings, **lists.classes}.items():
        if words(live.main.get(name, "")) != words(value):
            yield f"the setting {name} is another"
    missing = {*lists.classes, *lists.copies} - set(words(live.main.get("smtpd_restriction_classes", "")))
    if missing:
        yield f"smtpd_restriction_classes lacks {', '.join(sorted(missing))}"
    yield from _of_services(live, lists)


def _of_services(live: LivePostfix, lists: Lists) -> Iterator[str]:
    for service in live.guarded:
        for name, value in lists.service.items():
            if service.settings.get(name) != value:
                yield f"{service.name} has another {name}"
