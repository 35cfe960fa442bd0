"""Times on the command line: durations as `10m`, `2h`, `30d`, and moments as `2h` (ago) or `2026-11-25T14:30`."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any, Final

import click

from arrowslit.cli.output import escaped

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM: Final = re.compile(r"([0-9]{1,6})([smhd])")


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """Seconds, from a whole number and its unit."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds. A number without a unit is refused: nobody knows whether it is minutes."""
        if isinstance(value, float):
            return value
        found = _FORM.fullmatch(str(value))
        if found is None:
            self.fail("write a whole number and its unit: 30s, 10m, 2h, 30d", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """Unix seconds, from how long ago it was or from an ISO 8601 time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The moment. One without a zone is in UTC, as everything that is shown."""
        if isinstance(value, float):
            return value
        try:
            return moment(str(value), time.time())
        except (ValueError, OverflowError):
            says = f'"{escaped(str(value))}" is no time: write 2h or 7d (ago), or 2026-11-25T14:30 (UTC)'
            self.fail(says, param, ctx)


def moment(text: str, now: float) -> float:
    """Unix seconds of a moment as people write it. Raises ValueError and OverflowError."""
    ago = _FORM.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _UNITS[ago[2]]
    found = datetime.datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp()


def shown(moment: float) -> str:
    """A moment in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


DURATION: Final = Duration()
MOMENT: Final = Moment()
