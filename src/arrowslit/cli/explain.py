"""`arrowslit explain ADDRESS`: what would happen to a client or a mail, and why. Asks the one decision function.

A fact that is not given is taken as absent, and the answer says which of these it rests on.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.explanation import as_json, as_text
from arrowslit.cli.group import Examples
from arrowslit.cli.options import date_option, output_options, policy_option, settings_option
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import policy_of, site_in_force, site_of
from arrowslit.mail.address import parse_address
from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox_text import parse_forward_path, parse_reverse_path
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain as explained
from arrowslit.policy.parts import Expectation


def _checked(parse: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A callback that lets through what `parse` takes, and says so where it does not."""

    def check(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
        if given is not None:
            try:
                parse(given)
            except ValueError as error:
                raise click.BadParameter(escaped(str(error))) from None
        return given

    return check


def _address(text: str) -> object:
    try:
        return parse_address(text)
    except ValueError:
        raise ValueError(f'"{text}" is no address') from None


def _name(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    try:
        return None if given is None else normalise_domain(given)
    except ValueError as error:
        raise click.BadParameter(escaped(str(error))) from None


@click.command(
    cls=Examples,
    examples="""
arrowslit explain 203.0.113.9
arrowslit explain 203.0.113.9 --to bob@example.org --tls
arrowslit explain 203.0.113.9 --to bob@example.org --policy draft.toml --json
""",
)
@click.argument("address", callback=_checked(_address))
@click.option("--mail-from", "--from", "mail_from", callback=_checked(parse_reverse_path), help="The reverse-path.")
@click.option("--to", callback=_checked(parse_forward_path), help="The recipient; without one: may it connect?")
@click.option("--helo", help="The name that it says in EHLO.")
@click.option("--reverse-name", callback=_name, help="Its reverse name, forward-confirmed.")
@click.option("--tls", is_flag=True, default=None, help="In TLS.")
@click.option("--certificate", help='The certificate it shows: a name, or "sha256:" and the digest.')
@click.option("--authenticated-as", help="Who signed in.")
@date_option
@click.option("--virtual-server", default="default", show_default=True, help="Where it connects to.")
@click.option("--revision", type=int, metavar="N", help="Ask that revision instead of the active one.")
@policy_option
@settings_option
@output_options
def explain(
    address: str,
    virtual_server: str,
    date: datetime.date,
    revision: int | None,
    policy_path: Path | None,
    settings_path: Path | None,
    output: Output,
    **given: Any,
) -> int:
    """What would happen if ADDRESS connected, or sent a mail, and why.

    Asked is the policy that the node has taken up, else policy.toml. Facts that are not given count as absent. The exit
    code is 0 whatever the answer is.
    """
    site = None if policy_path is not None else site_in_force(settings_path, date, revision)
    policy = policy_of(site or site_of(settings_path, policy_path, date), output)
    if virtual_server not in policy.virtual_servers:
        raise _no_server(virtual_server, list(policy.virtual_servers))
    question = Expectation("", address, Action.PERMIT, virtual_server, **given)
    facts = facts_of(question, date)
    answer = explained(policy, facts)
    if output.as_json:
        output.json(**as_json(answer))
    else:
        output.data(as_text(answer, policy, facts))
    return ExitCode.DONE


def _no_server(name: str, known: list[str]) -> ProblemError:
    near = get_close_matches(name, known, 1)
    help = f'did you mean "{near[0]}"?' if near else f"the policy has: {', '.join(known)}"
    return ProblemError(f'the policy has no virtual server "{name}"', ExitCode.WRONG_INPUT, help)
