"""What a mail server's enforcement point needs to go back, in files beside the server's own.

`before` is what was in force before the last change, "" where nothing of ours was; `now` is what the change put there;
`pending` is there while the change may still be undone. All three are on the disk before anything is changed. An agent
that died may not know whether a change was begun, confirmed or undone already: it asks for what is *pending* to be
undone, and where nothing is, nothing happens, so that it never goes back further than by that one change.
"""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import RolloutError


@dataclass(frozen=True, slots=True)
class UndoFiles:
    """A folder on the machine that is ours."""

    machine: MailMachine
    folder: str

    @property
    def pending(self) -> bool:
        """Whether a change waits, or was cut off."""
        return self.machine.read(f"{self.folder}/pending") is not None

    @property
    def before(self) -> str:
        """What to go back to, "" for nothing of ours: what was there before what is pending."""
        return (self.machine.read(f"{self.folder}/before") or "") if self.pending else ""

    @property
    def now(self) -> str:
        """What the last change put there."""
        return self.machine.read(f"{self.folder}/now") or ""

    def keep(self, before: str, now: str) -> None:
        """Remember both ahead of a change."""
        self.machine.folder(self.folder)
        self.machine.write(f"{self.folder}/before", before, 0o600)
        self.machine.write(f"{self.folder}/now", now, 0o600)
        self.machine.write(f"{self.folder}/pending", "", 0o600)

    def confirm(self) -> None:
        """The change holds for good. Raises RolloutError where none waits."""
        if not self.pending:
            raise RolloutError("nothing is pending")
        self.done()

    def done(self) -> None:
        """Nothing waits any more."""
        self.machine.remove(f"{self.folder}/pending")
