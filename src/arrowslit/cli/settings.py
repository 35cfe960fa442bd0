"""Loads files for a command, and prints what is wrong with them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.options import POLICY_NAME, SETTINGS_NAME, installed_settings
from arrowslit.cli.output import Output
from arrowslit.documents.settings import Settings

if TYPE_CHECKING:
    from arrowslit.documents.site import Site
    from arrowslit.policy.model import Policy


def required(settings_path: Path | None) -> Path:
    """The path of the settings, or the error that there are none."""
    path = settings_path or installed_settings()
    if path is None:
        help = f"say where they are: -c /path/to/{SETTINGS_NAME}"
        raise ProblemError(f"there is no {SETTINGS_NAME} here", ExitCode.WRONG_INPUT, help)
    return path


def settings_of(settings_path: Path | None, output: Output) -> Settings:
    """The settings. Prints what is wrong and ends the command where they do not load."""
    from arrowslit.documents.settings_file import load_settings  # noqa: PLC0415 - the parser is heavy

    path = required(settings_path)
    loaded = load_settings(path)
    if loaded.settings is None:
        print_findings(loaded.findings, output)
        raise ProblemError(f"{path} does not load", ExitCode.WRONG_INPUT)
    return loaded.settings


def site_of(
    settings_path: Path | None,
    policy_path: Path | None,
    date: datetime.date,
    certificates_at: float | None = None,
) -> Site:
    """What the files say: of the node where no policy is named, else of that policy alone, as of `date`.

    Files that a named policy names are beside the settings where those are named too, else beside the policy.
    """
    from arrowslit.documents.site import load_site  # noqa: PLC0415

    if settings_path is None and policy_path is None:
        settings_path = installed_settings()
        if settings_path is None and not Path(POLICY_NAME).is_file():
            help = f"name it, or say where the settings are: -c /path/to/{SETTINGS_NAME}"
            raise ProblemError(f"there is no {POLICY_NAME} here", ExitCode.WRONG_INPUT, help)
    revision = 0 if policy_path is not None else 1
    return load_site(settings_path, policy_path, date=date, revision=revision, certificates_at=certificates_at)


def policy_of(site: Site, output: Output) -> Policy:
    """The policy. Prints what is wrong and ends the command where it does not load."""
    if site.policy is None or not site.loads:
        print_findings(site.errors, output)
        raise ProblemError("the policy does not load", ExitCode.WRONG_INPUT, "every place is shown above")
    return site.policy
