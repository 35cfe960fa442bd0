"""The unit for Postfix behind the gateway, with a real one: the gateway is no stranger there, and no friend either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from arrowslit.targets.target import Place
from tests.peers import process
from tests.peers.outside import Outside, _reply, _socket, outside
from tests.targets.postfix_machine import POSTSCREEN, SERVICE, Machine, machine
from tests.targets.samples import POLICIES, made

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

GATEWAY, GATEWAY6, OTHER = "192.168.0.5", "2001:db8:5::5", "192.168.0.9"
OURS, FOREIGN = "anna@example.org", "somebody@elsewhere.test"
PLACE = Place(server=(ip_address(GATEWAY), ip_address(GATEWAY6)))
SETTINGS = {
    # The gateway among mynetworks is how most begin, and what goes wrong with it.
    "mynetworks": "192.168.0.0/16 [2001:db8:5::]/64 127.0.0.0/8",
    "smtpd_client_connection_count_limit": "10",
    "smtpd_client_event_limit_exceptions": "",
    "smtpd_hard_error_limit": "20",
    "smtpd_soft_error_limit": "10",
    "smtpd_error_sleep_time": "1s",
    "smtpd_forbid_bare_newline": "reject",
    "smtpd_sender_restrictions": "reject_unknown_client_hostname, check_sender_access static:DUNNO",
    "relay_recipient_maps": "static:ok",
}
PLAIN = SETTINGS | {"smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:9"}
OWN = {
    **SETTINGS,
    "smtpd_recipient_restrictions": "warn_if_reject reject_rbl_client list.test, "
    "check_policy_service inet:127.0.0.1:9, check_recipient_access regexp:$config_directory/never",
}
FORWARDED = POLICIES["small"].replace("[next_hops.inner]\n", '[next_hops.inner]\nidentify_client = "xforward"\n')


@pytest.fixture
def mail() -> Iterator[Machine]:
    with outside() as net, machine(net, OWN) as found:
        (found.etc / "never").write_text("/^never@/ REJECT\n")
        yield found


def text(policy: str = POLICIES["small"]) -> str:
    return made("inner-postfix", policy, PLACE).text


def connections(net: Outside, client: str, count: int) -> int:
    """How many of these are greeted while all are open."""

    def talk() -> int:
        greeted = 0
        with ExitStack() as stack:
            for _ in range(count):
                one = stack.enter_context(_socket(client))
                one.settimeout(20)
                one.connect(net.at(client))
                greeted += _reply(stack.enter_context(one.makefile("rb"))).startswith("220")
        return greeted

    return net.clients.call(talk)


def refused(net: Outside, client: str, count: int) -> list[str]:
    lines = ["EHLO gw.test", "MAIL FROM:<a@sender.test>", *(f"RCPT TO:<never{n}@elsewhere.test>" for n in range(count))]
    return net.answers([client], [*lines, f"RCPT TO:<{OURS}>"])[client][3:]


def bare_newline(net: Outside, client: str) -> str:
    """What is said to a message with a lone LF, and a smuggled one behind it."""

    def talk() -> str:
        with _socket(client) as one:
            one.settimeout(20)
            one.connect(net.at(client))
            with one.makefile("rb") as stream:
                _reply(stream)
                for line in ("EHLO gw.test", "MAIL FROM:<a@sender.test>", f"RCPT TO:<{OURS}>", "DATA"):
                    one.sendall(line.encode() + b"\r\n")
                    said = _reply(stream)
                assert said.startswith("354"), said
                one.sendall(b"Subject: x\r\n\r\nbody\n.\nMAIL FROM:<b@sender.test>\r\n.\r\n")
                return _reply(stream)

    return net.clients.call(talk)


def heard(mail: Machine, client: str, to: str) -> str:
    return mail.said([client], [to])[client][0]


def test_before_it_the_gateway_relays_and_is_limited_and_may_smuggle(mail: Machine) -> None:
    assert heard(mail, GATEWAY, OURS).startswith("450")  # it has no name
    mail.run("/usr/sbin/postconf", "-e", "smtpd_sender_restrictions=")
    mail.run("/usr/sbin/postfix", "reload")
    assert process.until(lambda: heard(mail, GATEWAY, OURS).startswith("451"))  # a policy service
    mail.run("/usr/sbin/postconf", "-e", "smtpd_recipient_restrictions=", "smtpd_sender_restrictions=")
    mail.run("/usr/sbin/postfix", "reload")
    assert process.until(lambda: heard(mail, GATEWAY, FOREIGN).startswith("250"))
    assert connections(mail.net, GATEWAY, 50) <= 11
    said = refused(mail.net, OTHER.replace("192.168", "203.0"), 25)
    assert not said[-1]
    mail.run("/usr/sbin/postconf", "-X", "smtpd_forbid_bare_newline")
    mail.run("/usr/sbin/postfix", "reload")
    assert process.until(lambda: bare_newline(mail.net, GATEWAY).startswith("250"))


def test_after_it_the_gateway_may_deliver_and_nothing_else(mail: Machine) -> None:
    mail.run("/usr/sbin/postconf", "-X", "smtpd_forbid_bare_newline")
    for _ in range(2):
        mail.script(text())
        for client in (GATEWAY, GATEWAY6):
            assert process.until(lambda client=client: heard(mail, client, OURS).startswith("250"))  # type: ignore[misc]
            assert heard(mail, client, FOREIGN).startswith("554 5.7.1")
            assert heard(mail, client, "user%elsewhere.test@example.org").startswith("554 5.7.1")
            assert heard(mail, client, "never@example.org").startswith("554 5.7.1")  # the administrator's own list
            assert bare_newline(mail.net, client).startswith("550 5.5.2")
        assert connections(mail.net, GATEWAY, 50) == 50
        said = refused(mail.net, GATEWAY, 25)
        assert {one[:3] for one in said[:-1]} == {"554"}
        assert said[-1].startswith("250")
    assert connections(mail.net, OTHER, 50) <= 11
    assert heard(mail, OTHER, OURS).startswith("4")  # everybody else is judged as before


def test_undo_brings_back_what_was(mail: Machine) -> None:
    def meaning() -> list[str]:
        said = mail.run("/usr/sbin/postconf", "-n") + mail.run("/usr/sbin/postconf", "-P")
        return sorted(re.sub(r"[,\s]+", " ", line).strip() for line in said.splitlines())

    before = meaning()
    for policy in (POLICIES["small"], FORWARDED):
        mail.script(text(policy))
    assert meaning() != before
    mail.script(text(), "undo")
    assert meaning() == before
    assert not (mail.etc / "arrowslit-inner").exists()
    assert "nothing to undo" in mail.script(text(), "undo", fails=True)


def test_who_the_client_is(mail: Machine) -> None:
    lines = ["EHLO gw.test", "XFORWARD NAME=client.test ADDR=198.51.100.9"]
    assert mail.net.answers([GATEWAY], lines)[GATEWAY][2].startswith("5")
    mail.script(text(FORWARDED))
    assert process.until(lambda: mail.net.answers([GATEWAY], lines)[GATEWAY][2].startswith("250"))
    assert mail.net.answers([OTHER], lines)[OTHER][2].startswith("5")


def test_the_limits_of_postscreen_do_not_count(mail: Machine) -> None:
    settings = {**PLAIN, "postscreen_greet_wait": "1s", "postscreen_greet_action": "enforce"}
    with outside() as net, machine(net, settings, POSTSCREEN) as found:
        found.script(text())
        assert process.until(lambda: heard(found, GATEWAY, OURS).startswith("250"))
        assert heard(found, GATEWAY, FOREIGN).startswith("554 5.7.1")


def test_a_service_with_lists_of_its_own_is_left(mail: Machine) -> None:
    own = SERVICE.replace("200 smtpd\n", "200 smtpd\n  -o smtpd_relay_restrictions=permit_mynetworks,reject\n", 1)
    with outside() as net, machine(net, PLAIN, own) as found:
        before = [(found.etc / name).read_text() for name in ("main.cf", "master.cf")]
        assert "nothing was changed" in found.script(text(), fails=True)
        assert [(found.etc / name).read_text() for name in ("main.cf", "master.cf")] == before
