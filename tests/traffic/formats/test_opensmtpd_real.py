"""OpenSMTPD's reader against the log of a real OpenSMTPD that took mixed traffic, in syslog and outside of it.

The version in Debian 12 can't do TLS here, nor signing in, which wants TLS: samples by hand have both.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from arrowslit.traffic.attempt import PERMITTED, REFUSED_OTHERWISE, REFUSED_UNSAID
from tests.peers import opensmtpd, process, syslog
from tests.traffic.held_against import hold, read_real
from tests.traffic.mixed_traffic import SITE, Asked, carry_out, sessions

pytestmark = [pytest.mark.peer("opensmtpd")]

HELO = {"helo_name"}
# A refused recipient has no reverse-path, and a refused reverse-path no recipient.
MAY_LACK = {
    PERMITTED: HELO,
    REFUSED_UNSAID: {*HELO, "reverse_path"},
    REFUSED_OTHERWISE: {*HELO, "reverse_path", "forward_path"},
}


def truth(one: Asked) -> str:
    """One reply stands for relaying that is not permitted, and for more: it doesn't tell which."""
    if one.accepted:
        return PERMITTED
    if one.reply.startswith("550 Invalid recipient"):
        assert not SITE.permits(one)
        return REFUSED_UNSAID
    return REFUSED_OTHERWISE


@pytest.mark.parametrize("framed", [True, False], ids=["syslog", "raw"])
def test_each_recipient_is_told_as_it_was(running: ExitStack, tmp_path: Path, framed: bool) -> None:
    log = running.enter_context(syslog.collected(tmp_path)) if framed else None
    networks = [f"{SITE.filter}0/24", f"{SITE.printers}0/24"]
    server = running.enter_context(
        opensmtpd.next_hop(SITE.mailboxes, permitted=networks, relaying=networks[1:], log=log)
    )
    asked = carry_out(*server.at, sessions(7, 100))
    text = log.text if log else server.log
    assert process.until(lambda: _ended(text()))

    attempts, tally = read_real(text())
    assert tally.not_understood == 0, tally.problems
    hold(attempts, asked, truth, may_lack=MAY_LACK, lost=lambda one: one.accepted and not one.taken)
    assert {one.told for one in attempts} == set(MAY_LACK)


def _ended(text: str) -> bool:
    return text.count(" smtp connected ") == text.count(" smtp disconnected ")
