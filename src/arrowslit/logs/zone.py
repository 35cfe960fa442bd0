"""The time zone of this machine by its name, so that summer and winter of a log are told apart.

Today's offset alone would put every line of the other half of the year an hour off.
"""

from __future__ import annotations

import datetime
import os
import zoneinfo
from pathlib import Path
from typing import Final

_LOCALTIME: Final = Path("/etc/localtime")
_FOLDER: Final = "zoneinfo/"


def local_zone(link: Path = _LOCALTIME) -> datetime.tzinfo:
    """The zone that TZ names, or the link of the machine; where neither names one, today's offset."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            name = str(link.resolve(strict=True)).partition(_FOLDER)[2]
        except (OSError, RuntimeError):
            name = ""
    name = name.removeprefix("posix/").removeprefix("right/")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.datetime.now().astimezone().tzinfo or datetime.UTC
