"""`arrowslit serve`: reads the files, says what is wrong with them, and runs the node until it is told to stop.

A reload (SIGHUP) reads the settings again; the policy stays the active one until another is applied. What may not be
served is told in full and changes nothing.
"""

from __future__ import annotations

from pathlib import Path

import click

from arrowslit.app import Active, NotAdmissibleError, run, take_up, take_up_copy
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options, policy_option, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import required
from arrowslit.documents.local_copy import Target
from arrowslit.documents.settings_file import LoadedSettings
from arrowslit.documents.site import Site
from arrowslit.gateway.plan import NodePlan, PolicySource
from arrowslit.gateway.status import policy_file_differs
from arrowslit.store.errors import StoreError


@click.command(
    cls=Examples,
    examples="""
arrowslit serve
arrowslit serve -c /etc/arrowslit/arrowslit.toml
arrowslit serve -c arrowslit.toml --policy policy.toml
""",
)
@policy_option
@settings_option
@output_options
def serve(policy_path: Path | None, settings_path: Path | None, output: Output) -> int:
    """Run the gateway.

    SIGHUP takes up changed settings, SIGTERM and Ctrl-C let sessions end (the second time: at once). Exit code 2 where
    the files do not load, 3 where the policy may not be applied.
    """
    settings = required(settings_path)

    in_force: LoadedSettings | None = None

    def reload(target: Target | None) -> NodePlan:
        """With a target another policy, else other settings: one change at a time."""
        nonlocal in_force
        try:
            active = take_up_copy(settings, policy_path, target, in_force if target is not None else None)
        except NotAdmissibleError as error:
            _print_problems(error.site, output)
            raise
        _print_taken_up(active, output)
        in_force = active.settings
        return active.plan

    try:
        active = take_up(settings, policy_path)
    except NotAdmissibleError as error:
        _print_problems(error.site, output)
        raise _refusal(error.site) from None
    except StoreError as error:
        raise ProblemError(str(error), ExitCode.FAILED) from None
    in_force = active.settings
    if active.problem:
        output.problem(f"warning: {escaped(active.problem)}")
    _print_taken_up(active, output)
    if output.as_json:
        output.json(
            node=active.plan.name,
            revision=active.plan.policy.revision,
            listeners=[listener.address for listener in active.plan.listeners],
        )
    return run(active, reload, lambda line: output.problem(escaped(line)))


def _print_problems(site: Site, output: Output) -> None:
    print_findings(site.findings, output)
    for result in site.broken_expectations:
        output.problem(f"error: expectation broken: {escaped(result.says)}\n")


def _refusal(site: Site) -> ProblemError:
    if site.policy is None or not site.loads:
        return ProblemError("the files do not load; nothing was started", ExitCode.WRONG_INPUT)
    help = "put it right, or waive a finding by name: [[waivers]]"
    return ProblemError("the policy may not be applied; nothing was started", ExitCode.ANSWER_IS_NO, help)


def _print_taken_up(active: Active, output: Output) -> None:
    print_findings(active.site.findings, output)
    source = active.plan.policy
    output.note(_which(source))
    certificate = active.certificate
    if certificate is not None and certificate.made:
        output.problem(f"made a self-signed certificate: {escaped(str(certificate.certificate))}")


def _which(source: PolicySource) -> str:
    if source.file is None:
        return f"revision {source.revision} is active"
    file = escaped(str(source.file))
    if policy_file_differs(source):
        return f"revision {source.revision} is active; {file} differs from it: arrowslit policy apply"
    return f"revision {source.revision} is the policy in {file}"
