"""A machine that runs Postfix and has a shell, before clients from everywhere; and the scripts that set it up.

with machine(net, {"mydestination": "example.org"}) as mail:
    mail.script(text)            # as root would run it
    mail.said(clients, [to])     # what each client hears for each recipient
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arrowslit.policy.decision import Action
from arrowslit.policy.model import Policy
from tests.peers import install, postfix, process
from tests.peers.certs import Certificate
from tests.peers.outside import Outside, _reply, _socket
from tests.targets.mail_samples import RECIPIENTS
from tests.targets.truth import outcome

PEER = "postfix-machine"
SERVICE = "smtp inet n - n - 200 smtpd\n26 inet n - n - - smtpd\n"
POSTSCREEN = """\
smtp inet n - n - 1 postscreen
smtpd pass - - n - 200 smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SETTINGS = {
    "relay_domains": "example.org example.net example.com",
    "mynetworks": "192.168.0.0/16 127.0.0.0/8",
    "relay_transport": "discard:",
    "default_transport": "discard:",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "smtpd_error_sleep_time": "0",
    "smtpd_hard_error_limit": "1000",
    "default_process_limit": "300",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine with its Postfix, and the clients before it."""

    net: Outside
    postfix: postfix.Postfix

    @property
    def etc(self) -> Path:
        """Its folder of settings, as seen from outside of its root."""
        return self.postfix.folder / "etc"

    @property
    def inside(self) -> str:
        """The same as the machine sees it."""
        return f"/instances/{self.postfix.folder.name}/etc"

    def script(self, text: str, *arguments: str, fails: bool = False) -> str:
        """Run a script there and return all that it says."""
        (self.postfix.folder / "script.sh").write_text(text)
        name = f"/instances/{self.postfix.folder.name}/script.sh"
        return self.run("/bin/sh", name, *arguments, fails=fails)

    def run(self, *argv: str, fails: bool = False) -> str:
        """Run a program there."""
        command = ["chroot", str(install.root(PEER)), *argv]
        done = process.output(
            command, host=self.net.machine, extra_environment={"MAIL_CONFIG": self.inside, "PATH": PATH}
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def said(self, clients: Sequence[str], recipients: Sequence[str], *, tls: bool = False) -> dict[str, list[str]]:
        """What each client hears at each RCPT; at the greeting, for all, from where there is none."""
        lines = ["EHLO client.test", "MAIL FROM:<x@sender.test>", *(f"RCPT TO:<{to}>" for to in recipients)]
        heard = self._in_tls(clients, lines) if tls else self.net.answers(clients, lines, at_once=20)
        return {
            client: all_[3:] if all_[0].startswith("220") else [all_[0]] * len(recipients)
            for client, all_ in heard.items()
        }

    def _in_tls(self, clients: Sequence[str], lines: Sequence[str]) -> dict[str, list[str]]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return {client: self._talk(client, lines, context) for client in clients}

    def _talk(self, client: str, lines: Sequence[str], context: ssl.SSLContext) -> list[str]:
        def talk() -> list[str]:
            with _socket(client) as plain:
                plain.settimeout(20)
                plain.connect(self.net.at(client))
                with plain.makefile("rb") as stream:
                    heard = [_reply(stream)]
                    for line in ("EHLO client.test", "STARTTLS"):
                        plain.sendall(line.encode() + b"\r\n")
                        _reply(stream)
                with context.wrap_socket(plain) as secured, secured.makefile("rb") as stream:
                    for line in lines:
                        secured.sendall(line.encode() + b"\r\n")
                        heard.append(_reply(stream))
            return heard

        return self.net.clients.call(talk)


@contextmanager
def machine(
    net: Outside,
    settings: Mapping[str, str] | None = None,
    services: str = SERVICE,
    certificate: Certificate | None = None,
) -> Iterator[Machine]:
    """Run one until the end of the block. What it has on other ports is nobody's business."""
    with postfix.instance(
        {**SETTINGS, **(settings or {})}, services, host=net.machine, port=2525, peer=PEER, certificate=certificate
    ) as running:
        yield Machine(net, running)


def compare(policy: Policy, mail: Machine, clients: Sequence[str], *, tls: bool = False) -> None:
    """What Postfix says to each client for each recipient is what the policy comes to.

    A process of before a reload may still take one connection, "at its earliest convenience", so whoever hears
    something else is asked once more.
    """
    wrong = _otherwise(policy, mail, clients, tls=tls)
    if wrong:
        time.sleep(2)
        wrong = _otherwise(policy, mail, list(wrong), tls=tls)
    assert not wrong


def _otherwise(policy: Policy, mail: Machine, clients: Sequence[str], *, tls: bool) -> dict[str, str]:
    heard = mail.said(clients, RECIPIENTS, tls=tls)
    wrong = {}
    for client in clients:
        for to, said in zip(RECIPIENTS, heard[client], strict=True):
            wanted = outcome(policy, client, to, tls=tls)
            right = said.startswith("2") is wanted.permitted
            if not wanted.permitted and "encryption" not in said:
                right = said.startswith("4" if wanted.action is Action.DEFER else "5")
            if not right:
                wrong[client] = f"{to}: {said!r}, wanted {wanted.action.value} by {wanted.rule}"
    return wrong
