"""What a kill in the middle of a script looks like: from one of its commands on, none does anything any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arrowslit.rollout.commands import Commands, FailedError

_STOPS = """\
#!/bin/sh
case "$*" in
{changes}) ;;
*) exec {program} "$@" ;;
esac
read -r left <{folder}/left
echo $((left - 1)) >{folder}/left
if [ "$left" -le 0 ]; then exit 99; fi
exec {program} "$@"
"""


@dataclass(frozen=True, slots=True)
class Stopping(Commands):
    """Commands whose scripts stop so; `error` is raised then."""

    left: Path = Path()
    error: Callable[[], BaseException] = RuntimeError

    def run(self, *argv: str, given: str = "") -> str:
        try:
            return Commands.run(self, *argv, given=given)
        except FailedError:
            if int(self.left.read_text()) < 0:
                raise self.error() from None
            raise


def stopping(
    commands: Commands,
    folder: Path,
    inside: str,
    program: str,
    changes: str,
    at: int,
    error: Callable[[], BaseException],
) -> Stopping:
    """`folder` is what the place calls `inside`, looked into for programs before all others; `changes` is a pattern."""
    folder.mkdir(exist_ok=True)
    (folder / "left").write_text(f"{at}\n")
    wrapper = folder / Path(program).name
    wrapper.write_text(_STOPS.format(changes=changes, program=program, folder=inside))
    wrapper.chmod(0o755)
    return Stopping(commands.prefix, commands.seconds, folder / "left", error)
