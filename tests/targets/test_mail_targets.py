"""What is true of every mail server target whatever its language: gaps that are waived never open anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.targets.mail_policies import MAIL_POLICIES
from tests.targets.models import exim, opensmtpd, sendmail
from tests.targets.samples import made

EVERYBODY_RELAYS = MAIL_POLICIES["relaying"].replace(
    "relay_restrictions]\n", 'relay_restrictions]\nmode = "all_except_listed"\n'
)
ODD = MAIL_POLICIES["relaying"].replace(
    "relay_next_hop",
    r"""recipient_exceptions = ['"a:b*"@example.org', "post@example.org"]
relay_next_hop""",
)
Refuses = Callable[[str, str, str], bool]
"""Whether the text refuses that client's mail to that recipient."""

REFUSES: dict[str, Refuses] = {
    **dict.fromkeys(
        ("exim", "exim-debian", "exim-cpanel"),
        lambda text, one, to: exim.Acl(text).rcpt(exim.Client(one, to)).startswith("deny"),
    ),
    "opensmtpd": lambda text, one, to: opensmtpd.Conf(text).rules(opensmtpd.Client(one, to)) != opensmtpd.PASSES,
    "sendmail": lambda text, one, to: sendmail.digit(sendmail.Rules(text).rcpt(sendmail.Client(one, to))) == "5",
}


@pytest.mark.parametrize("name", sorted(REFUSES))
def test_a_relay_list_of_those_who_may_not_lets_nobody_relay(name: str) -> None:
    assert [gap.name for gap in made(name, EVERYBODY_RELAYS, waive=False).gaps] == ["relay-all-except-listed"]
    text = made(name, EVERYBODY_RELAYS).text
    for one in ("198.51.100.7", "192.168.0.41", "192.168.0.9", "8.8.8.8"):
        assert REFUSES[name](text, one, "a@elsewhere.test")
    assert not REFUSES[name](text, "192.168.0.9", "a@example.org")


@pytest.mark.parametrize("name", sorted(REFUSES))
def test_an_exception_that_could_mean_something_else_is_a_gap(name: str) -> None:
    assert [gap.name for gap in made(name, ODD, waive=False).gaps] == ["recipient-exceptions"]
    text = made(name, ODD).text
    assert "a:b" not in text
    assert REFUSES[name](text, "8.8.8.8", "a@example.org")
    assert not REFUSES[name](text, "8.8.8.8", "post@example.org")


@pytest.mark.parametrize("name", ["exim", "exim-cpanel", "sendmail"])
def test_other_ports_and_the_machine_itself_are_left_alone(name: str) -> None:
    text = made(name, MAIL_POLICIES["nobody"]).text
    for one, port in (("8.8.8.8", 587), ("127.0.0.1", 25), ("::1", 25)):
        if name == "sendmail":
            assert sendmail.Rules(text).rcpt(sendmail.Client(one, "a@b.test", port=port)) == sendmail.PASSES
        else:
            assert exim.Acl(text).rcpt(exim.Client(one, "a@b.test", port=port)) == exim.PASSES
