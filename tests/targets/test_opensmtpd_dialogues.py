"""The compiled file in a real OpenSMTPD whose own rules take everything: who is told what at RCPT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers import opensmtpd
from tests.peers.outside import Outside, outside
from tests.targets.mail_policies import MAIL_POLICIES, RECIPIENTS, answer, crowd
from tests.targets.models.opensmtpd import PASSES, Client, Conf
from tests.targets.samples import made
from tests.targets.truth import edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("opensmtpd")]

BOTH = f"{Outside.ADDRESS4} {Outside.ADDRESS6}"
LISTENER = 'filter "arrowslit" tag "arrowslit"'
HEAD = ["EHLO x.test", "MAIL FROM:<x@sender.test>"]


def said(sample: str) -> bool:
    """Whether OpenSMTPD has words for all of it."""
    return not made("opensmtpd", MAIL_POLICIES[sample], waive=False).gaps


WHOLE = sorted(filter(said, MAIL_POLICIES))
REST = sorted(set(MAIL_POLICIES) - set(WHOLE))


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


def test_what_is_not_said_whole() -> None:
    lacking = {
        sample: {gap.name for gap in made("opensmtpd", MAIL_POLICIES[sample], waive=False).gaps} for sample in REST
    }
    tls, observe = {"require-tls"}, {"observe-mode"}
    assert lacking == {
        **dict.fromkeys(("in-tls", "at-connect", "tls-for-all"), tls),
        **dict.fromkeys(("observe", "observing", "everybody-signs-in"), observe),
        "deferring": {"defer-mode"},
        "in-tls-deferring": {"defer-mode", "require-tls"},
    }


@pytest.mark.parametrize("sample", REST)
def test_with_a_gap_nobody_is_let_in_but_without_tls(net: Outside, sample: str) -> None:
    policy = policy_of(MAIL_POLICIES[sample])
    text = made("opensmtpd", MAIL_POLICIES[sample]).text
    clients = [*edges(policy, more=10), *crowd(3, 25)]
    with opensmtpd.including(text, LISTENER, host=net.machine, address=BOTH, port=25):
        heard = net.answers(clients, [*HEAD, *(f"RCPT TO:<{to}>" for to in RECIPIENTS)])
    for one in clients:
        for to, line in zip(RECIPIENTS, heard[one][3:], strict=True):
            tls = "tls" in sample or sample == "at-connect"
            assert (line[:1] == "2") is (answer(policy, one, to, tls=tls) == "2"), f"{one} to {to}: {line}"


@pytest.mark.parametrize("sample", WHOLE)
def test_every_recipient_is_answered_as_the_policy_says(net: Outside, sample: str) -> None:
    text = made("opensmtpd", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=10), *crowd(3, 25)]
    with opensmtpd.including(text, LISTENER, host=net.machine, address=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS)


@pytest.mark.parametrize("sender", ["boss@example.org", "boss@sub.example.org", ""])
def test_who_may_write_as_one_of_us(net: Outside, sender: str) -> None:
    text = made("opensmtpd", MAIL_POLICIES["own-domains"]).text
    clients = [*edges(policy_of(MAIL_POLICIES["own-domains"]), more=5), *crowd(9, 25)]
    with opensmtpd.including(text, LISTENER, host=net.machine, address=BOTH, port=25):
        compare(net, "own-domains", clients, RECIPIENTS, sender)


@pytest.mark.parametrize("sample", ["small", "exceptions"])
def test_thousands_of_clients(net: Outside, sample: str) -> None:
    text = made("opensmtpd", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=300), *dict.fromkeys(crowd(4, 800))]
    with opensmtpd.including(text, LISTENER, host=net.machine, address=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS[:2] + RECIPIENTS[8:9])


def test_the_listener_without_these_words_is_as_before(net: Outside) -> None:
    text = made("opensmtpd", MAIL_POLICIES["small"]).text
    with opensmtpd.including(text, "", host=net.machine, address=BOTH, port=25):
        heard = net.answers(["8.8.8.8"], [*HEAD, "RCPT TO:<a@example.org>"])
    assert heard["8.8.8.8"][-1].startswith("250")


@pytest.mark.parametrize("sample", WHOLE)
@pytest.mark.parametrize("signed_in", [False, True])
def test_the_model_agrees_with_the_policy_for_every_recipient(sample: str, signed_in: bool) -> None:
    policy, conf = policy_of(MAIL_POLICIES[sample]), Conf(made("opensmtpd", MAIL_POLICIES[sample]).text)
    for number, one in enumerate([*edges(policy, more=10), *crowd(6, 30)]):
        sender = ("x@sender.test", "boss@example.org")[number % 2]
        for to in RECIPIENTS:
            found = conf.rules(Client(one, to, sender, signed_in))
            digit = "2" if found == PASSES else found.replace("reject", "5")[0]
            wanted = answer(policy, one, to, signed_in=signed_in, tls=signed_in, mail_from=sender)
            assert digit == wanted, f"{one}, {sender} to {to}: {found}"


def test_more_entries_than_its_parser_takes_are_a_gap() -> None:
    many = ", ".join(f'{{ computer = "192.0.{number // 100}.{2 * (number % 100)}" }}' for number in range(4_100))
    text = MAIL_POLICIES["nobody"].replace("only_listed = []", f"only_listed = [ {many} ]")
    assert [gap.name for gap in made("opensmtpd", text, waive=False).gaps] == ["too-many-ranges"]
