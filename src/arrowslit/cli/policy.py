"""`arrowslit policy lint|test|show`: is it right, does what must stay true hold, what does it say."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import click

from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import counted, finding_json, in_order, print_findings
from arrowslit.cli.group import Examples, Lazy, LazyGroup
from arrowslit.cli.options import Command, date_option, output_options, settings_option
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.cli.settings import policy_of, site_of
from arrowslit.documents.site import Site


@click.group(
    cls=LazyGroup,
    lazy={
        "lint": Lazy("arrowslit.cli.policy:lint", "What is wrong or doubtful in it."),
        "test": Lazy("arrowslit.cli.policy:test", "Whether its expectations hold."),
        "show": Lazy("arrowslit.cli.policy:show", "The policy as it was understood."),
        "rehearse": Lazy("arrowslit.cli.policy_rehearse:rehearse", "What it would have done to past traffic."),
        "import": Lazy("arrowslit.cli.policy_import:import_", "A policy from another server's settings."),
        "diff": Lazy("arrowslit.cli.policy_change:diff", "What differs between two policies."),
        "apply": Lazy("arrowslit.cli.policy_change:apply", "Make it the active policy of all nodes."),
        "history": Lazy("arrowslit.cli.policy_change:history", "Who changed it when."),
        "export": Lazy("arrowslit.cli.policy_change:export", "The text of a revision."),
    },
    examples="""
arrowslit policy lint
arrowslit policy test draft.toml
arrowslit policy apply --confirm-within 10m
""",
)
def policy() -> None:
    """Check, show and apply a policy: that of the node, or the one in FILE."""


def _file(command: Command) -> Command:
    return click.argument("policy_path", metavar="[FILE]", required=False, type=click.Path(path_type=Path))(command)


def _moment(date: datetime.date) -> float:
    """The Unix time that certificates are looked at: now, or the beginning (UTC) of another day than today."""
    now = datetime.datetime.now(datetime.UTC)
    if date == now.date():
        return now.timestamp()
    return datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp()


def _code(site: Site) -> ExitCode:
    if site.policy is None or not site.loads:
        return ExitCode.WRONG_INPUT
    return ExitCode.ANSWER_IS_NO if site.errors else ExitCode.DONE


@click.command(
    cls=Examples,
    examples="""
arrowslit policy lint
arrowslit policy lint draft.toml
arrowslit policy lint --json
""",
)
@_file
@date_option
@settings_option
@output_options
def lint(policy_path: Path | None, settings_path: Path | None, date: datetime.date, output: Output) -> int:
    """What is wrong or doubtful in the policy, and in the node's settings.

    Exit code 2 where something does not load, 3 where a finding is an error, 0 with warnings only.
    """
    site = site_of(settings_path, policy_path, date, _moment(date))
    if output.as_json:
        output.json(loads=site.policy is not None, findings=[finding_json(one) for one in in_order(site.findings)])
    else:
        print_findings(site.findings, output, as_data=True)
        output.note(counted(site.findings) or "no findings")
    return _code(site)


@click.command(
    cls=Examples,
    examples="""
arrowslit policy test
arrowslit policy test draft.toml
arrowslit policy test --json
""",
)
@_file
@date_option
@settings_option
@output_options
def test(policy_path: Path | None, settings_path: Path | None, date: datetime.date, output: Output) -> int:
    """Whether the policy's expectations hold.

    Exit code 3 where one is broken.
    """
    site = site_of(settings_path, policy_path, date)
    policy_of(site, output)
    if output.as_json:
        output.json(
            expectations=[
                {
                    "that": one.expectation.that,
                    "kept": one.kept,
                    "wanted": one.expectation.outcome.value,
                    "action": one.decision.action.value,
                    "stage": one.decision.stage.label,
                    "rule": one.decision.rule,
                    "rests_on": list(one.rests_on),
                }
                for one in site.expectations
            ]
        )
    else:
        _print_results(site, output)
    return ExitCode.ANSWER_IS_NO if site.broken_expectations else ExitCode.DONE


def _print_results(site: Site, output: Output) -> None:
    for one in site.expectations:
        word = painted("kept  ", Style.GOOD, sys.stdout) if one.kept else painted("broken", Style.BAD, sys.stdout)
        output.data(f"{word}  {escaped(one.expectation.that)}")
        decision = one.decision
        if not one.kept:
            wanted = one.expectation.outcome.value
            at = f" at {one.expectation.at.label}" if one.expectation.at is not None else ""
            output.data(f"        wanted  {wanted}{at}")
            output.data(f"        got     {decision.action.value} at {decision.stage.label}")
            output.data(f"        rule    {escaped(decision.rule)}")
    broken = len(site.broken_expectations)
    kept = len(site.expectations) - broken
    output.note(f"{kept} kept, {broken} broken" if site.expectations else "the policy has no expectations")


@click.command(
    cls=Examples,
    examples="""
arrowslit policy show
arrowslit policy show draft.toml
arrowslit policy show --json
""",
)
@_file
@date_option
@settings_option
@output_options
def show(policy_path: Path | None, settings_path: Path | None, date: datetime.date, output: Output) -> int:
    """The policy as it was understood, as a file again: normal forms, no comments, no defaults."""
    from arrowslit.policy.show import render  # noqa: PLC0415

    site = site_of(settings_path, policy_path, date)
    rendered = render(policy_of(site, output))
    if output.as_json:
        output.json(revision=site.policy.revision if site.policy else 0, hash=site.policy_hash, policy=rendered)
    else:
        output.data(rendered.rstrip("\n"))
    return ExitCode.DONE
