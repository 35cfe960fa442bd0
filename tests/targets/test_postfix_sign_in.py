"""The script for Postfix where clients sign in, against a server that takes every password, as Dovecot's talks."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.parts import Expectation
from tests.peers.outside import Outside, outside
from tests.targets.mail_samples import CONNECT, DELIVERY, HEAD, NET, RECIPIENTS, RELAY, SERVER
from tests.targets.postfix_machine import Machine, machine
from tests.targets.samples import made
from tests.targets.truth import TODAY, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

SIGN_IN = '\n[virtual_servers.default.authentication]\nwith = "users"\n'
POLICIES = {
    "may-relay": HEAD + NET + SERVER + SIGN_IN + CONNECT + RELAY,
    "may-deliver": HEAD + NET + SERVER + SIGN_IN + CONNECT + RELAY + DELIVERY,
    "must": HEAD + NET + SERVER + SIGN_IN + "required = true\n" + CONNECT + RELAY,
    "may-not-relay": HEAD + NET + SERVER + SIGN_IN + CONNECT + RELAY + "allow_authenticated = false\n",
    "no-sign-in-in-the-policy": HEAD + NET + SERVER + CONNECT + RELAY,
}
CLIENTS = ["203.0.113.7", "203.0.113.200", "203.0.113.9", "192.168.0.40", "198.51.100.200", "2001:db8:25::7"]
PORT = 12345


@contextmanager
def accounts(net: Outside) -> Iterator[None]:
    """Somebody on the machine who knows every account; Dovecot's authentication protocol, version 1."""

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            Thread(target=_serve, args=(one,), daemon=True).start()

    listener = net.machine.call(lambda: socket.create_server(("127.0.0.1", PORT)))
    Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _serve(one: socket.socket) -> None:
    with one, one.makefile("rwb", buffering=0) as stream:
        stream.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tc\nDONE\n")
        while line := stream.readline():
            words = line.decode().rstrip("\n").split("\t")
            if words[0] == "AUTH":
                stream.write(f"OK\t{words[1]}\tuser=anna\n".encode())


@pytest.fixture(scope="module")
def mail() -> Iterator[Machine]:
    settings = {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": f"inet:127.0.0.1:{PORT}",
    }
    with outside() as net, accounts(net), machine(net, settings) as found:
        yield found


@pytest.mark.parametrize("sample", sorted(POLICIES))
@pytest.mark.parametrize("signs_in", [True, False])
def test_signing_in_gives_what_the_policy_says(mail: Machine, sample: str, signs_in: bool) -> None:
    mail.script(made("postfix", POLICIES[sample]).text)
    policy = policy_of(POLICIES[sample])
    plain = base64.b64encode(b"\0anna\0secret").decode()
    first = ["EHLO client.test", f"AUTH PLAIN {plain}" if signs_in else "NOOP", "MAIL FROM:<x@sender.test>"]
    heard = mail.net.answers(CLIENTS, [*first, *(f"RCPT TO:<{to}>" for to in RECIPIENTS)])
    for client in CLIENTS:
        assert heard[client][2].startswith("235" if signs_in else "250"), heard[client]
        for to, said in zip(RECIPIENTS, heard[client][4:], strict=True):
            who = "anna" if signs_in else None
            asked = Expectation("", client, Action.PERMIT, authenticated_as=who, mail_from="x@sender.test", to=to)
            wanted = explain(policy, facts_of(asked, TODAY)).decision
            assert said.startswith("2") is wanted.permitted, f"{client} -> {to}: {said!r}, wanted {wanted.rule}"
