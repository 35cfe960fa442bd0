"""What Postfix can't be told, by name."""

from __future__ import annotations

import pytest

from tests.targets.mail_samples import CONNECT, EVERYBODY, EXCEPTIONS, HEAD, MAIL_POLICIES, NET, RELAY, SERVER
from tests.targets.samples import made

BUT = '\n[virtual_servers.default.relay_restrictions]\nmode = "all_except_listed"\n'
SIGN_IN = '\n[virtual_servers.default.authentication]\nwith = "users"\nrequired = true\n'
BY_NAME = EVERYBODY.replace("all_except_listed = [", 'all_except_listed = [ { domain = "*.spam.example" }, ')
BY_CERTIFICATE = CONNECT.replace("only_listed = [", 'only_listed = [ { certificate = "mail.filter.example" }, ')
START = HEAD + NET + SERVER


@pytest.mark.parametrize(
    ("text", "name", "widens"),
    [
        (START + BY_CERTIFICATE, "certificate-entry", False),
        (START + BY_NAME, "domain-entry", True),
        (START + 'mode = "observe"\n' + CONNECT + BUT, "relay-all-except-listed", False),
        (START + SIGN_IN + CONNECT + RELAY + "allow_authenticated = false\n", "sign-in-required", True),
        (START + 'recipient_exceptions = [ "anna@example.org" ]\n' + CONNECT, "recipient-exceptions", True),
        (START + """recipient_exceptions = [ "o'hara/$@example.org", "postmaster@example.org" ]\n""" + CONNECT,
         "recipient-exceptions", False),
    ],
)  # fmt: skip
def test_what_it_lacks(text: str, name: str, widens: bool) -> None:
    found = made("postfix", text, waive=False).gaps
    assert [(gap.name, gap.widens) for gap in found] == [(name, widens)]


@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
def test_the_rest_has_no_gap(sample: str) -> None:
    assert not made("postfix", MAIL_POLICIES[sample], waive=False).gaps


def test_when_dns_fails_everybody_may_be_let_in() -> None:
    permits = BY_NAME.replace("mode =", 'when_dns_fails = "permit"\nmode =', 1)
    assert not made("postfix", START + EXCEPTIONS + permits, waive=False).gaps
