"""Programs of a machine that kill the script that calls them: at the so-many-th call, as a power cut would.

Each program of the list is covered by a small script of its own in a folder that stands first in PATH.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from arrowslit.rollout.mail_machine import MailMachine

PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_NEVER: Final = 0
_COVER: Final = """\
#!/bin/sh
PATH={path}
n=$(($(cat {inside}/calls) + 1))
echo $n >{inside}/calls
if [ $n -eq $(cat {inside}/kill) ]; then
	kill -9 $(cat {inside}/pid) 2>/dev/null
	kill -9 $PPID 2>/dev/null
	exit 1
fi
exec {name} "$@"
"""
_NOTED: Final = 'echo $$ >"$0/pid"; exec "$@"'


@dataclass(frozen=True, slots=True)
class Covers:
    """The folder with the programs, from outside and as the machine sees it."""

    folder: Path
    inside: str

    def machine(self, machine: MailMachine) -> MailMachine:
        """The same machine with the covered programs."""
        prefix = ("sh", "-c", _NOTED, str(self.folder), *machine.prefix)
        return replace(machine, prefix=prefix, environment={**machine.environment, "PATH": f"{self.inside}:{PATH}"})

    def kill(self, at: int = _NEVER) -> None:
        """From now on, the so-many-th call kills."""
        (self.folder / "calls").write_text("0\n")
        (self.folder / "kill").write_text(f"{at}\n")

    @property
    def calls(self) -> int:
        """How many there were."""
        return int((self.folder / "calls").read_text())


def covers(folder: Path, inside: str, programs: Sequence[str]) -> Covers:
    """Make them."""
    folder.mkdir(exist_ok=True)
    for name in programs:
        path = folder / name
        path.write_text(_COVER.format(path=PATH, inside=inside, name=name))
        path.chmod(0o755)
    made = Covers(folder, inside)
    made.kill()
    return made
