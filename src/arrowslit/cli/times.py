"""Times on the command line: `10m`, `2h`, `30d`."""

from __future__ import annotations

import re
from typing import Any, Final

import click

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


DURATION: Final = Duration()
