"""Proposals: what would let wanted mail in again, never what would let strangers in, and no word of theirs to a shell."""

from __future__ import annotations

import datetime
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.cli.entry import TABLES, parse_value
from arrowslit.documents.entry_edit import Place as ListPlace
from arrowslit.documents.entry_edit import add_entry
from arrowslit.documents.site import load_site
from arrowslit.mail.address import parse_address
from arrowslit.policy.model import Policy
from arrowslit.traffic.attempt import Attempt
from arrowslit.traffic.proposal_text import command, note_of, plain
from arrowslit.traffic.proposals import Proposal, Proposals, proposals
from arrowslit.traffic.rehearsal import Rehearsal, Rehearsing
from tests.traffic.samples import STRANGER, mail, place

TODAY = datetime.date(2026, 3, 10)
POLICY = """\
version = 1
[networks.filter]
addresses = ["192.0.2.0/24"]
[networks.mimecast_network]
service = "mimecast"
[next_hops.server]
address = "smtp://192.168.0.5:25"
[accepted_domains."example.org"]
next_hop = "server"
[virtual_servers.default]
relay_next_hop = "server"
[virtual_servers.default.connection_control]
mode = "only_listed"
only_listed = [ { network = "filter" } ]
[virtual_servers.default.relay_restrictions]
mode = "only_listed"
only_listed = [ { computer = "192.0.2.200" } ]
"""
SERVICES = (place("other", "198.51.100.0/25"), place("mimecast", "198.51.100.128/25"))


def policy(text: str, folder: Path) -> Policy:
    path = folder / "policy.toml"
    path.write_text(text, "utf-8")
    site = load_site(None, path, date=TODAY, revision=0)
    assert site.policy is not None, [one.finding.message for one in site.findings]
    return site.policy


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy(POLICY, tmp_path_factory.mktemp("policy"))


def rehearsed(rules: Policy, attempts: Iterable[Attempt]) -> Rehearsal:
    made = Rehearsing(rules, TODAY)
    made.take(attempts)
    return made.result


def proposed(rules: Policy, attempts: Iterable[Attempt], hidden: tuple[str, ...] = ()) -> Proposals:
    return proposals(rehearsed(rules, attempts), rules, services=SERVICES, hidden=hidden)


def short(one: Proposal) -> tuple[str, str, str]:
    return one.grant, one.kind, one.value


def test_a_branch_that_would_be_refused_is_proposed_with_its_evidence(default: Policy) -> None:
    attempts = [mail("203.0.113.20", day=day, name="leeds.example.org") for day in range(5)]
    (one,) = proposed(default, attempts).proposed
    assert short(one) == ("connection", "computer", "203.0.113.20")
    assert one.note == "seen 2026-03-02 to 2026-03-06, 5 messages, on 5 days, leeds.example.org"
    assert (one.messages, one.recipients, one.days, one.inside, one.doubts) == (5, 5, 5, False, ())
    assert command(*short(one), one.note) == (
        "arrowslit entry add connection computer:203.0.113.20 "
        "--note 'seen 2026-03-02 to 2026-03-06, 5 messages, on 5 days, leeds.example.org'"
    )


def test_who_writes_outward_needs_to_connect_and_to_relay(default: Policy) -> None:
    found = proposed(default, [mail("192.168.0.40", to="x@elsewhere.example"), mail("192.168.0.40")]).proposed
    assert [short(one) for one in found] == [
        ("connection", "computer", "192.168.0.40"),
        ("relay", "computer", "192.168.0.40"),
    ]


def test_who_may_connect_and_not_relay_is_proposed_for_relaying(default: Policy) -> None:
    found = proposed(default, [mail("192.0.2.7", to="x@elsewhere.example")]).proposed
    assert [short(one) for one in found] == [("relay", "computer", "192.0.2.7")]


def test_the_surest_come_first(default: Policy) -> None:
    attempts = [
        *(mail("203.0.113.1", repeats=1) for _ in range(50)),
        *(mail("203.0.113.2", day=day) for day in range(3)),
        *(mail("203.0.113.3", day=day) for day in range(3)),
        mail("203.0.113.3", day=2),
        mail("203.0.113.4", user="ann"),
        mail("192.168.0.40", sender="p@example.org"),
    ]
    assert [one.value for one in proposed(default, attempts).proposed] == [
        "192.168.0.40",
        "203.0.113.4",
        "203.0.113.3",
        "203.0.113.2",
        "203.0.113.1",
    ]


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "127.5.0.1", "::ffff:127.0.0.1"])
def test_loopback_is_never_proposed(default: Policy, client: str) -> None:
    found = proposed(default, [mail(client, sender="root@example.org")])
    assert found.proposed == ()
    assert [one.client for one in found.left] == [str(parse_address(client))]


@pytest.mark.parametrize("client", ["172.18.0.1", "192.168.0.1", "fd00::1"])
def test_hidden_clients_are_never_proposed(default: Policy, client: str) -> None:
    found = proposed(default, [mail(client, sender=f"a@stranger{n}.example") for n in range(5)])
    assert found.proposed == ()
    assert "strangers' mail comes from it" in found.left[0].why
    known = proposed(default, [mail(client, sender="a@example.org")], hidden=(client,))
    assert known.proposed == ()


