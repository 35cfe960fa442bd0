"""The live enforcement points Exim: the ACL file of `targets.exim`, before the server's own ACL.

Exim reads the file for each connection, so a change is one rename; only the first one and the last undo touch the
configuration. A new file is tried with `exim -bh` before it has its name, and again in its place. This machine itself
is no client for these rules, so no real dialogue from here could show more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arrowslit.mail.address_set import EMPTY
from arrowslit.rollout.exim_dialogue import played, wrong_answers
from arrowslit.rollout.exim_hook import NAME, Debian, Exim, Hook, OneFile
from arrowslit.rollout.exim_text import listed, rest, statements
from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, RolloutError, Seen
from arrowslit.rollout.undo_files import UndoFiles
from arrowslit.targets.exim import EXIM
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_INNER: Final = "acl_check_rcpt"
_STRANGER: Final = "8.8.8.8"
_NOBODYS: Final = "somebody@arrowslit.invalid"


@dataclass(slots=True)
class EximPoint:
    """`ports` are those that it guards."""

    exim: Exim
    hook: Hook
    ports: tuple[int, ...] = (25,)
    keeps_time: bool = False
    forgets: bool = False

    def look(self) -> Seen:
        """What is there now."""
        text, hooked = self._text(), self._hooked()
        holds = hooked and bool(text)
        addresses = listed(statements(text)) if holds else EMPTY
        return Seen(self._token(text), holds, addresses, None, tuple(self._wide(holds)))

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change in what holds now."""
        text = self._text()
        if not self._hooked() or not text:
            says = "nothing of ours is there" if not text else "Exim does not use our rules"
            return Difference(rules.connect.listed, says=(says,))
        difference = _difference(text, self._wanted(rules, place))
        if difference:
            return difference
        return Difference(says=tuple(wrong_answers(self.exim.machine, self.exim.program, rules)))

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there."""
        text = self._text()
        if self._token(text) != token:
            raise ChangedMeanwhileError("our part of Exim was changed since it was looked at")
        wanted, hooked = self._wanted(rules, place), self._hooked()
        self._try(wanted, rules)
        self._files.keep(text if hooked else "", wanted)
        try:
            self.exim.machine.write(self._acl, wanted)
            if not hooked:
                self.hook.hook(self._acl)
            self._prove(rules, place)
        except RolloutError as error:
            self.undo()
            raise RolloutError(f"{error}; it was undone at once") from error
        if seconds is None:
            self._files.done()
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002  the word of LivePoint
        """Never asked: files do not forget."""
        raise RolloutError("Exim keeps its files over a restart")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        self._files.confirm()
        return self.look()

    def take_back(self) -> Seen:
        """Go back to the rules before what is pending, or stay where nothing is."""
        files = self._files
        return self.undo() if files.pending else self.look()

    def undo(self) -> Seen:
        """Go back to the rules before what is pending; where nothing is, or there were none, take ours out."""
        before = self._files.before
        if before:
            self.exim.machine.write(self._acl, before)
            if not self._hooked():
                self.hook.hook(self._acl)
        else:
            if self._hooked():
                self.hook.unhook(self._acl)
            self.exim.machine.remove(self._acl)
        self._files.done()
        return self.look()

    # --- inside -------------------------------------------------------------------------------------------------

    @property
    def _acl(self) -> str:
        return f"{self.hook.folder()}/arrowslit.acl"

    @property
    def _files(self) -> UndoFiles:
        return UndoFiles(self.exim.machine, f"{self.hook.folder()}/arrowslit.undo")

    def _text(self) -> str:
        return self.exim.machine.read(self._acl) or ""

    def _hooked(self) -> bool:
        return self.exim.setting("acl_smtp_rcpt") == self._acl

    def _token(self, text: str) -> str:
        said = f"{self.exim.setting('acl_smtp_rcpt')}\0{text}"
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()

    def _wanted(self, rules: Rules, place: Place) -> str:
        """The file for these rules, with the ACL that this server had at its end."""
        return EXIM.write(rules, place).text.replace(f"\n  acl = {_INNER}\n", f"\n  acl = {self._inner()}\n")

    def _inner(self) -> str:
        name = self.exim.setting("acl_smtp_rcpt")
        if name == self._acl:
            ends = [value for one in statements(self._text()) for key, value in one.conditions if key == "acl"]
            name = str(ends[-1]) if ends else _INNER
        if not NAME.fullmatch(name):
            raise RolloutError(
                f"acl_smtp_rcpt is {name or 'not set'}: it must be the name of an ACL to put ours before it"
            )
        return name

    def _try(self, text: str, rules: Rules) -> None:
        """Raises RolloutError where Exim would not say with this file what the rules say."""
        machine, acl = self.exim.machine, f"{self._acl}.tried"  # where Exim's own account can read it
        configuration = f"{self.hook.folder()}/arrowslit.conf.tried"
        machine.write(acl, text)
        try:
            program = self.exim.with_acl(configuration, acl)
            for wrong in wrong_answers(machine, program, rules):
                raise RolloutError(f"{wrong}; nothing was changed")
        finally:
            machine.remove(acl)
            machine.remove(configuration)

    def _prove(self, rules: Rules, place: Place) -> None:
        difference = self.differs(rules, place)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")

    def _wide(self, holds: bool) -> Iterator[str]:
        """What lets strangers in beside ours."""
        proxy = self.exim.setting("hosts_proxy")
        if "*" in proxy or "0.0.0.0/0" in proxy:
            yield f"strangers may say by PROXY that they are somebody else (hosts_proxy = {proxy})"
        for port in self._ports():
            if not holds or port not in self.ports:
                interface = ("-oMi", f"127.0.0.1.{port}")
                said = played(self.exim.machine, self.exim.program, _STRANGER, _NOBODYS, *interface)
                if said.startswith("2"):
                    yield f"everybody may relay on port {port} ({self.exim.configuration}, acl_smtp_rcpt)"

    def _ports(self) -> list[int]:
        said = f"{self.exim.setting('daemon_smtp_ports')}:{self.exim.setting('tls_on_connect_ports')}"
        names = {"smtp": 25, "smtps": 465, "ssmtp": 465, "submissions": 465, "submission": 587}
        words = said.replace("<;", "").replace(";", ":").replace(" ", "").split(":")
        return sorted({int(one) if one.isdigit() else names[one] for one in words if one.isdigit() or one in names})


def _difference(text: str, wanted: str) -> Difference:
    there, should = statements(text), statements(wanted)
    now, then = listed(there), listed(should)
    # A list with nobody in it has no statement, so what else differs is only told where both have some or none.
    says = () if rest(there) == rest(should) or bool(now) is not bool(then) else ("the ACL says something else",)
    return Difference(then.subtract(now), now.subtract(then), says)


def exim_point(ports: tuple[int, ...], machine: MailMachine | None = None) -> EximPoint:
    """Exim with a configuration file of its own."""
    machine = machine or MailMachine()
    exim = Exim(machine, ("exim",))
    return EximPoint(exim, OneFile(exim), ports)


def debian_point(ports: tuple[int, ...], machine: MailMachine | None = None) -> EximPoint:
    """Exim as Debian and Ubuntu set it up."""
    machine = machine or MailMachine()
    exim = Exim(machine, ("exim4",))
    return EximPoint(exim, Debian(exim), ports)
