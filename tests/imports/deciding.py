"""What a policy says of one session, as tests ask it."""

from __future__ import annotations

from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.targets.truth import TODAY


def permits(
    policy: Policy,
    address: str,
    to: str,
    server: str = "default",
    *,
    name: str | None = None,
    signed_in: bool = False,
    tls: bool = False,
) -> bool:
    """Whether the recipient is permitted; the client's name is forward-confirmed."""
    asked = Expectation(
        "",
        address,
        Action.PERMIT,
        server,
        reverse_name=name,
        authenticated_as="anna" if signed_in else None,
        tls=tls,
        mail_from="x@sender.test",
        to=to,
    )
    return explain(policy, facts_of(asked, TODAY)).decision.permitted
