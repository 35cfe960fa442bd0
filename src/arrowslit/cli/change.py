"""What all commands that make a new revision have in common: judge it, rehearse it, apply it, say what became of it.

Nothing is changed unless the policy may be applied: it loads, no error is left, every expectation holds, it opens
nothing by its modes without `--widen`. Whoever was overtaken by somebody else gets exit code 4 and loses nothing.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arrowslit.cli.change_text import applied, rehearsed
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.line import client_address, connection
from arrowslit.cli.new_networks import NewNetworks
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.settings import required, settings_of
from arrowslit.cli.store_access import author

if TYPE_CHECKING:
    from arrowslit.documents.site import Site
    from arrowslit.mail.address_set import AddressSet
    from arrowslit.policy.model import Policy
    from arrowslit.store.database import Database
    from arrowslit.store.values import Head, NetworkState, NodeState
    from arrowslit.traffic.rehearsal import Rehearsal

_NODES_SECONDS: Final = 10.0
_ALIVE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to become a revision, and how. `expected` is the revision that he saw as active."""

    text: str
    name: str
    kind: str
    message: str
    expected: int
    confirm_within: float | None = None
    widen: bool = False
    yes: bool = False
    dry_run: bool = False


def head_of(database: Database) -> Head:
    """What is active. Ends the command where nothing is yet."""
    head = database.revisions.head()
    if head is None:
        help = "start the node, which takes up its policy.toml: arrowslit serve"
        raise ProblemError("there is no policy in the store yet", ExitCode.FAILED, help)
    return head


def text_of(database: Database, number: int) -> str:
    """The text of a revision. Ends the command where there is none."""
    revision = database.revisions.get(number)
    if revision is None:
        raise ProblemError(f"there is no revision {number}", ExitCode.WRONG_INPUT, "see: arrowslit policy history")
    return revision.text


def judged(
    database: Database,
    settings_path: Path | None,
    text: str,
    name: str,
    revision: int,
    states: Mapping[str, NetworkState] | None = None,
) -> Site:
    """The site as it would be with that policy, networks as the store has them unless `states` are given."""
    from arrowslit.documents.site import load_site  # noqa: PLC0415
    from arrowslit.upkeep.living import contents  # noqa: PLC0415

    path = required(settings_path)
    known = _contents(contents, text, database.networks.states() if states is None else states)
    today = datetime.datetime.now(datetime.UTC)
    return load_site(
        path, Path(name), date=today.date(), revision=revision, certificates_at=time.time(), contents=known, text=text
    )


def _contents(
    contents: Callable[[str, Mapping[str, NetworkState]], dict[str, AddressSet]],
    text: str,
    states: Mapping[str, NetworkState],
) -> dict[str, AddressSet]:
    """Nothing for a text that is no TOML: what is wrong with it is said where it is judged."""
    from arrowslit.documents.toml import TomlError  # noqa: PLC0415

    try:
        return contents(text, states)
    except TomlError:
        return {}


def make(database: Database, settings_path: Path | None, wish: Wish, output: Output) -> int:
    """Do all of it; the exit code."""
    head = head_of(database)
    _not_overtaken(head, wish)
    _nothing_waits(head, wish)
    networks = NewNetworks(database, required(settings_path), settings_of(settings_path, output), wish.text)
    site = judged(database, settings_path, wish.text, wish.name, head.revision + 1, networks.states)
    policy = _admissible(site, head, output)
    networks.must_be_known()
    before = judged(database, settings_path, text_of(database, head.revision), "active", head.revision).policy
    _not_wider(before, policy, wish, head)
    _ready_to_enforce(database, settings_path, before, policy, wish, output)
    rehearsal, whole = _rehearse(database, policy)
    if wish.dry_run:
        return _dry(head, rehearsal, whole, output)
    _ask(rehearsal, whole, wish, output)
    with networks.kept():
        head = database.revisions.apply(
            wish.text,
            expected=wish.expected,
            kind=wish.kind,
            author=author(),
            message=wish.message,
            confirm_within=wish.confirm_within,
            connection=connection(),
        )
    nodes = wait_for_nodes(database, head.revision)
    if output.as_json:
        output.json(**applied(head, nodes), rehearsal=rehearsed(rehearsal, whole))
    else:
        say(head, nodes, output)
    return ExitCode.DONE


def _not_overtaken(head: Head, wish: Wish) -> None:
    if head.revision != wish.expected:
        help = f"see what changed: arrowslit policy diff {wish.expected} {head.revision}; your text was not touched"
        message = f"revision {head.revision} is active, and this was made from revision {wish.expected}"
        raise ProblemError(message, ExitCode.CHANGED_BY_OTHERS, help)


