"""The compiled ACLs in a real Exim: who is told what at RCPT, from thousands of addresses.

The server's own ACL accepts everything, so that what is refused is refused by the compiled text alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers import exim
from tests.peers.certs import Authority
from tests.peers.outside import Outside, outside
from tests.targets.in_tls import heard_in_tls
from tests.targets.mail_policies import MAIL_POLICIES, RECIPIENTS, answer, crowd
from tests.targets.models.exim import PASSES, Acl, Client
from tests.targets.samples import made
from tests.targets.truth import edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("exim")]

BOTH = f"{Outside.ADDRESS4} ; {Outside.ADDRESS6}"
DIGIT = {"deny": "5", "defer": "4", "accept": "2", PASSES: "2"}
HEAD = ["EHLO x.test", "MAIL FROM:<x@sender.test>"]


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


def compare(
    net: Outside, sample: str, clients: list[str], recipients: tuple[str, ...], sender: str = "x@sender.test"
) -> None:
    policy = policy_of(MAIL_POLICIES[sample])
    lines = ["EHLO x.test", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients)]
    heard = net.answers(clients, lines)
    for one in clients:
        for to, line in zip(recipients, heard[one][3:], strict=True):
            assert line[:1] == answer(policy, one, to, mail_from=sender), f"{one} to {to}: {line}"


@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
def test_every_recipient_is_answered_as_the_policy_says(net: Outside, sample: str) -> None:
    text = made("exim", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=10), *crowd(3, 25)]
    with exim.behind_acl(text, host=net.machine, address=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS)


@pytest.mark.parametrize("sender", ["boss@example.org", "boss@sub.example.org", ""])
def test_who_may_write_as_one_of_us(net: Outside, sender: str) -> None:
    text = made("exim", MAIL_POLICIES["own-domains"]).text
    clients = [*edges(policy_of(MAIL_POLICIES["own-domains"]), more=5), *crowd(9, 25)]
    with exim.behind_acl(text, host=net.machine, address=BOTH, port=25):
        compare(net, "own-domains", clients, RECIPIENTS, sender)


def test_observing_writes_to_the_log_whom_it_would_refuse(net: Outside) -> None:
    text = made("exim", MAIL_POLICIES["observing"]).text
    with exim.behind_acl(text, host=net.machine, address=BOTH, port=25) as server:
        heard = net.answers(["8.8.8.8", "198.51.100.7"], [*HEAD, "RCPT TO:<a@example.org>"])
        said = [line for line in server.log().splitlines() if "Arrowslit would refuse" in line]
    assert {lines[-1][:3] for lines in heard.values()} == {"250"}
    assert ["[8.8.8.8]" in line for line in said] == [True, True]  # connecting, and delivering


@pytest.mark.parametrize("sample", ["small", "exceptions"])
def test_thousands_of_clients(net: Outside, sample: str) -> None:
    text = made("exim", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=300), *dict.fromkeys(crowd(4, 800))]
    with exim.behind_acl(text, host=net.machine, address=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS[:2] + RECIPIENTS[8:9])


@pytest.mark.parametrize("sample", ["small", "deferring", "observing"])
def test_it_is_the_same_within_an_acl_as_cpanel_has_it(net: Outside, sample: str) -> None:
    text = made("exim-cpanel", MAIL_POLICIES[sample]).text
    with exim.behind_acl(text, included=True, host=net.machine, address=BOTH, port=25):
        compare(net, sample, [*edges(policy_of(MAIL_POLICIES[sample]), more=10), *crowd(5, 25)], RECIPIENTS)


SENDERS = ("x@sender.test", "boss@example.org", "")


@pytest.mark.parametrize("name", ["exim", "exim-cpanel"])
@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
@pytest.mark.parametrize("how", ["plain", "tls", "signed-in"])
def test_the_model_agrees_with_the_policy_for_every_recipient(name: str, sample: str, how: str) -> None:
    policy, acl = policy_of(MAIL_POLICIES[sample]), Acl(made(name, MAIL_POLICIES[sample]).text)
    tls, signed_in = how != "plain", how == "signed-in"
    for number, one in enumerate([*edges(policy, more=10), *crowd(6, 30)]):
        sender = SENDERS[number % 3]
        for to in RECIPIENTS:
            said = acl.rcpt(Client(one, to, sender, tls, signed_in))
            wanted = answer(policy, one, to, tls=tls, signed_in=signed_in, mail_from=sender)
            assert DIGIT[said.partition(" ")[0]] == wanted, f"{one}, {sender} to {to}: {said}"


@pytest.mark.parametrize("sample", ["in-tls", "in-tls-deferring", "tls-for-all", "at-connect"])
def test_in_tls(net: Outside, authority: Authority, sample: str) -> None:
    policy = policy_of(MAIL_POLICIES[sample])
    certificate = authority.issue("exim.test")
    text = made("exim", MAIL_POLICIES[sample]).text
    with exim.behind_acl(text, certificate=certificate, host=net.machine, address=BOTH, port=25):
        for one in ("198.51.100.7", "198.51.100.66", "192.168.0.7", "192.168.0.41", "203.0.113.99", "2001:db8:25::5"):
            assert heard_in_tls(net, one, RECIPIENTS) == {to: answer(policy, one, to, tls=True) for to in RECIPIENTS}


@pytest.mark.parametrize("sample", ["signing-in", "everybody-signs-in", "signing-in-without-relay", "relaying"])
def test_signed_in(net: Outside, authority: Authority, sample: str) -> None:
    policy, users = policy_of(MAIL_POLICIES[sample]), {"anna": "secret"}
    certificate = authority.issue("exim.test")
    text = made("exim", MAIL_POLICIES[sample]).text
    with exim.behind_acl(text, users=users, certificate=certificate, host=net.machine, address=BOTH, port=25):
        for one in ("198.51.100.7", "198.51.100.66", "192.168.0.7", "192.168.0.41", "203.0.113.99"):
            wanted = {to: answer(policy, one, to, tls=True, signed_in=True) for to in RECIPIENTS}
            assert heard_in_tls(net, one, RECIPIENTS, signs_in=True) == wanted
