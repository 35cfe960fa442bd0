"""Records for what dead workers were about to hand over (decisions 18): outcome "unknown", never a guess."""

from __future__ import annotations

from pathlib import Path

from arrowslit.gateway.alarms import RaiseAlarm
from arrowslit.gateway.intents import all_left_over, left_over
from arrowslit.observe.metrics import Metrics
from arrowslit.observe.record import from_json
from arrowslit.observe.writer import DecisionWriter


class LeftBehind:
    """Turns the intents of the dead into records. `alarm` is told what went wrong."""

    def __init__(self, writer: DecisionWriter, metrics: Metrics, alarm: RaiseAlarm) -> None:
        self._writer, self._metrics, self._alarm = writer, metrics, alarm

    def sweep(self, state_directory: Path) -> None:
        """Look at all files of intents whose owner is dead: at the start of a node."""
        for path in all_left_over(state_directory):
            self.collect(path)

    def collect(self, path: Path) -> None:
        """Report what is in one file, and remove it; a file of a living worker is left alone."""
        try:
            found = left_over(path)
            if found is None:
                return
            path.unlink(missing_ok=True)
        except OSError as error:
            self._alarm("intents-unreadable", f"{path.name}: {error}")
            return
        unreadable = found.torn + sum(not self._report(payload) for payload in found.payloads)
        if found.payloads:
            self._alarm("outcome-unknown", f"a worker died while {len(found.payloads)} messages were handed over")
        if unreadable:
            self._alarm("intents-torn", f"{unreadable} intents of a dead worker can't be read")

    def _report(self, payload: bytes) -> bool:
        """Write the record; False where the payload is none."""
        try:
            record = from_json(payload)._replace(outcome="unknown")
        except (ValueError, TypeError):
            return False
        self._writer.write(record)
        self._metrics.add("arrowslit_unknown_outcomes")
        return True
