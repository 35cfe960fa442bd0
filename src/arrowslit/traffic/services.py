"""Which virtual server a listener of the past stands for.

A log names the service that took the connection, each kind of log in its own way, or none. What the administrator
says decides; else a virtual server of the same name; else, for what is plainly a submission service (RFC 6409, RFC
8314), the one virtual server that demands signing in. Everything else is the virtual server that takes mail from
outside. Where a session signed in and the log names no service, it cannot be told which of them it came to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from arrowslit.policy.model import Policy

DEFAULT: Final = "default"
OWN: Final = "virtual server "
"""What our own record puts in front of a virtual server's name: that is no listener of somebody else's."""
_SUBMISSION: Final = re.compile(
    r"submission|smtps|\b(?:465|587)\b|\bclient (?:frontend|proxy)\b|\bmsa\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Services:
    """`named` is what the administrator said: service -> virtual server. `main` takes what is not known."""

    policy: Policy
    main: str = DEFAULT
    named: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def virtual_servers(self, service: str | None, signed_in: bool | None) -> tuple[str, ...]:
        """The virtual server, or several where the log does not tell."""
        servers = self.policy.virtual_servers
        if service is not None and service.startswith(OWN):
            return (service.removeprefix(OWN),)
        if service is not None:
            chosen = self.named.get(service, service)
            if chosen in servers:
                return (chosen,)
            submission = self._submission()
            return (submission if submission and _SUBMISSION.search(service) else self.main,)
        submission = self._submission()
        if submission is None or submission == self.main or signed_in is False:
            return (self.main,)
        return (self.main, submission)

    def _submission(self) -> str | None:
        found = [one.name for one in self.policy.virtual_servers.values() if one.signs_in]
        demanding = [
            name
            for name in found
            if (asked := self.policy.virtual_servers[name].authentication) is not None and asked.required
        ]
        return demanding[0] if len(demanding) == 1 else found[0] if len(found) == 1 else None
