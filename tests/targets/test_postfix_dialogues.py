"""The script for Postfix on a machine with a real one: thousands of clients, all recipients, and back again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.peers import process
from tests.peers.certs import Authority
from tests.peers.outside import Outside, outside
from tests.targets.mail_samples import MAIL_POLICIES, RECIPIENTS, generated
from tests.targets.postfix_machine import POSTSCREEN, Machine, compare, machine
from tests.targets.samples import POLICIES, made
from tests.targets.truth import TODAY, edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

STRANGER, LISTED, RELAYS = "192.0.2.99", "203.0.113.2", "192.168.0.40"
SMALL = POLICIES["small"]


@pytest.fixture
def net() -> Iterator[Outside]:
    with outside() as found:
        yield found


@pytest.fixture(scope="module")
def mail() -> Iterator[Machine]:
    with outside() as own, machine(own, {"smtpd_authorized_xclient_hosts": "192.0.2.0/24"}) as found:
        yield found


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    certificate = Authority(tmp_path_factory.mktemp("authority")).issue("mail.example.test")
    with outside() as own, machine(own, certificate=certificate) as found:
        yield found


def text_of(policy: str) -> str:
    return made("postfix", policy).text


@pytest.mark.parametrize("sample", sorted(POLICIES))
def test_samples(mail: Machine, sample: str) -> None:
    mail.script(text_of(POLICIES[sample]))
    policy = policy_of(POLICIES[sample])
    compare(policy, mail, edges(policy, more=100))


@pytest.mark.parametrize("sample", sorted(MAIL_POLICIES))
def test_every_grant(mail: Machine, sample: str) -> None:
    mail.script(text_of(MAIL_POLICIES[sample]))
    policy = policy_of(MAIL_POLICIES[sample])
    compare(policy, mail, edges(policy, more=100))


@pytest.mark.parametrize("seed", range(8))
def test_generated_policies(mail: Machine, seed: int) -> None:
    policy = policy_of(generated(seed))
    mail.script(text_of(generated(seed)))
    compare(policy, mail, edges(policy, seed, more=100))


@pytest.mark.parametrize("sample", ["tls", "tls-for-all", "all-grants"])
@pytest.mark.parametrize("tls", [True, False])
def test_tls(secure: Machine, sample: str, tls: bool) -> None:
    secure.script(text_of(MAIL_POLICIES[sample]))
    policy = policy_of(MAIL_POLICIES[sample])
    compare(policy, secure, edges(policy, more=20), tls=tls)
    if sample == "tls" and not tls:
        assert secure.said(["198.51.100.9"], RECIPIENTS[:1])["198.51.100.9"][0].startswith("530 5.7.")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.branches.example.org", "2"),
        ("a.b.branches.EXAMPLE.org", "2"),
        ("branches.example.org", "5"),
        ("a.branches.example.org.elsewhere.test", "5"),
        ("branchesXexample.org", "5"),
        ("[UNAVAILABLE]", "5"),
        ("[TEMPUNAVAIL]", "4"),
    ],
)
def test_names(mail: Machine, name: str, says: str) -> None:
    mail.script(text_of(POLICIES["names-and-certificates"]))
    given = [f"XCLIENT NAME={name} ADDR=192.0.2.99", "EHLO client.test", "MAIL FROM:<>", "RCPT TO:<anna@example.org>"]
    client = "192.0.2.77"
    assert mail.net.answers([client], given)[client][4].startswith(says)


def test_postmaster_without_a_domain_is_refused_with_the_data(mail: Machine) -> None:
    mail.script(text_of(SMALL))
    given = ["EHLO client.test", "MAIL FROM:<x@sender.test>", "RCPT TO:<postmaster>", "DATA"]
    heard = mail.net.answers([STRANGER, LISTED], given)
    assert heard[STRANGER][4].startswith("554 5.7.1")
    assert heard[LISTED][4].startswith("354")


@pytest.mark.parametrize("sample", ["small", "nobody", "names-and-certificates", "tls"])
def test_undo_brings_every_octet_back(net: Outside, sample: str) -> None:
    with machine(net, MANY_SETTINGS, MANY_OPTIONS) as mail:
        before, answers = _files(mail.etc), mail.said([STRANGER, RELAYS], RECIPIENTS)
        for text in (MAIL_POLICIES["at-connect"], POLICIES[sample], POLICIES[sample]):
            mail.script(text_of(text))
            assert _files(mail.etc) != before
            assert mail.said([STRANGER], RECIPIENTS)[STRANGER][0].startswith("5")
        assert "undone" in mail.script(text_of(POLICIES[sample]), "undo")
        assert _files(mail.etc) == before
        assert not (mail.etc / "arrowslit").exists()
        assert mail.said([STRANGER, RELAYS], RECIPIENTS) == answers


MANY_SETTINGS = {
    "smtpd_restriction_classes": "own_class,\n  other_class",
    "own_class": "permit_mynetworks",
    "other_class": "check_client_access inline:{203.0.113.3=REJECT}",
    "smtpd_client_restrictions": "check_client_access inline:{203.0.113.4=REJECT},\n permit_mynetworks",
}
MANY_OPTIONS = """\
# a remark
smtp      inet  n       -       n       -       200       smtpd
  -o syslog_name=postfix/25
  -o { smtpd_data_restrictions = reject_unauth_pipelining, permit }
  -o { smtpd_relay_restrictions = permit_mynetworks, own_class, reject_unauth_destination }
