"""The scripts for bundles with a Postfix inside, and what is left of them when the bundle makes its files anew.

There is no mailcow, docker-mailserver, Zimbra or Mail-in-a-Box here: a real Postfix has their restriction lists, and
the tests do with its files what each is known to do at a start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.peers.outside import Outside, outside
from tests.targets.mail_samples import MAIL_POLICIES, RECIPIENTS
from tests.targets.postfix_machine import POSTSCREEN, SERVICE, Machine, compare, machine
from tests.targets.samples import POLICIES, made
from tests.targets.truth import edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

CLIENTS = ["192.0.2.99", "203.0.113.2", "192.168.0.40"]


@dataclass
class Files:
    """What the bundle keeps: its own main.cf and master.cf, and the files that an administrator may write."""

    main: str
    master: str
    kept: dict[str, str] = field(default_factory=dict)


def mailcow_starts(mail: Machine, _: Files) -> None:
    """Everything behind "Overrides" goes, and extra.cf comes behind it."""
    main, _, _ = (mail.etc / "main.cf").read_text().partition("# Overrides\n")
    (mail.etc / "main.cf").write_text(f"{main}# Overrides\n{(mail.etc / 'extra.cf').read_text()}")


def docker_mailserver_starts(mail: Machine, files: Files) -> None:
    """Of a new container: all files as they were delivered, then the two of the administrator."""
    (mail.etc / "main.cf").write_text(files.main)
    (mail.etc / "master.cf").write_text(files.master)
    master, main = mail.etc / "postfix-master.cf", mail.etc / "postfix-main.cf"
    for line in master.read_text().splitlines() if master.exists() else []:
        if line[:1].isalnum():
            mail.run("/usr/sbin/postconf", "-P", line)
    if main.exists():
        (mail.etc / "main.cf").write_text(files.main + main.read_text())
        (mail.etc / "main.cf").write_text(mail.run("/bin/sh", "-c", "postconf -n 2>/dev/null"))


def zimbra_rewrites(mail: Machine, _: Files) -> None:
    """The template becomes master.cf."""
    (mail.etc / "master.cf").write_text((mail.etc / "master.cf.in").read_text())


def nothing_happens(_: Machine, __: Files) -> None:
    """An update edits other settings."""


@dataclass(frozen=True)
class Bundle:
    """What is known of one: its lists, its services, what it does at a start, and the administrator's file."""

    settings: dict[str, str]
    services: str
    starts: Callable[[Machine, Files], None]
    file: str = ""


BUNDLES = {
    "mailcow": Bundle(
        {
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated,\n permit_mynetworks, reject_unauth_destination",
            "smtpd_data_restrictions": "reject_unauth_pipelining, permit",
        },
        POSTSCREEN,
        mailcow_starts,
        "extra.cf",
    ),
    "docker-mailserver": Bundle(
        {
            "smtpd_client_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination",
            "smtpd_data_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining",
        },
        POSTSCREEN,
        docker_mailserver_starts,
        "postfix-main.cf",
    ),
    "zimbra": Bundle(
        {"smtpd_recipient_restrictions": "reject_non_fqdn_recipient, permit_mynetworks, permit"},
        POSTSCREEN.replace(
            "smtpd pass - - n - 200 smtpd\n", "smtpd pass - - n - 200 smtpd\n  -o syslog_name=postfix/in\n"
        ),
        zimbra_rewrites,
        "master.cf.in",
    ),
    "mail-in-a-box": Bundle(
        {"smtpd_recipient_restrictions": "permit_sasl_authenticated,permit_mynetworks,reject_unlisted_recipient"},
        SERVICE,
        nothing_happens,
    ),
}


@pytest.fixture
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


def started(mail: Machine, bundle: Bundle, files: Files) -> None:
    bundle.starts(mail, files)
    mail.run("/usr/sbin/postfix", "reload")


def prepared(mail: Machine, bundle: Bundle) -> Files:
    """The files as the bundle delivers them, with a line of the administrator's."""
    own = {
        "extra.cf": "message_size_limit = 1234567",
        "postfix-main.cf": "message_size_limit = 1234567\n",
        "master.cf.in": (mail.etc / "master.cf").read_text(),
    }
    files = Files((mail.etc / "main.cf").read_text(), (mail.etc / "master.cf").read_text())
    if bundle.file:
        (mail.etc / bundle.file).write_text(own[bundle.file])
        started(mail, bundle, files)
    return files


def run(mail: Machine, name: str, policy: str, *arguments: str) -> None:
    text = made(name, policy).text
    assert "${DMS_CONFIG:-" in text or name != "docker-mailserver"
    mail.script(text.replace("${DMS_CONFIG:-/tmp/docker-mailserver}", mail.inside), *arguments)


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_it_holds_when_the_bundle_makes_its_files_anew(net: Outside, name: str) -> None:
    bundle = BUNDLES[name]
    with machine(net, {"postscreen_access_list": "static:permit", **bundle.settings}, bundle.services) as mail:
        files = prepared(mail, bundle)
        before, answers = _read(mail.etc, bundle.file), mail.said(CLIENTS, RECIPIENTS)
        for sample in ("at-connect", "all-grants"):
            policy = policy_of(MAIL_POLICIES[sample])
            run(mail, name, MAIL_POLICIES[sample])
            compare(policy, mail, edges(policy, more=10))
            started(mail, bundle, files)
            compare(policy, mail, edges(policy, more=10))
        policy = policy_of(POLICIES["small"])
        run(mail, name, POLICIES["small"])
        run(mail, name, POLICIES["small"])
        started(mail, bundle, files)
        compare(policy, mail, edges(policy, more=10))
        assert "arrowslit" in _read(mail.etc, bundle.file) or not bundle.file
        run(mail, name, POLICIES["small"], "undo")
        assert _read(mail.etc, bundle.file).rstrip() == before.rstrip()
        assert mail.said(CLIENTS, RECIPIENTS) == answers
        started(mail, bundle, files)
        assert mail.said(CLIENTS, RECIPIENTS) == answers
        assert "arrowslit" not in (mail.etc / "main.cf").read_text() + (mail.etc / "master.cf").read_text()


def _read(etc: Path, name: str) -> str:
    return (etc / name).read_text() if name else ""
