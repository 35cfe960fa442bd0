"""Loads files for a command, and prints what is wrong with them."""

from __future__ import annotations

from pathlib import Path

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.options import SETTINGS_NAME
from arrowslit.cli.output import Output
from arrowslit.documents.settings import Settings


def required(settings_path: Path | None) -> Path:
    """The path of the settings, or the error that there are none."""
    if settings_path is None:
        help = f"say where they are: -c /path/to/{SETTINGS_NAME}"
        raise ProblemError(f"no {SETTINGS_NAME} here", ExitCode.WRONG_INPUT, help)
    return settings_path


def settings_of(settings_path: Path | None, output: Output) -> Settings:
    """The settings. Prints what is wrong and ends the command where they do not load."""
    from arrowslit.documents.files import Placed  # noqa: PLC0415
    from arrowslit.documents.settings_file import load_settings  # noqa: PLC0415 - the parser is heavy

    path = required(settings_path)
    loaded = load_settings(path)
    if loaded.settings is None:
        print_findings([Placed(loaded.document, finding) for finding in loaded.findings], output)
        raise ProblemError(f"{path} does not load", ExitCode.WRONG_INPUT)
    return loaded.settings