# another
"""


def _files(etc: Path) -> list[str]:
    return [(etc / name).read_text() for name in ("main.cf", "master.cf")]


def test_undo_keeps_what_an_administrator_changed_since(net: Outside) -> None:
    with machine(net, MANY_SETTINGS, MANY_OPTIONS) as mail:
        answers = mail.said([STRANGER, RELAYS], RECIPIENTS)
        mail.script(text_of(SMALL))
        mail.run("/usr/sbin/postconf", "-e", "message_size_limit = 12345678")
        mail.run("/usr/sbin/postconf", "-P", "smtp/inet/smtpd_tls_auth_only=yes")
        mail.script(text_of(MAIL_POLICIES["at-connect"]))
        assert mail.said([STRANGER], ["a@example.org"])[STRANGER] == mail.said([STRANGER], ["a@example.org"])[STRANGER]
        mail.script(text_of(SMALL), "undo")
        main, master = _files(mail.etc)
        assert "message_size_limit = 12345678" in main
        assert "smtpd_restriction_classes = own_class other_class\n" in main
        assert "smtpd_tls_auth_only=yes" in master
        assert "arrowslit" not in main + master
        assert "smtpd_relay_restrictions=permit_mynetworks,own_class,reject_unauth_destination" in master
        assert mail.said([STRANGER, RELAYS], RECIPIENTS) == answers


def test_what_the_administrator_refuses_stays_refused(net: Outside) -> None:
    with machine(net, MANY_SETTINGS, MANY_OPTIONS) as mail:
        for sample in (SMALL, MAIL_POLICIES["at-connect"]):
            mail.script(text_of(sample))
            said = mail.said([LISTED, "203.0.113.4"], ["anna@example.org"])
            assert said[LISTED] == ["250 2.1.5 Ok"]
            assert said["203.0.113.4"][0].startswith("554 5.7.1")


def test_no_other_service_is_touched(mail: Machine) -> None:
    mail.script(text_of(POLICIES["nobody"]))
    given = ["EHLO client.test", "MAIL FROM:<>", "RCPT TO:<anna@example.org>"]
    assert mail.net.answers([STRANGER], given, port=26)[STRANGER][3].startswith("250")
    assert mail.net.answers([STRANGER], given)[STRANGER][3].startswith("554")


@pytest.mark.parametrize("sample", ["small", "at-connect"])
def test_behind_postscreen(net: Outside, sample: str) -> None:
    text = {**POLICIES, **MAIL_POLICIES}[sample]
    with machine(net, {"postscreen_access_list": "static:permit"}, POSTSCREEN) as mail:
        before = _files(mail.etc)
        assert "applied to: smtpd/pass" in mail.script(text_of(text))
        policy = policy_of(text)
        compare(policy, mail, edges(policy, more=20))
        mail.script(text_of(text), "undo")
        assert _files(mail.etc) == before


def test_a_machine_without_the_port_is_left_as_it_is(net: Outside) -> None:
    with machine(net, services="") as mail:
        before = _files(mail.etc)
        assert "no smtpd or postscreen on port 25" in mail.script(text_of(SMALL), fails=True)
        assert "nothing to undo" in mail.script(text_of(SMALL), "undo", fails=True)
        assert _files(mail.etc) == before


def test_a_table_that_says_otherwise_is_not_put_into_use(mail: Machine) -> None:
    mail.script(text_of(SMALL))
    before = _files(mail.etc)
    broken = text_of(SMALL).replace(
        "83.245.15.239            arrowslit_recipient", "83.245.15.239/8  arrowslit_recipient"
    )
    assert "nothing was changed" in mail.script(broken, fails=True)
    assert _files(mail.etc) == before
    mail.run("/usr/sbin/postfix", "reload")
    assert mail.said(["83.245.15.239"], ["anna@example.org"])["83.245.15.239"] == ["250 2.1.5 Ok"]


@pytest.mark.parametrize("again", [False, True])
def test_what_postfix_does_not_take_is_taken_back(net: Outside, again: bool) -> None:
    with machine(net, MANY_SETTINGS, MANY_OPTIONS) as mail:
        if again:
            mail.script(text_of(MAIL_POLICIES["all-grants"]))
        before, answers = _files(mail.etc), mail.said([STRANGER, RELAYS], RECIPIENTS)
        broken = text_of(SMALL).replace("checked() { postfix check; }", "checked() { false; }")
        assert "everything is as it was" in mail.script(broken, fails=True)
        assert _files(mail.etc) == before
        mail.run("/usr/sbin/postfix", "reload")
        assert mail.said([STRANGER, RELAYS], RECIPIENTS) == answers


def test_a_name_that_is_listed_may_not(mail: Machine) -> None:
    listed = 'all_except_listed = [ { domain = "*.spam.example" }, '
    mail.script(text_of(POLICIES["everybody-but"].replace("all_except_listed = [", listed)))
    for name, says in (("a.spam.example", "554"), ("spam.example", "250"), ("[UNAVAILABLE]", "250")):
        given = [f"XCLIENT NAME={name} ADDR={STRANGER}", "EHLO x.test", "MAIL FROM:<>", "RCPT TO:<anna@example.org>"]
        assert mail.net.answers(["192.0.2.77"], given)["192.0.2.77"][4].startswith(says)


def test_domains_of_only_one_side_are_told(mail: Machine) -> None:
    told = mail.script(text_of(SMALL.replace("example.net", "example.edu")))
    assert "the policy accepts example.edu" in told
    assert "Postfix handles example.net" in told
    assert "example.org" not in told


def test_a_stranger_finds_no_moment_in_which_it_is_open(mail: Machine) -> None:
    """Applied over and over, with other lists and at another stage, while a stranger tries without a pause."""
    mail.script(text_of(SMALL))
    stop, got_in, tries = Event(), [], []

    def try_on() -> None:
        while not stop.is_set():
            said = mail.said([STRANGER], ["anna@example.org", "a@elsewhere.test"])[STRANGER]
            tries.append(said)
            got_in.extend(one for one in said if one.startswith("2"))

    strangers = [Thread(target=try_on) for _ in range(3)]
    for one in strangers:
        one.start()
    for sample in ["at-connect", "all-grants", "tls", "at-connect-for-now", "exceptions"]:
        mail.script(text_of(MAIL_POLICIES[sample].replace('"anna@example.org"', '"zoe@example.org"')))
    stop.set()
    for one in strangers:
        one.join()
    assert len(tries) > 10
    assert not got_in


def test_observe_writes_down_who_would_be_refused(mail: Machine) -> None:
    mail.script(text_of(POLICIES["observe"]))
    mail.said([STRANGER, LISTED], ["watched@example.org"])
    log = mail.postfix.running.log_text
    assert process.until(lambda: f"reject_warning: RCPT from unknown[{STRANGER}]" in log())
    assert not any("reject_warning" in line and f"[{LISTED}]" in line for line in log().splitlines())


def test_expired_entries_are_left_out() -> None:
    assert datetime.date(2026, 11, 24) < TODAY
    assert "203.0.113.40" not in text_of(POLICIES["expires"])