def _nothing_waits(head: Head, wish: Wish) -> None:
    """What nobody has confirmed must not become lasting by the way."""
    if head.pending is not None and wish.confirm_within is None:
        help = "first: arrowslit confirm, or arrowslit undo; or give this one a time too: --confirm-within 10m"
        raise ProblemError(f"revision {head.revision} waits to be confirmed", ExitCode.FAILED, help)


def _admissible(site: Site, head: Head, output: Output) -> Policy:
    print_findings(site.errors, output)
    for result in site.broken_expectations:
        output.problem(f"error: expectation broken: {escaped(result.says)}\n")
    stays = f"nothing was changed; revision {head.revision} stays active"
    if site.policy is None or not site.loads:
        raise ProblemError(f"the policy does not load; {stays}", ExitCode.WRONG_INPUT)
    if not site.admissible:
        help = "put it right, or waive a finding by name: [[waivers]]"
        raise ProblemError(f"the policy may not be applied; {stays}", ExitCode.ANSWER_IS_NO, help)
    return site.policy


def _not_wider(before: Policy | None, after: Policy, wish: Wish, head: Head) -> None:
    from arrowslit.policy.widening import widenings  # noqa: PLC0415

    found = [] if before is None or wish.widen else widenings(before, after)
    if found:
        says = "; ".join(f"{one.key}: {one.says}" for one in found)
        message = f"this opens more than revision {head.revision}: {escaped(says)}; nothing was changed"
        raise ProblemError(message, ExitCode.ANSWER_IS_NO, "say that it is meant: --widen")


def _ready_to_enforce(
    database: Database, settings_path: Path | None, before: Policy | None, after: Policy, wish: Wish, output: Output
) -> None:
    """Where a virtual server begins to bite, all that must be right before that is looked at (`arrowslit doctor`)."""
    if wish.yes or not newly_enforced(before, after):
        return
    from arrowslit.checkup.checks import must_be_mended  # noqa: PLC0415
    from arrowslit.cli.doctor import examined, lines  # noqa: PLC0415

    settings = settings_of(settings_path, output)
    checks = examined(settings, after, required(settings_path).parent, client_address(), database=database)
    bad = must_be_mended(checks)
    for one in bad:
        output.problem("\n".join(lines(one)))
    if bad:
        names = ", ".join(newly_enforced(before, after))
        message = f"{names} is not ready to be enforced; nothing was changed"
        raise ProblemError(message, ExitCode.ANSWER_IS_NO, "mend that (see: arrowslit doctor), or insist: --yes")


def newly_enforced(before: Policy | None, after: Policy) -> list[str]:
    """The virtual servers that only watched or deferred, and would refuse now."""
    if before is None:
        return []
    return [
        name
        for name, server in after.virtual_servers.items()
        if server.mode == "enforce"
        and name in before.virtual_servers
        and before.virtual_servers[name].mode != "enforce"
    ]


def _rehearse(database: Database, policy: Policy) -> tuple[Rehearsal, bool]:
    from arrowslit.upkeep.replay import rehearse  # noqa: PLC0415

    return rehearse(database.decisions, policy, datetime.datetime.now(datetime.UTC).date())


def _dry(head: Head, rehearsal: Rehearsal, whole: bool, output: Output) -> int:
    if output.as_json:
        output.json(revision=head.revision, dry_run=True, rehearsal=rehearsed(rehearsal, whole))
    else:
        output.data("\n".join(rehearsed_lines(rehearsal, whole)))
        output.note(f"nothing was changed; revision {head.revision} stays active")
    return ExitCode.DONE


def _ask(rehearsal: Rehearsal, whole: bool, wish: Wish, output: Output) -> None:
    if not output.as_json:
        for line in rehearsed_lines(rehearsal, whole):
            output.note(line)
    doubtful = bool(rehearsal.newly_refused) and wish.confirm_within is None and not wish.yes
    if doubtful and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("Apply it all the same?", abort=True, err=True)


def rehearsed_lines(rehearsal: Rehearsal, whole: bool) -> list[str]:
    """The rehearsal for a reader."""
    from arrowslit.cli.change_text import rehearsal_lines  # noqa: PLC0415

    return rehearsal_lines(rehearsal, whole, time.time())


def wait_for_nodes(database: Database, revision: int) -> list[NodeState]:
    """The nodes that were seen lately, once all of them have that revision or say why not."""
    end = time.monotonic() + _NODES_SECONDS
    while True:
        now = time.time()
        nodes = [node for node in database.nodes.list() if abs(now - node.seen) < _ALIVE_SECONDS]
        if all(node.revision == revision or node.problem for node in nodes) or time.monotonic() > end:
            return nodes
        time.sleep(0.1)


def say(head: Head, nodes: list[NodeState], output: Output) -> None:
    """What is active where, and until when."""
    from arrowslit.cli.change_text import applied_lines  # noqa: PLC0415

    lines, problems = applied_lines(head, nodes)
    for line in lines:
        output.data(line)
    for line in problems:
        output.problem(line)