@pytest.mark.parametrize("client", ["fe80::1", "0.0.0.0", "ff02::1"])
def test_addresses_that_are_no_computer_are_never_proposed(default: Policy, client: str) -> None:
    assert proposed(default, [mail(client)]).proposed == ()


def test_the_rest_beyond_the_limit_is_never_proposed(default: Policy) -> None:
    found = rehearsed(default, [mail(STRANGER)])
    found.newly_refused["others"] = found.newly_refused.pop(STRANGER)
    found.newly_refused["others"].address = "others"
    assert proposals(found, default).proposed == ()


def test_a_sender_who_changes_addresses_is_proposed_by_each_with_a_doubt(default: Policy) -> None:
    attempts = [mail(f"203.0.113.{n}", day=n, name=f"out{n}.sender.example") for n in range(1, 4)]
    found = proposed(default, attempts).proposed
    assert {one.value for one in found} == {"203.0.113.1", "203.0.113.2", "203.0.113.3"}
    assert all("3 addresses of 203.0.113.0/24" in one.doubts[-1] for one in found)


def test_one_inside_a_service_is_proposed_by_its_network(default: Policy) -> None:
    attempts = [mail(f"198.51.100.{n}", day=n, name=f"out{n}.sender.example") for n in range(1, 4)]
    attempts += [mail(f"198.51.100.{n + 200}", day=n, name=f"out{n}.mc.example") for n in range(1, 4)]
    attempts += [mail("203.0.113.9")]
    found = proposed(default, attempts).proposed
    assert [short(one) for one in found] == [
        ("connection", "computer", "203.0.113.9"),
        ("connection", "network", "mimecast_network"),
        ("connection", "network", "other"),
    ]
    assert found[1].needs == ""
    assert found[2].needs == '[networks.other]\nservice = "other"'
    assert found[2].clients == ("198.51.100.1", "198.51.100.2", "198.51.100.3")
    assert found[2].note.startswith("seen 2026-03-03 to 2026-03-05, 3 messages, on 3 days, from 3 addresses, out1.")
    assert "whoever else sends through that service" in found[2].doubts[0]


def test_on_one_day_only_a_service_is_not_proposed(default: Policy) -> None:
    attempts = [mail(f"198.51.100.{n}", name=f"out{n}.sender.example") for n in range(1, 4)]
    found = proposed(default, attempts).proposed
    assert {one.kind for one in found} == {"computer"}
    assert all("it is of other" in one.doubts[-1] for one in found)


def test_where_the_list_in_force_is_of_those_who_may_not_nothing_is_proposed(tmp_path: Path) -> None:
    text = POLICY.replace(
        'mode = "only_listed"\nonly_listed = [ { network = "filter" } ]',
        'mode = "all_except_listed"\nall_except_listed = [ { computer = "203.0.113.9" } ]',
    )
    found = proposed(policy(text, tmp_path), [mail("203.0.113.9")])
    assert found.proposed == ()
    assert "who may not" in found.left[0].why


def test_what_no_entry_would_change_says_what_would(tmp_path: Path) -> None:
    text = POLICY.replace('{ network = "filter" }', '{ network = "filter", require_tls = true }')
    found = proposed(policy(text, tmp_path), [mail("192.0.2.7")._replace(tls=False)])
    assert found.proposed == ()
    assert "let it use TLS" in found.left[0].why


def test_an_entry_that_was_proposed_lets_the_client_in_again(default: Policy, tmp_path: Path) -> None:
    attempts = [
        *(mail("203.0.113.20", day=day, name="leeds'; rm -rf ~.example.org") for day in range(5)),
        mail("192.168.0.40", to="x@elsewhere.example", sender="p@example.org"),
        mail("2001:db8::25", helo='w"\x1b]0;\n$(id)'),
    ]
    text = POLICY
    for one in proposed(default, attempts).proposed:
        words = shlex.split(command(*short(one), one.note))
        assert words[:3] == ["arrowslit", "entry", "add"]
        kind, value = parse_value(words[4], set(default.networks))
        where = ListPlace("default", TABLES[words[3]], "only_listed")
        assert words[5] == "--note"
        text = add_entry(text, where, {kind: value, "note": words[6]})
    after = rehearsed(policy(text, tmp_path), attempts)
    assert after.newly_refused == {}
    assert after.unchanged == len(attempts)


@given(st.text(max_size=80), st.text(max_size=20))
def test_a_command_is_plain_words_whatever_a_stranger_calls_himself(name: str, value: str) -> None:
    note = note_of(1, 1, 1.77e9, 1.77e9, (name, f'"{name}"'), 1)
    made = command("connection", "network", value, note)
    assert shlex.split(made) == ["arrowslit", "entry", "add", "connection", f"network:{value}", "--note", plain(note)]
    assert set(plain(note)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:@_+/()[]-?")


def test_a_real_shell_takes_it_as_it_is() -> None:
    note = note_of(3, 2, 1.77e9, 1.77e9, ("$(touch /tmp/x)`id`';\\\n!!*~é\x1b[31m",), 1)
    made = command("connection", "computer", "203.0.113.9", note)
    said = subprocess.run(
        ["/bin/sh", "-c", made.replace("arrowslit", "printf '%s|'", 1)], capture_output=True, text=True, check=True
    ).stdout
    assert said.split("|")[:-1] == ["entry", "add", "connection", "computer:203.0.113.9", "--note", note]
