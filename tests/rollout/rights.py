"""The rights that `packaging/` gives the agent on a mail server, and no others, for a program that a test starts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_UNIT: Final = Path(__file__).parents[2] / "packaging/arrowslit-agent-mail.conf"
_OF_THE_TEST: Final = ("sys_chroot", "sys_admin")
"""For the roots that peers live in."""


def rights_of_the_unit() -> tuple[str, ...]:
    """What stands before a program."""
    (line,) = (one for one in _UNIT.read_text().splitlines() if one.startswith("CapabilityBoundingSet="))
    given = [word.removeprefix("CAP_").lower() for word in line.partition("=")[2].split()]
    bounds = ",".join(["-all", *(f"+{one}" for one in (*given, *_OF_THE_TEST))])
    return "setpriv", "--no-new-privs", "--bounding-set", bounds
