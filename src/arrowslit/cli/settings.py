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


def site_in_force(settings_path: Path | None, date: datetime.date, revision: int | None = None) -> Site | None:
    """What this node has taken up, networks and all, or another revision that it keeps; None where it has none.

    Ends the command where the revision that is asked for is not here.
    """
    from arrowslit.documents.local_copy import LocalCopies  # noqa: PLC0415
    from arrowslit.documents.packed import packed  # noqa: PLC0415
    from arrowslit.documents.settings_file import load_settings  # noqa: PLC0415
    from arrowslit.documents.site import load_site  # noqa: PLC0415

    path = settings_path or installed_settings()
    loaded = None if path is None else load_settings(path)
    if path is None or loaded is None or loaded.settings is None:
        return None
    copies = LocalCopies(loaded.settings.node.state)
    active = copies.active()
    target = copies.newest(revision) if revision is not None else None if active is None else active.target
    if target is None:
        if revision is not None:
            message = f"this node keeps no copy of revision {revision}"
            raise ProblemError(
                message, ExitCode.WRONG_INPUT, f"arrowslit policy export {revision} -o FILE; --policy FILE"
            )
        return None
    copy = copies.path(target.revision)
    return load_site(
        path,
        copy,
        date=date,
        revision=target.revision,
        generation=target.generation,
        contents=packed(copy, target.generation),
        settings_in_force=loaded,
    )


def policy_of(site: Site, output: Output) -> Policy:
    """The policy. Prints what is wrong and ends the command where it does not load."""
    if site.policy is None or not site.loads:
        print_findings(site.errors, output)
        raise ProblemError("the policy does not load", ExitCode.WRONG_INPUT, "every place is shown above")
    return site.policy
