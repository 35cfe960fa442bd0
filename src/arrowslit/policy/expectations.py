"""Holds a policy against the statements that must stay true of it (decisions 3).

Every virtual server is judged as if its mode were `enforce`. Never looks anything up: what a statement does not give
is taken as absent, and the result names what it rests on.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Any

from arrowslit.mail.address import parse_address
from arrowslit.mail.mailbox_text import parse_forward_path, parse_reverse_path
from arrowslit.policy.ask import ask
from arrowslit.policy.decision import Decision
from arrowslit.policy.facts import UNKNOWN, Certificate, Facts
from arrowslit.policy.model import Expectation, Policy
from arrowslit.policy.parts import ENFORCE


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """What became of one statement. `rests_on` names the facts that it does not give and that counted as absent."""

    expectation: Expectation
    kept: bool
    decision: Decision
    rests_on: tuple[str, ...]

    @property
    def says(self) -> str:
        """The result in one line."""
        wanted = self.expectation.outcome.value
        if self.expectation.at is not None:
            wanted += f" at {self.expectation.at.label}"
        got = f"{self.decision.action.value} at {self.decision.stage.label} ({self.decision.rule})"
        return f"{self.expectation.that}: {'kept' if self.kept else f'wanted {wanted}, got'} {got}"


def check(policy: Policy, date: datetime.date) -> tuple[ExpectationResult, ...]:
    """Every expectation of the policy, judged on `date` (UTC) unless it names its own day."""
    enforced = as_enforced(policy)
    return tuple(_check(enforced, one, date) for one in policy.expectations)


def as_enforced(policy: Policy) -> Policy:
    """The policy with every virtual server in the mode `enforce`."""
    if all(server.mode == ENFORCE for server in policy.virtual_servers.values()):
        return policy
    servers = {name: replace(server, mode=ENFORCE) for name, server in policy.virtual_servers.items()}
    return replace(policy, virtual_servers=servers)


def _check(policy: Policy, one: Expectation, date: datetime.date) -> ExpectationResult:
    asked = ask(policy, facts_of(one, date), to_recipient=one.to is not None)
    decision = asked.decision
    kept = decision.action is one.outcome and one.at in {None, decision.stage}
    return ExpectationResult(one, kept, decision, asked.rests_on)


def facts_of(one: Expectation, date: datetime.date) -> Facts:
    """The facts that a statement gives; the others stay Unknown. Signing in and certificates imply TLS."""
    given: dict[str, Any] = {
        "reverse_name": one.reverse_name,
        "client_name": one.reverse_name,
        "helo_name": one.helo,
        "tls": one.tls,
        "certificate": None if one.certificate is None else certificate(one.certificate),
        "authenticated_as": one.authenticated_as,
        "reverse_path": None if one.mail_from is None else parse_reverse_path(one.mail_from),
        "forward_path": None if one.to is None else parse_forward_path(one.to),
    }
    if one.tls is None and (one.authenticated_as is not None or one.certificate is not None):
        given["tls"] = True
    return Facts(
        virtual_server=one.virtual_server,
        client_address=parse_address(one.from_),
        date=one.on or date,
        own_addresses=UNKNOWN,
        recipient_listed=UNKNOWN,
        **{name: value for name, value in given.items() if value is not None},
    )


def certificate(text: str) -> Certificate:
    """A certificate known by one verified name, or by its digest."""
    return Certificate(text) if text.startswith("sha256:") else Certificate("", frozenset({text}))
