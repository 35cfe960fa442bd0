"""`arrowslit agent`: the process that changes enforcement points on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import settings_option
from arrowslit.cli.output import escaped
from arrowslit.cli.settings import required
from arrowslit.gateway.notify import Notify
from arrowslit.rollout.agent import Agent
from arrowslit.rollout.agent_process import AgentProcess
from arrowslit.rollout.in_force import InForce
from arrowslit.rollout.point import RolloutError


@click.command(
    cls=Examples,
    examples="""
arrowslit agent
arrowslit agent -c /etc/arrowslit/arrowslit.toml
systemctl start arrowslit-agent
""",
)
@settings_option
def agent(settings_path: Path | None) -> int:
    """Change the live enforcement points of this machine for `arrowslit target apply`, with rights of its own.

    It needs the rights that its targets need (nftables: CAP_NET_ADMIN), and to read what the node has taken up. The
    gateway has none of these. Ends with SIGTERM; rules that hold stay in force.
    """
    in_force = InForce(required(settings_path).absolute())
    try:
        folder = in_force.settings().agent.state
    except RolloutError as error:
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
    os.umask(0o077)
    return asyncio.run(_run(Agent(in_force, folder, _say)))


async def _run(agent: Agent) -> int:
    stop, notify = asyncio.Event(), Notify()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready() -> None:
        _say("the agent is ready")
        notify.ready()

    await AgentProcess(agent).run(ready, stop)
    return ExitCode.DONE


def _say(line: str) -> None:
    click.echo(escaped(line), err=True)
