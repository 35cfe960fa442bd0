"""A rehearsal of what a log tells, held against a rehearsal of what really was.

The policies look at different facts. Where the log's answer is certain it must be the true one; where it can't be told
the missing facts must be such that the log does not tell, and there must be one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.rehearsal import Rehearsing
from tests.policy.trees import policy
from tests.traffic.mixed_traffic import Asked, Site

_DAY = datetime.date(2026, 11, 25)
_HEAD = """\
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
"""
_POLICIES = (
    # By address alone.
    """
[virtual_servers.default]
relay_next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ {{ group = "{filter}0/24" }}, {{ group = "{printers}0/24" }} ]
[virtual_servers.default.relay_restrictions]
only_listed = [ {{ group = "{printers}0/24" }} ]
""",
    # By TLS and by signing in.
    """
[virtual_servers.default]
relay_next_hop = "inner"
[virtual_servers.default.authentication]
with = "users"
[virtual_servers.default.connection_control]
only_listed = [ {{ group = "{filter}0/24", require_tls = true }}, {{ group = "{strangers}0/24" }} ]
""",
    # By the reverse-path, and whom nobody lets in.
    """
[virtual_servers.default]
own_domains_from_outside = "reject"
recipient_exceptions = ["postmaster@{domain}"]
[virtual_servers.default.connection_control]
mode = "all_except_listed"
all_except_listed = [ {{ group = "{printers}0/24" }} ]
""",
    # By name, which none of these clients has told.
    """
[virtual_servers.default.connection_control]
only_listed = [ {{ group = "{filter}0/24" }}, {{ domain = "*.partner.example" }} ]
""",
)


def rehearsed_alike(site: Site, pairs: Iterable[tuple[Attempt, Asked]]) -> None:
    """Fails with the first attempt that a policy answers otherwise than it would have answered the truth."""
    held = list(pairs)
    domain = site.mailboxes[0].rpartition("@")[2]
    for text in _POLICIES:
        names = {"filter": site.filter, "strangers": site.strangers, "printers": site.printers, "domain": domain}
        accepted = f'[accepted_domains."{domain}"]\nnext_hop = "inner"\n'
        rehearsing = Rehearsing(policy(_HEAD + accepted + text.format(**names)), _DAY)
        for attempt, asked in held:
            _alike(rehearsing, attempt, asked)


def _alike(rehearsing: Rehearsing, attempt: Attempt, asked: Asked) -> None:
    told, true = rehearsing.answer(attempt), rehearsing.answer(_true(attempt, asked))
    if told.permitted is None:
        lacking = {name for name in told.missing if getattr(attempt, name, None) is None}
        assert lacking, f"{told.missing} is said to be missing, and is told: {attempt}"
        assert set(told.missing) <= lacking | {"virtual_server"}, (told.missing, attempt)
        return
    if attempt.forward_path is None and asked.path is not None:
        return  # only whether it could connect was asked
    assert told.judged is true.judged, (attempt, asked)
    assert true.permitted in {told.permitted, None}, f"{told} for {attempt}, and {true} for {asked}"


def _true(attempt: Attempt, asked: Asked) -> Attempt:
    """The attempt with all that was so. Names are as unknown to the client as they are to the log."""
    return attempt._replace(
        service="smtpd" if attempt.service is None else attempt.service,
        client_address=asked.client_address,
        helo_name=asked.helo_name,
        tls=asked.tls,
        authenticated_as=asked.authenticated_as,
        reverse_path=asked.reverse_path,
        forward_path=asked.path,
    )
