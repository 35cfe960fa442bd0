"""Runs nft(8): texts in, JSON out (libnftables-json(5)). Needs CAP_NET_ADMIN."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.rollout.commands import Commands, FailedError
from arrowslit.rollout.point import RolloutError

_NO_SUCH: Final = "No such file or directory"

Objects = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Nft:
    """The program, and how commands are run where it works, such as in a network namespace."""

    program: Sequence[str] = ("nft",)
    commands: Commands = field(default_factory=Commands)

    def load(self, text: str) -> None:
        """Do all that `text` says in one transaction, or nothing. Raises RolloutError."""
        self._run("-f", "-", given=text)

    def table(self, name: str) -> Objects:
        """The objects of our table; none where it is not there."""
        try:
            return self._objects("list", "table", "inet", name)
        except FailedError as error:
            if _NO_SUCH in str(error):
                return []
            raise

    def made(self, text: str, table: str) -> Objects:
        """The objects of a table right after `text` was loaded in a network namespace that nobody uses."""
        argv = (
            "unshare",
            "--user",
            "--map-root-user",
            "--net",
            "sh",
            "-c",
            f'"$@" -f - && "$@" -j list table inet {table}',
            "sh",
            *self.program,
        )
        return _objects(Commands(seconds=self.commands.seconds).run(*argv, given=text))

    def ruleset(self) -> Objects:
        """Every object of every table, without the elements of sets."""
        return self._objects("-t", "list", "ruleset")

    def has(self, table: str, set_: str, element: str) -> bool:
        """Whether the kernel finds an address in a set."""
        try:
            self._run("get", "element", "inet", table, set_, "{", element, "}")
        except FailedError as error:
            if _NO_SUCH in str(error):
                return False
            raise
        return True

    def _objects(self, *arguments: str) -> Objects:
        return _objects(self._run("-j", *arguments))

    def _run(self, *arguments: str, given: str = "") -> str:
        return self.commands.run(*self.program, *arguments, given=given)


def _objects(answer: str) -> Objects:
    try:
        found: Objects = json.loads(answer)["nftables"]
    except (ValueError, KeyError, TypeError):
        raise RolloutError("the answer of nft can't be read") from None
    return [one for one in found if "metainfo" not in one]
