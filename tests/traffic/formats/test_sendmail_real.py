"""Sendmail's reader against the log of a real Sendmail that took mixed traffic.

Signing in wants a library that is not in its root: samples by hand have it.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE
from tests.peers import process, sendmail, syslog
from tests.peers.certs import Authority
from tests.traffic.held_against import hold, read_real, truth_of
from tests.traffic.mixed_traffic import Site, carry_out, sessions

pytestmark = [pytest.mark.peer("sendmail")]

# Its mailboxes are the accounts of its root. What it relays goes to a port where nobody answers.
SITE = Site(mailboxes=("vmail@example.test", "mail@example.test", "nobody@sub.example.test"))
FEATURES = """\
define(`confDELIVERY_MODE', `background')dnl
define(`LOCAL_MAILER_PATH', `/bin/true')dnl
define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h 9')dnl
FEATURE(`access_db', `hash -T<TMPF> {inside}/access')dnl
LOCAL_DOMAIN(`example.test sub.example.test')dnl
"""
ACCESS = "Connect:127.0.0\tOK\nConnect:127.0.2\tOK\nConnect:127.0.4\tRELAY\nConnect:127\tREJECT\n"
# TLS and signing in are told from the first line about TLS on.
MAY_LACK = {
    PERMITTED: {"helo_name", "tls", "authenticated_as", "forward_path"},
    REFUSED: {"helo_name", "tls", "authenticated_as"},
    REFUSED_OTHERWISE: {"helo_name", "tls", "authenticated_as"},
}


@pytest.mark.parametrize("late", [True, False], ids=["at-recipient", "at-connect"])
def test_each_recipient_is_told_as_it_was(running: ExitStack, authority: Authority, tmp_path: Path, late: bool) -> None:
    log = running.enter_context(syslog.collected(tmp_path))
    server = running.enter_context(
        sendmail.including(
            "",
            features=("FEATURE(`delay_checks')dnl\n" if late else "") + FEATURES,
            access=ACCESS,
            certificate=authority.issue("sendmail.test"),
            log=log,
        )
    )
    asked = carry_out(*server.at, sessions(7, 50, site=SITE, tls=True))
    taken = sum(one.taken for one in asked)
    process.until(lambda: _delivered(log.text()) >= taken, 5)

    attempts, tally = read_real(log.text())
    assert tally.not_understood == 0, tally.problems
    # Where a message followed, its recipients are told; where none did, only that there were some.
    assert _delivered(log.text()) == taken
    turned_away = [one for one in attempts if one.told == REFUSED and not one.id]
    held = [one for one in attempts if one.id]
    hold(
        held,
        [one for one in asked if one.path is not None],
        truth_of(SITE),
        may_lack=MAY_LACK,
        lost=lambda one: one.accepted and not one.taken,
    )
    assert {one.service for one in held} == {"M0"}
    strangers = {one.client_address for one in asked if one.client_address.startswith(SITE.strangers)}
    assert {one.client_address for one in turned_away} == (set() if late else strangers)
    first = sum(one.tls is None for one in attempts if one.id)
    assert first < len(held) / 3, "TLS is not told"


def _delivered(text: str) -> int:
    attempts, _ = read_real(text, "syslog")
    return sum(one.told == PERMITTED and one.forward_path is not None for one in attempts)
