"""The timer that undoes a policy which nobody confirms, kept by the node itself (gateway-behaviour 6, decisions 22).

Terms: a revision is *pending* from its apply until somebody confirms it; then the policy of `back_to` comes back. The
deadline is measured by a clock that goes on while the machine sleeps and that nobody can set. It lies on disk, so a
killed node finds it again; after a restart of the machine that clock has begun anew, so the policy is undone at once.
What was undone here is kept on disk too until the store knows it, since the store may be away just then.

Never takes a policy back itself: it says when. Its files are written whole or not at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from arrowslit.documents.atomic import write_atomically

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Seconds since the machine was started, sleep included."""
    return time.clock_gettime(_CLOCK)


def boot_id() -> str:
    """What names this run of the machine; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back `revision`: the policy of `back_to` is to hold again."""

    revision: int
    back_to: int


@dataclass(frozen=True, slots=True)
class _Armed:
    revision: int
    back_to: int
    seconds: float
    boot: str
    deadline: float


class UndoTimer:
    """At most one pending revision. Raises OSError where the state folder can't be written."""

    def __init__(
        self, state: Path, *, clock: Callable[[], float] = since_boot, boot: Callable[[], str] = boot_id
    ) -> None:
        self._pending, self._undone = state / "pending.json", state / "undone.json"
        self._clock, self._boot = clock, boot()
        self.problem = ""
        """Why a timer that lay on disk is lost; the store arms it again. Empty where all is well."""
        self._armed: _Armed | None = None
        try:
            self._armed = _read_armed(self._pending)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.problem = f"{self._pending} can't be read: {error}"

    def arm(self, revision: int, back_to: int, seconds: float, left: float) -> None:
        """`revision` is pending: `seconds` in all since its apply, `left` of them where that is news to this node.

        A timer that runs for it already keeps its deadline, moved by what was added to `seconds`.
        """
        armed, now = self._armed, self._clock()
        if armed is not None and armed.revision == revision and armed.boot == self._boot:
            if (armed.seconds, armed.back_to) == (seconds, back_to):
                return
            deadline = armed.deadline + seconds - armed.seconds
        else:
            deadline = now + min(max(left, 0.0), seconds)
        self._armed = _Armed(revision, back_to, seconds, self._boot, deadline)
        _write(self._pending, self._armed)

    def disarm(self) -> None:
        """Nothing is pending any more."""
        if self._armed is not None:
            self._pending.unlink(missing_ok=True)
            self._armed = None

    @property
    def pending(self) -> int | None:
        """The revision that is pending here."""
        return None if self._armed is None else self._armed.revision

    def left(self) -> float | None:
        """Seconds until the policy is undone, at least 0; None where nothing is pending."""
        armed = self._armed
        if armed is None:
            return None
        return max(armed.deadline - self._clock(), 0.0) if armed.boot == self._boot else 0.0

    def due(self) -> Undo | None:
        """What is to be undone now."""
        armed = self._armed
        return None if armed is None or self.left() else Undo(armed.revision, armed.back_to)

    def fired(self, undo: Undo) -> None:
        """It was undone here; the store is to be told."""
        _write(self._undone, undo)
        self.disarm()

    def undone(self) -> Undo | None:
        """What was undone here and the store may not know yet."""
        try:
            found = json.loads(self._undone.read_bytes())
            return Undo(int(found["revision"]), int(found["back_to"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def told(self) -> None:
        """The store knows."""
        self._undone.unlink(missing_ok=True)


def _write(path: Path, what: Any) -> None:
    write_atomically(path, json.dumps(asdict(what)).encode(), 0o600)


def _read_armed(path: Path) -> _Armed | None:
    try:
        found = json.loads(path.read_bytes())
        return _Armed(
            int(found["revision"]),
            int(found["back_to"]),
            float(found["seconds"]),
            str(found["boot"]),
            float(found["deadline"]),
        )
    except FileNotFoundError:
        return None
