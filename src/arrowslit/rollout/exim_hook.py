"""How an ACL file of ours comes into Exim's configuration, and out of it: in a file of its own, and in Debian's.

Terms: Exim is *hooked* while `acl_smtp_rcpt` is our file. The *inner* ACL is what it was before; ours goes on with it.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import RolloutError

_LINE: Final = re.compile(r"^[ \t]*acl_smtp_rcpt[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_REPLACED: Final = "# replaced by arrowslit: "
NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exim:
    """The program, as it is called on the machine."""

    machine: MailMachine
    program: tuple[str, ...]

    def setting(self, name: str) -> str:
        """A setting of the main part as Exim understands it, "" for none. Raises RolloutError."""
        said = self.machine.run(*self.program, "-bP", name).strip()
        return said.partition("=")[2].strip() if "=" in said else said.removeprefix(name).strip()

    @property
    def configuration(self) -> str:
        """The file that it reads."""
        return self.machine.run(*self.program, "-bP", "configure_file").strip()

    def with_acl(self, path: str, acl: str) -> tuple[str, ...]:
        """The program as it would be with another ACL; `path` is where its configuration is written for that."""
        text = self.machine.read(self.configuration) or ""
        changed, count = _LINE.subn(lambda _: f"acl_smtp_rcpt = {acl}", text, count=1)
        if not count:
            raise RolloutError(f"{self.configuration} has no acl_smtp_rcpt")
        self.machine.write(path, changed, 0o600)
        return (self.program[0], "-C", path)

    def reload(self) -> None:
        """Have the daemon read its configuration; where none runs, that is for its next start."""
        path = self.setting("pid_file_path") or f"{self.setting('spool_directory')}/exim-daemon.pid"
        said = (self.machine.read(path) or "").strip()
        if not said.isdigit():
            return
        try:
            if Path(f"/proc/{said}/comm").read_text().startswith("exim"):
                os.kill(int(said), signal.SIGHUP)
        except (FileNotFoundError, ProcessLookupError):
            return  # it has ended meanwhile
        except OSError as error:
            raise RolloutError(f"Exim can't be told to read its configuration: {error.strerror}") from None


class Hook(Protocol):
    """One way of configuring Exim."""

    def folder(self) -> str:
        """The folder that our file belongs in."""

    def hook(self, acl: str) -> None:
        """Put our ACL before the inner one, for new connections."""

    def unhook(self, acl: str) -> None:
        """Bring the inner one back."""


@dataclass(frozen=True, slots=True)
class OneFile:
    """A configuration file of the administrator's own, in which one line is replaced; it stays there as a comment."""

    exim: Exim

    def folder(self) -> str:
        """The configuration file's."""
        return self.exim.configuration.rpartition("/")[0]

    def hook(self, acl: str) -> None:
        """Replace the line."""
        path = self.exim.configuration
        text = self.exim.machine.read(path) or ""
        lines = _LINE.findall(text)
        if len(lines) != 1 or not NAME.fullmatch(lines[0]):
            raise RolloutError(f"{path} must have one line 'acl_smtp_rcpt = NAME' to put ours in its place")
        self._put(path, _LINE.sub(lambda line: f"{_REPLACED}{line[0]}\nacl_smtp_rcpt = {acl}", text))

    def unhook(self, acl: str) -> None:
        """Bring the line back."""
        path = self.exim.configuration
        ours = re.compile(rf"^{re.escape(_REPLACED)}(.*)\nacl_smtp_rcpt = {re.escape(acl)}$", re.MULTILINE)
        text, count = ours.subn(lambda line: str(line[1]), self.exim.machine.read(path) or "")
        if count != 1:
            raise RolloutError(f"{path} was changed by hand to use {acl}: change it back by hand")
        self._put(path, text)

    def _put(self, path: str, text: str) -> None:
        machine, staged = self.exim.machine, f"{path}.arrowslit"
        machine.write(staged, text, 0o600)
        try:
            machine.run(self.exim.program[0], "-C", staged, "-bV")
        finally:
            machine.remove(staged)
        machine.rewrite(path, text)
        self.exim.reload()


@dataclass(frozen=True, slots=True)
class Debian:
    """Debian's files: a macro, for both ways of configuration, and update-exim4.conf."""

    exim: Exim
    etc: str = "/etc/exim4"

    def folder(self) -> str:
        """Debian's."""
        return self.etc

    def hook(self, acl: str) -> None:
        """Set the macro."""
        self._own_configuration()
        macro = _macro(acl)
        self.exim.machine.write(self._split, macro)
        text = self.exim.machine.read(self._unsplit)
        if text is None:
            self.exim.machine.write(self._unsplit, macro)
        elif macro not in text.splitlines(keepends=True):
            ended = text if text.endswith("\n") or not text else f"{text}\n"
            self.exim.machine.rewrite(self._unsplit, ended + macro)
        self._update()

    def unhook(self, acl: str) -> None:
        """Take the macro out."""
        self.exim.machine.remove(self._split)
        text = self.exim.machine.read(self._unsplit) or ""
        left = "".join(line for line in text.splitlines(keepends=True) if line != _macro(acl))
        if left:
            self.exim.machine.rewrite(self._unsplit, left)
        else:
            self.exim.machine.remove(self._unsplit)
        self._update()

    @property
    def _split(self) -> str:
        return f"{self.etc}/conf.d/main/00_arrowslit"

    @property
    def _unsplit(self) -> str:
        return f"{self.etc}/exim4.conf.localmacros"

    def _own_configuration(self) -> None:
        if self.exim.machine.read(f"{self.etc}/exim4.conf") is not None:
            raise RolloutError(f"Debian does not read its files where {self.etc}/exim4.conf is: use the target exim")

    def _update(self) -> None:
        self.exim.machine.run("update-exim4.conf")
        self.exim.reload()


def _macro(acl: str) -> str:
    return f"MAIN_ACL_CHECK_RCPT = {acl}\n"
