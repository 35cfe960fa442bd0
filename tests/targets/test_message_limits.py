"""Limits of a message, and whose address a sender may use: carried where it means the same, else a gap by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from arrowslit.targets.gaps import Grant
from arrowslit.targets.register import MODULES, target
from tests.peers import exim, sendmail
from tests.peers.outside import Outside, outside
from tests.targets.mail_policies import DELIVERY, EXCEPTIONS, _policy
from tests.targets.postfix_machine import Machine, machine
from tests.targets.samples import made

MAIL_SERVERS = [name for name in MODULES if Grant.RELAY in target(name).scope]
POSTFIX = {"postfix", "mailcow", "docker-mailserver", "zimbra", "mail-in-a-box"}
EXIM = {"exim", "exim-debian", "exim-cpanel"}
FULL = {"message-bytes": POSTFIX, "recipients-a-message": POSTFIX | EXIM | {"sendmail"}, "sender-addresses": set()}
"""Gap -> who has not got it."""
OWN = '\n[virtual_servers.default.authentication]\nwith = "users"\nsender_addresses = "own"\n'
SAYS = {
    "message-bytes": _policy("message_bytes = 30000"),
    "recipients-a-message": _policy("recipients_a_message = 3"),
    "sender-addresses": _policy(rest=OWN),
}


@pytest.mark.parametrize("gap", sorted(FULL))
def test_who_does_not_carry_it_names_it(gap: str) -> None:
    for name in MODULES:
        found = {one.name: one.widens for one in made(name, SAYS[gap], waive=False).gaps}
        assert (gap in found) is (name in set(MAIL_SERVERS) - FULL[gap]), name
        assert found.get(gap, True), name


def test_what_is_not_said_is_no_gap() -> None:
    quiet = _policy(rest=OWN.replace('"own"', '"any"'))
    for name in MAIL_SERVERS:
        assert not {gap.name for gap in made(name, quiet, waive=False).gaps} & set(FULL)


def test_own_domains_are_a_gap_only_where_a_stranger_gets_as_far_as_a_recipient() -> None:
    own = 'own_domains_from_outside = "reject"\n'
    knows = EXIM | {"sendmail", "opensmtpd"}
    for more, matters in (("", False), ('mode = "observe"', True), (EXCEPTIONS, True)):
        for name in MAIL_SERVERS:
            found = {gap.name for gap in made(name, _policy(own + more), waive=False).gaps}
            assert ("own-domains-from-outside" in found) is (matters and name not in knows), (name, more)


LIFTED = ("postmaster@example.org", "help@private.example.org", "help@example.org", "abuse@example.org")
LIMITED = _policy(
    f"recipients_a_message = 3\nmessage_bytes = 30000\nrecipient_exceptions = {list(LIFTED)}".replace("'", '"'),
    DELIVERY,
)
LISTED, RELAYS, STRANGER = "198.51.100.7", "203.0.113.99", "8.8.8.8"
HEAD = ["EHLO x.test", "MAIL FROM:<x@sender.test>"]


def rcpt(*recipients: str) -> list[str]:
    return [f"RCPT TO:<{one}>" for one in recipients]


def on_postfix(net: Outside) -> AbstractContextManager[Machine]:
    class Applied:
        def __enter__(self) -> Machine:
            self.running = machine(net)
            found = self.running.__enter__()
            found.script(made("postfix", LIMITED).text)
            return found

        def __exit__(self, *error: object) -> None:
            self.running.__exit__(None, None, None)

    return Applied()


def on_exim(net: Outside) -> AbstractContextManager[object]:
    both = f"{Outside.ADDRESS4} ; {Outside.ADDRESS6}"
    return exim.behind_acl(made("exim", LIMITED).text, host=net.machine, address=both, port=25)


def on_sendmail(net: Outside) -> AbstractContextManager[object]:
    both = (Outside.ADDRESS4, Outside.ADDRESS6)
    return sendmail.including(made("sendmail", LIMITED).text, host=net.machine, addresses=both, port=25)


SERVERS: dict[str, Callable[[Outside], AbstractContextManager[object]]] = {
    "postfix-machine": on_postfix,
    "exim": on_exim,
    "sendmail": on_sendmail,
}


@pytest.fixture
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


@pytest.mark.namespaces
@pytest.mark.parametrize("server", [pytest.param(name, marks=pytest.mark.peer(name)) for name in SERVERS])
def test_one_recipient_too_many_comes_again(net: Outside, server: str) -> None:
    listed = rcpt("a@example.org", "b@example.org", "a@elsewhere.test", "c@example.org", "d@example.org")
    relays = rcpt("a@elsewhere.test", "b@elsewhere.test", "c@elsewhere.test", "d@elsewhere.test")
    with SERVERS[server](net):
        # Who is refused is not counted, and is told that for good as long as he is not over the limit.
        heard = net.answers([LISTED], [*HEAD, *listed])[LISTED][3:]
        assert [line[:3] for line in heard] == ["250", "250", heard[2][:3], "250", "452"]
        assert heard[2][:1] == "5"
        assert [line[:3] for line in net.answers([RELAYS], [*HEAD, *relays])[RELAYS][3:]] == ["250"] * 3 + ["452"]
        again = [*HEAD, *rcpt(*LIFTED), "RSET", HEAD[1], *rcpt(LIFTED[3])]
        said = [line[:3] for line in net.answers([STRANGER], again)[STRANGER][3:]]
        assert said == ["250"] * 3 + ["452"] + ["250"] * 3


@pytest.mark.namespaces
@pytest.mark.peer("postfix-machine")
def test_postfix_takes_the_largest_message_and_no_larger_one(net: Outside) -> None:
    with on_postfix(net):
        said = {}
        for size in (30_000, 30_001):
            said[size] = net.answers([LISTED], ["EHLO x.test", f"MAIL FROM:<x@sender.test> SIZE={size}"])[LISTED][2]
        assert (said[30_000][:3], said[30_001][:3]) == ("250", "552")
        lines = "".join(f"{'x' * 98}\r\n" for _ in range(299))
        for last, code in ((98, "250"), (99, "552")):
            text = f"Subject: a\r\n\r\n{lines}"[: -len("Subject: a\r\n\r\n")].rpartition("\r\n")[0] + "\r\n"
            text += "y" * (30_000 - len(text) - 2 + last - 98)
            assert len(text) + 2 == 30_000 + last - 98
            told = net.answers([LISTED], [*HEAD, *rcpt("a@example.org"), "DATA", f"{text}\r\n."])[LISTED]
            assert told[5][:3] == code, told
