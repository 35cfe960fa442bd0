"""The compiled rulesets in a real Sendmail that would relay everything for everybody: who is told what at RCPT."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network
from random import Random
from re import match

import pytest

from arrowslit.targets.sendmail_rules import pattern
from tests.peers import process, sendmail
from tests.peers.certs import Authority
from tests.peers.outside import Outside, outside
from tests.targets.in_tls import heard_in_tls
from tests.targets.mail_policies import MAIL_POLICIES, RECIPIENTS, answer, crowd
from tests.targets.models.sendmail import Client, Rules, digit
from tests.targets.samples import HOSTILE, SMALL, made
from tests.targets.truth import edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("sendmail")]

BOTH = (Outside.ADDRESS4, Outside.ADDRESS6)
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
    text = made("sendmail", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=10), *crowd(3, 25)]
    with sendmail.including(text, host=net.machine, addresses=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS)


@pytest.mark.parametrize("sender", ["boss@example.org", "boss@sub.example.org", ""])
def test_who_may_write_as_one_of_us(net: Outside, sender: str) -> None:
    text = made("sendmail", MAIL_POLICIES["own-domains"]).text
    clients = [*edges(policy_of(MAIL_POLICIES["own-domains"]), more=5), *crowd(9, 25)]
    with sendmail.including(text, host=net.machine, addresses=BOTH, port=25):
        compare(net, "own-domains", clients, RECIPIENTS, sender)


@pytest.mark.parametrize("sample", ["small", "exceptions"])
def test_thousands_of_clients(net: Outside, sample: str) -> None:
    text = made("sendmail", MAIL_POLICIES[sample]).text
    clients = [*edges(policy_of(MAIL_POLICIES[sample]), more=300), *dict.fromkeys(crowd(4, 800))]
    with sendmail.including(text, host=net.machine, addresses=BOTH, port=25):
        compare(net, sample, clients, RECIPIENTS[:2] + RECIPIENTS[8:9])


@pytest.mark.parametrize("sample", ["in-tls", "in-tls-deferring", "tls-for-all", "at-connect"])
def test_in_tls(net: Outside, authority: Authority, sample: str) -> None:
    policy, certificate = policy_of(MAIL_POLICIES[sample]), authority.issue("sendmail.test")
    text = made("sendmail", MAIL_POLICIES[sample]).text
    with sendmail.including(text, certificate=certificate, host=net.machine, addresses=BOTH, port=25):
        for one in ("198.51.100.7", "198.51.100.66", "192.168.0.7", "192.168.0.41", "203.0.113.99", "2001:db8:25::5"):
            wanted = {to: answer(policy, one, to, tls=True) for to in RECIPIENTS}
            assert heard_in_tls(net, one, RECIPIENTS) == wanted


def test_the_check_that_the_text_names_tells_a_stranger_from_a_listed_client(net: Outside) -> None:
    with sendmail.including(made("sendmail", SMALL).text, host=net.machine, addresses=BOTH, port=25) as server:
        said = {}
        for one in ("8.8.8.8", "203.0.113.77"):
            lines = f".D{{daemon_port}}25\n.D{{client_addr}}{one}\nLocal_check_rcpt <a@example.org>\n"
            said[one] = sendmail.asked(server, lines).rstrip("> \n").rpartition("\n")[2]
    assert "$# error" in said["8.8.8.8"]
    assert "error" not in said["203.0.113.77"]


DEBIAN = """\
FEATURE(`access_db', `hash -T<TMPF> {inside}/access', `skip')dnl
FEATURE(`delay_checks', `friend', `n')dnl
FEATURE(`blocklist_recipients')dnl
LOCAL_DOMAIN(`example.org example.net')dnl
"""
ACCESS = "Connect:192.168.0\tRELAY\nConnect:8.8\tOK\nTo:elsewhere.test\tRELAY\nConnect:198.51.100.12\tREJECT\n"


def test_it_stands_before_what_an_access_database_lets_in(net: Outside) -> None:
    lines = [*HEAD, *(f"RCPT TO:<{to}>" for to in ("postmaster@example.org", "a@elsewhere.test"))]
    clients = ["8.8.8.8", "192.168.0.41", "192.168.0.40", "203.0.113.77", "198.51.100.12"]
    heard = {}
    for name, text in (("before", ""), ("after", made("sendmail", SMALL).text)):
        with sendmail.including(text, features=DEBIAN, access=ACCESS, host=net.machine, addresses=BOTH, port=25):
            told = net.answers(clients, lines)
            heard[name] = {one: "".join(line[:1] for line in told[one][3:]) for one in clients}
    assert heard["before"] == dict(zip(clients, ("22", "22", "22", "22", "55"), strict=True))
    assert heard["after"] == dict(zip(clients, ("55", "25", "22", "25", "55"), strict=True))


ODD = (
    "<@example.org:victim@elsewhere.test>",
    "<victim@elsewhere.test@example.org>",
    '<"victim@elsewhere.test"@example.org>',
    "<victim%elsewhere.test@example.org>",
    "<elsewhere.test!victim@example.org>",
    "<victim@elsewhere.test.>",
    "victim@elsewhere.test",
    "<victim@elsewhere.test> (a@example.org)",
    "<victim@[192.0.2.99]>",
    "<victim>",
)


def test_no_odd_address_relays(net: Outside) -> None:
    with sendmail.including(made("sendmail", SMALL).text, host=net.machine, addresses=BOTH, port=25):
        heard = net.answers(["203.0.113.77"], [*HEAD, *(f"RCPT TO:{to}" for to in ODD)])["203.0.113.77"]
    assert {line[:1] for line in heard[3:]} == {"5"}, heard


def test_other_ports_and_the_machine_itself_are_left_alone(net: Outside) -> None:
    text = made("sendmail", SMALL).text
    lines = [*HEAD, "RCPT TO:<a@elsewhere.test>"]
    with sendmail.including(text, host=net.machine, addresses=BOTH, port=587):
        assert net.answers(["8.8.8.8"], lines, port=587)["8.8.8.8"][-1].startswith("250")


def test_nothing_of_a_policy_is_read_by_m4() -> None:
    for hostile in (*HOSTILE, "') syscmd(touch /tmp/m4) divert(-1) `", "include(/etc/passwd) dnl changequote"):
        assert _expanded(hostile) == _expanded("harmless")


def _expanded(word: str) -> str:
    argv = process.in_chroot("sendmail", "usr/bin/m4", "-")
    return process.output(argv, given=("changecom()" + made("sendmail", SMALL, word=word).text).encode()).stdout


def test_a_prefix_within_a_group_is_as_a_pattern_what_it_is_as_numbers() -> None:
    chance = Random(5)
    for _ in range(2_000):
        base = chance.getrandbits(128) & chance.choice([2**128 - 1, chance.getrandbits(128) & chance.getrandbits(128)])
        network = IPv6Network((base, chance.choice([one for one in range(1, 128) if one % 16])), strict=False)
        first, last = int(network[0]), int(network[-1])
        near = (first, last, first - 1, last + 1, chance.randint(first, last), first ^ 1 << chance.randrange(128))
        for number in near:
            if 0 <= number < 2**128:
                asked = Client(str(IPv6Address(number)), "").macros["client_addr"] + ":"
                assert (match(pattern(network), asked) is not None) is (first <= number <= last), (network, asked)


@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
@pytest.mark.parametrize("how", ["plain", "tls", "signed-in"])
def test_the_model_agrees_with_the_policy_for_every_recipient(sample: str, how: str) -> None:
    policy, rules = policy_of(MAIL_POLICIES[sample]), Rules(made("sendmail", MAIL_POLICIES[sample]).text)
    tls, signed_in = how != "plain", how == "signed-in"
    for number, one in enumerate([*edges(policy, more=5), *crowd(6, 20)]):
        sender = ("x@sender.test", "boss@example.org")[number % 2]
        for to in RECIPIENTS:
            said = rules.rcpt(Client(one, to, sender, tls, signed_in))
            wanted = answer(policy, one, to, tls=tls, signed_in=signed_in, mail_from=sender)
            assert digit(said) == wanted, f"{one}, {sender} to {to}: {said}"
