"""Postfix's reader against the log of a real Postfix that took mixed traffic: each recipient as it was, or not told."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE
from tests.peers import postfix, process
from tests.peers.accounts import accounts
from tests.peers.certs import Authority
from tests.traffic.held_against import hold, read_real, truth_of
from tests.traffic.mixed_traffic import SITE, carry_out, sessions

pytestmark = [pytest.mark.peer("postfix")]

SETTINGS = {
    "mynetworks": "127.0.4.0/24",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_recipient_restrictions": "permit_mynetworks, permit_sasl_authenticated, "
    "check_client_access cidr:{{127.0.2.0/24 OK}}, reject",
    "relayhost": "[127.0.0.1]:9",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_error_sleep_time": "0",
}
# A HELO name with anything strange in it is shown with `?`; accepted mail has none, and where no message followed no
# paths. Who signed in stands only where a recipient was accepted.
MAY_LACK = {
    PERMITTED: {"helo_name", "forward_path", "reverse_path"},
    REFUSED: {"helo_name"},
    REFUSED_OTHERWISE: {"helo_name", "authenticated_as"},
}


def test_each_recipient_is_told_as_it_was(running: ExitStack, authority: Authority) -> None:
    port = running.enter_context(accounts({SITE.user[0]: SITE.user[1]}))
    server = running.enter_context(
        postfix.next_hop(
            SITE.mailboxes,
            certificate=authority.issue("postfix.test"),
            settings=SETTINGS | {"smtpd_sasl_path": f"inet:127.0.0.1:{port}"},
        )
    )
    asked = carry_out(*server.at, sessions(7, 50, tls=True, sign_in=True))
    assert any(one.authenticated_as for one in asked)
    log = server.folder / "postfix.log"
    taken = sum(one.taken for one in asked)
    process.until(lambda: _delivered(log.read_text()) >= taken, 5)

    attempts, tally = read_real(log.read_text())
    assert tally.not_understood == 0, tally.problems
    hold(attempts, asked, truth_of(SITE), may_lack=MAY_LACK, lost=lambda one: one.accepted and not one.taken)
    assert _delivered(log.read_text()) == taken
    nameless = sum(one.authenticated_as is None for one in attempts)
    assert nameless <= sum(bool(one.authenticated_as) for one in asked)


def _delivered(text: str) -> int:
    attempts, _ = read_real(text, "syslog")
    return sum(one.told == PERMITTED and one.forward_path is not None for one in attempts)
