"""Opens the store that the settings name, for commands, and puts its errors into the command line's words."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import settings_of

if TYPE_CHECKING:
    from arrowslit.store.database import Database


@contextmanager
def open_store(settings_path: Path | None, output: Output) -> Iterator[Database]:
    """The store of the node whose settings these are. Ends the command where it can't be used.

    What is active having been changed by somebody else is exit code 4.
    """
    location = settings_of(settings_path, output).store

    from arrowslit.store.database import open_database  # noqa: PLC0415 - takes 160 ms to import
    from arrowslit.store.errors import ChangedByOthersError, StoreError  # noqa: PLC0415

    try:
        database = open_database(location)
        try:
            yield database
        finally:
            database.close()
    except ChangedByOthersError as error:
        help = "look at it first: arrowslit policy diff; your file was not touched"
        raise ProblemError(escaped(str(error)), ExitCode.CHANGED_BY_OTHERS, help) from None
    except StoreError as error:
        raise ProblemError(escaped(str(error)), ExitCode.FAILED) from None


def author() -> str:
    """Who gives the command, for the history: behind sudo, who called it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
