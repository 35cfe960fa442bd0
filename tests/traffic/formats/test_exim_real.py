"""Exim's reader against the log of a real Exim that took mixed traffic: each recipient as it was, or not told."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE
from tests.peers import exim, process, syslog
from tests.peers.certs import Authority
from tests.traffic.held_against import hold, read_real, truth_of
from tests.traffic.mixed_traffic import SITE, carry_out, sessions

pytestmark = [pytest.mark.peer("exim")]

RULES = """\
  accept authenticated = *
  accept hosts = 127.0.4.0/24
         domains = !+ours
  deny message = relay not permitted
       domains = !+ours
  deny message = 5.7.1 only the filter may deliver here
       hosts = !127.0.2.0/24 : !127.0.4.0/24
""".splitlines()
DEBIAN = ["log_selector = +smtp_protocol_error +smtp_syntax_error +tls_certificate_verified"]
RICH = [
    "log_selector = +received_recipients +incoming_interface +incoming_port +tls_sni +millisec +pid +subject "
    "+smtp_connection +smtp_incomplete_transaction +smtp_no_mail",
    "helo_accept_junk_hosts = *",
]
# Until the log has shown a cipher, a refusal without one does not tell that there was none.
MAY_LACK = {REFUSED: {"tls"}, REFUSED_OTHERWISE: {"tls"}}


@pytest.mark.parametrize(("settings", "rich"), [(DEBIAN, False), (RICH, True)])
def test_each_recipient_is_told_as_it_was(
    running: ExitStack, authority: Authority, tmp_path: Path, settings: list[str], rich: bool
) -> None:
    log = running.enter_context(syslog.collected(tmp_path))
    server = running.enter_context(
        exim.next_hop(
            SITE.mailboxes,
            certificate=authority.issue("exim.test"),
            rules=RULES,
            users={SITE.user[0]: SITE.user[1]},
            settings=settings,
            log=log,
        )
    )
    asked = carry_out(*server.at, sessions(7, 50, tls=True, sign_in=True))
    main, reject = (server.folder / "log" / f"{name}log" for name in ("main", "reject"))
    assert process.until(lambda: _quiet(main.read_text()))
    text = main.read_text(errors="surrogateescape")
    may_lack = MAY_LACK | ({PERMITTED: {"tls", "authenticated_as"}} if rich else {})

    attempts, tally = read_real(text)
    assert tally.not_understood == 0, tally.problems
    pairs = hold(
        attempts, asked, truth_of(SITE), may_lack=may_lack, lost=lambda one: not rich and not one.taken and one.accepted
    )
    # A transaction that came to nothing tells less, and only the rich log has it.
    assert all(one.taken for attempt, one in pairs if attempt.told == PERMITTED and attempt.tls is not None)
    assert sum(one.tls is None for one in attempts if one.told != PERMITTED) < 10, "TLS is not told"
    if rich:
        assert {one.service for one in attempts} == {f":{server.port}"}

    rejected, tally = read_real(reject.read_text(errors="surrogateescape"))
    assert tally.not_understood == 0, tally.problems
    key = lambda one: (one.time, one.id, one.client_address or "", one.forward_path or "", one.told)  # noqa: E731
    assert sorted(map(key, rejected)) == sorted(key(one) for one in attempts if one.told != PERMITTED)

    in_syslog, tally = read_real(log.text())
    assert tally.not_understood == 0, tally.problems
    assert sorted(in_syslog, key=str) == sorted(attempts, key=str)


def _quiet(text: str) -> bool:
    """Every message has been delivered, or has come to a stop."""
    return text.count(" <= ") == text.count(" Completed\n") + text.count(" Frozen ")
