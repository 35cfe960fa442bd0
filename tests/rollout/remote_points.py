"""What the tests of points over an API share: policies, an agent's death at a step, and who reaches the mail server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arrowslit.rollout.web_api import WebApi
from arrowslit.targets.rules import Rules, rules_of
from tests.rollout.api_server import Asked
from tests.targets.samples import SMALL
from tests.targets.truth import TODAY, policy_of

FILTER, BRANCH, STRANGER = "83.245.15.239", "203.0.113.77", "203.0.113.99"
FILTER6, STRANGER6 = "2001:db8:25::1", "2001:db8:99::1"
CLIENTS = (FILTER, BRANCH, STRANGER, FILTER6, STRANGER6)
NARROW = SMALL.replace('  { computer = "203.0.113.77", note = "branch in Leeds" },\n', "")
OTHER = NARROW.replace('"203.0.113.40-203.0.113.44"', '"203.0.113.98-203.0.113.99"')
V4_ONLY = SMALL.replace('"2001:db8:25::/48", ', "")
V6_ONLY = (
    SMALL.partition("[virtual_servers.default.connection_control]")[0].replace(
        '"83.245.15.239", "2001:db8:25::/48", "198.51.100.10-198.51.100.20"', '"2001:db8:25::/48"'
    ).replace('except = ["198.51.100.13"]\n', "")
    + '[virtual_servers.default.connection_control]\nonly_listed = [{ network = "filter" }]\n'
)  # fmt: skip
NOBODY = V6_ONLY.replace('[{ network = "filter" }]', "[]")
OBSERVING = SMALL.replace("[virtual_servers.default]\n", '[virtual_servers.default]\nmode = "observe"\n')


def rules(text: str) -> Rules:
    return rules_of(policy_of(text), "default", TODAY)


def many(number: int) -> str:
    """A policy with so many ranges that can't be joined."""
    lines = ", ".join(f'"11.{n >> 15}.{n >> 7 & 255}.{(n & 127) * 2}"' for n in range(number))
    return NARROW.replace('"198.51.100.10-198.51.100.20"', lines)


class Killed(BaseException):
    """The agent died."""


@dataclass
class Dying(WebApi):
    """An API over which an agent dies at a request that changes something: before it is sent, or after it was done."""

    at: int = 0
    after: bool = False
    count: int = 0

    def ask(self, method: str, path: str, body: Any = None, query: Any = None) -> Any:
        if not Asked(method, path).writes:
            return super().ask(method, path, body, query)
        self.count += 1
        if self.count == self.at and not self.after:
            raise Killed
        found = super().ask(method, path, body, query)
        if self.count == self.at:
            raise Killed
        return found
