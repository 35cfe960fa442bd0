"""Runs iptables-save(8), iptables-restore(8) and ipset(8), whichever kind of iptables this machine calls by that name.

Needs CAP_NET_ADMIN and CAP_NET_RAW, and to write /run/xtables.lock where it is the kernel's old tables.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arrowslit.rollout.commands import Commands, FailedError

_SAVE: Final = {4: "iptables-save", 6: "ip6tables-save"}
_RESTORE: Final = {4: "iptables-restore", 6: "ip6tables-restore"}
_RELEASED: Final = 5.0
"""Seconds in which the kernel lets go of a set whose last rule is gone."""

_NOT_IN_SET: Final = 1
Members = list[list[str]]
"""The words of each line of `ipset save` behind "add NAME"."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The tables and sets of one network namespace, by its programs."""

    commands: Commands = field(default_factory=Commands)

    @property
    def families(self) -> tuple[int, ...]:
        """4, and 6 where this machine has it."""
        return (4, 6) if Path("/proc/net/if_inet6").exists() else (4,)

    def saved(self, family: int, table: str) -> list[str]:
        """The lines of a table, with counters."""
        return self.commands.run(_SAVE[family], "-c", "-t", table).splitlines()

    def restore(self, family: int, lines: Iterable[str]) -> None:
        """Do all that the lines say in the table filter in one transaction, or nothing."""
        text = "".join(f"{line}\n" for line in ("*filter", *lines, "COMMIT"))
        self.commands.run(_RESTORE[family], "--wait", "--noflush", given=text)

    def script(self, text: str) -> None:
        """Run a compiled script."""
        self.commands.run("sh", "-s", given=text)

    def sets(self, wanted: Collection[str]) -> dict[str, Members]:
        """What is in each set of such a name that is there."""
        names = [one for one in self.commands.run("ipset", "list", "-n").split() if one in wanted]
        return {name: self._members(name) for name in names}

    def _members(self, name: str) -> Members:
        lines = (line.split() for line in self.commands.run("ipset", "save", name).splitlines())
        return [words[2:] for words in lines if words[0] == "add"]

    def fill(self, text: str) -> None:
        """Do what a text of `ipset restore` says."""
        self.commands.run("ipset", "restore", given=text)

    def destroy(self, names: Sequence[str]) -> None:
        """Remove sets that no rule names any more; the kernel may let go of them a moment later."""
        end = time.monotonic() + _RELEASED
        for name in names:
            while True:
                try:
                    self.commands.run("ipset", "destroy", name)
                    break
                except FailedError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)

    def has(self, name: str, address: str) -> bool:
        """Whether the kernel finds an address in a set."""
        try:
            self.commands.run("ipset", "test", name, address)
        except FailedError as error:
            if error.code == _NOT_IN_SET and "is NOT in set" in str(error):
                return False
            raise
        return True
