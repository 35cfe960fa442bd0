"""What a policy would have said to the traffic of the past, and what it says where facts are missing."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from arrowslit.traffic.attempt import NOT_TOLD, REFUSED, REFUSED_OTHERWISE, REFUSED_UNSAID, Attempt
from arrowslit.traffic.rehearsal import CANNOT_TELL, NEWLY_PERMITTED, NEWLY_REFUSED, OBSERVED, Rehearsal, Rehearsing
from arrowslit.upkeep.replay import readable
from tests.policy.trees import policy

DAY = datetime.date(2026, 11, 25)
TEXT = """
version = 1
[next_hops.inner]
address = "smtp://192.0.2.25:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
relay_next_hop = "inner"
[virtual_servers.default.connection_control]
only_listed = [ { computer = "192.0.2.1" }, { domain = "*.branches.example.org" } ]
[virtual_servers.default.relay_restrictions]
only_listed = [ { computer = "192.0.2.1", require_tls = true } ]
[virtual_servers.submission]
relay_next_hop = "inner"
[virtual_servers.submission.authentication]
required = true
with = "users"
[virtual_servers.submission.connection_control]
mode = "all_except_listed"
"""


def record(**fields: Any) -> dict[str, Any]:
    """A delivery from the filter, but for these fields."""
    return {
        "kind": "delivery",
        "action": "permit",
        "virtual_server": "default",
        "client_address": "192.0.2.1",
        "reverse_path": "a@elsewhere.test",
        "forward_path": "bob@example.org",
        "helo_name": "x",
        "time": 1000.0,
        **fields,
    }


def rehearsed(*records: dict[str, Any], text: str = TEXT) -> Rehearsal:
    rehearsing = Rehearsing(policy(text), DAY)
    for one in records:
        rehearsing.take(readable(one))
    return rehearsing.result


def test_what_stays_as_it_was_is_no_difference() -> None:
    refused = record(kind="decision", action="reject", client_address="203.0.113.9", client_name="x.test")
    found = rehearsed(record(), refused)
    assert (found.attempts, found.unchanged, found.first) == (2, 2, 1000.0)


def test_differences_are_counted_by_client_with_the_newest_example() -> None:
    stranger = {"client_address": "203.0.113.9", "client_name": "x.test"}
    found = rehearsed(
        record(time=1.0, **stranger),
        record(time=3.0, count=5, forward_path="carl@example.org", **stranger),
        record(time=2.0, **stranger),
        record(kind="decision", action="reject", time=9.0),
    )
    (one,) = found.newly_refused.values()
    assert (one.address, one.attempts, one.reason, one.last, one.recipient) == (
        "203.0.113.9",
        7,
        "may-not-connect",
        3.0,
        "carl@example.org",
    )
    (other,) = found.newly_permitted.values()
    assert (other.address, other.attempts) == ("192.0.2.1", 1)


def test_what_observe_let_pass_is_newly_refused_once_it_is_enforced() -> None:
    let_pass = record(kind="decision", action="permit", would_be="may-not-connect", client_address="203.0.113.9")
    delivered = record(would_be="may-not-connect", client_address="203.0.113.9", client_name="x.test")
    found = rehearsed(let_pass, delivered)
    assert (found.attempts, found.counted(NEWLY_REFUSED)) == (1, 1)


def test_what_depends_on_what_was_not_looked_up_cannot_be_told() -> None:
    found = rehearsed(record(client_address="203.0.113.9"))
    (one,) = found.cannot_tell.values()
    assert (found.attempts, one.address, one.missing) == (1, "203.0.113.9", ["client_name"])


def test_a_virtual_server_that_is_gone_refuses() -> None:
    assert (
        rehearsed(record(virtual_server="old", reverse_name="")).newly_refused["192.0.2.1"].reason
        == "no-such-virtual-server"
    )


@pytest.mark.parametrize(
    "broken",
    [{"client_address": "x"}, {"forward_path": "<<>>"}, {"time": None}, {"kind": "fault"}, {"kind": "unreadable"}],
)
def test_a_record_that_says_nothing_is_passed_over(broken: dict[str, Any]) -> None:
    assert rehearsed(record(**broken)).unchanged == 0


def told(attempt: Attempt, text: str = TEXT) -> tuple[str, list[str]]:
    """The group that one attempt falls in, and the facts that are missing."""
    rehearsing = Rehearsing(policy(text), DAY)
    rehearsing.take([attempt])
    for group in (NEWLY_REFUSED, NEWLY_PERMITTED, CANNOT_TELL, OBSERVED):
        for client in rehearsing.result.group(group).values():
            return group, client.missing
    assert rehearsing.result.unchanged + rehearsing.result.not_judged == 1
    return "unchanged" if rehearsing.result.unchanged else "not judged", []


ATTEMPT = Attempt(
    1000.0,
    "192.0.2.1",
    "permitted",
    service="smtpd",
    client_name="",
    tls=True,
    authenticated_as="",
    reverse_path="a@elsewhere.test",
    forward_path="bob@example.org",
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("unchanged", [])),
        ({"told": REFUSED}, (NEWLY_PERMITTED, [])),
        ({"told": REFUSED_OTHERWISE, "client_address": "203.0.113.9"}, ("unchanged", [])),
        ({"told": NOT_TOLD}, ("unchanged", [])),
        ({"told": NOT_TOLD, "client_address": "203.0.113.9"}, (CANNOT_TELL, ["outcome"])),
        ({"told": REFUSED_UNSAID}, (CANNOT_TELL, ["reason"])),
        ({"told": REFUSED_UNSAID, "client_address": "203.0.113.9"}, ("unchanged", [])),
        ({"client_address": "203.0.113.9"}, (NEWLY_REFUSED, [])),
        ({"client_address": "203.0.113.9", "client_name": "a.branches.example.org"}, ("unchanged", [])),
        ({"client_address": "203.0.113.9", "client_name": None}, (CANNOT_TELL, ["client_name"])),
        ({"client_address": None}, (CANNOT_TELL, ["client_address"])),
        ({"client_address": "no address"}, ("not judged", [])),
        ({"forward_path": "no address"}, ("not judged", [])),
        ({"forward_path": "x@elsewhere.test"}, ("unchanged", [])),
        ({"forward_path": "x@elsewhere.test", "tls": False}, (NEWLY_REFUSED, [])),
        ({"forward_path": "x@elsewhere.test", "tls": None}, (CANNOT_TELL, ["tls"])),
        # A message that was let in, and nobody knows to whom: it may have been relayed.
        ({"forward_path": None}, (CANNOT_TELL, ["forward_path"])),
        ({"forward_path": None, "reverse_path": None}, ("unchanged", [])),
        ({"forward_path": None, "told": REFUSED}, (NEWLY_PERMITTED, [])),
        ({"forward_path": None, "client_address": "203.0.113.9"}, (NEWLY_REFUSED, [])),
        # Who signed in came to the submission service, which the log may name in its own way, or not at all.
        (
            {"service": "submission/smtpd", "client_address": "203.0.113.9", "authenticated_as": "ann"},
            ("unchanged", []),
        ),
        ({"service": ":587", "client_address": "203.0.113.9", "authenticated_as": "ann"}, ("unchanged", [])),
        (
            {"service": None, "client_address": "203.0.113.9", "authenticated_as": "ann"},
            (CANNOT_TELL, ["virtual_server"]),
        ),
        ({"service": None, "client_address": "203.0.113.9"}, (NEWLY_REFUSED, [])),
        # Whether somebody signed in does not matter where nobody can.
        ({"authenticated_as": None}, ("unchanged", [])),
    ],
)
def test_groups(changes: dict[str, Any], expected: tuple[str, list[str]]) -> None:
    assert told(ATTEMPT._replace(**changes)) == expected


def test_observe_lets_pass_and_says_whom_it_would_not() -> None:
    observing = TEXT.replace("[virtual_servers.default]", '[virtual_servers.default]\nmode = "observe"')
    assert told(ATTEMPT._replace(client_address="203.0.113.9"), observing) == (OBSERVED, [])


def test_what_may_be_let_in_or_only_observed_cannot_be_told() -> None:
    observing = TEXT.replace("[virtual_servers.default]", '[virtual_servers.default]\nmode = "observe"')
    stranger = ATTEMPT._replace(client_address="203.0.113.9", client_name=None)
    assert told(stranger, observing) == (CANNOT_TELL, ["client_name"])


def test_an_absent_fact_is_not_an_unknown_one() -> None:
    """A reverse-path that the log has as <> is known; one that it does not have may be one of ours."""
    ours = TEXT.replace("[virtual_servers.default]", '[virtual_servers.default]\nown_domains_from_outside = "reject"')
    stranger = ATTEMPT._replace(client_address="203.0.113.9", client_name="x.branches.example.org")
    assert told(stranger._replace(reverse_path=""), ours) == ("unchanged", [])
    assert told(stranger._replace(reverse_path=None), ours) == ("unchanged", [])  # it is listed by its name
    open_ = ours.replace("[virtual_servers.default.conn", "[virtual_servers.x.conn", 1)
    open_ = open_ + '[virtual_servers.default.connection_control]\nmode = "all_except_listed"\n'
    assert told(stranger._replace(reverse_path=""), open_) == ("unchanged", [])
    assert told(stranger._replace(reverse_path="x@example.org"), open_) == (NEWLY_REFUSED, [])
    assert told(stranger._replace(reverse_path=None), open_) == (CANNOT_TELL, ["reverse_path"])


def test_a_result_can_be_saved_and_taken_up() -> None:
    rehearsing = Rehearsing(policy(TEXT), DAY)
    rehearsing.take([ATTEMPT._replace(client_address="203.0.113.9"), ATTEMPT])
    saved = rehearsing.result.to_json()
    assert Rehearsal.from_json(saved) == rehearsing.result


OWN_SENDERS = TEXT.replace('with = "users"', 'with = "users"\nsender_addresses = "own"')


def test_which_addresses_an_account_had_is_told_by_no_log() -> None:
    signed_in = ATTEMPT._replace(service="submission/smtpd", client_address="203.0.113.9", authenticated_as="ann")
    assert told(signed_in, OWN_SENDERS) == (CANNOT_TELL, ["own_addresses"])
    assert told(signed_in._replace(reverse_path=""), OWN_SENDERS) == ("unchanged", [])


def test_a_certificate_is_only_shown_in_tls() -> None:
    listed = TEXT.replace(
        '{ domain = "*.branches.example.org" }', '{ certificate = "mx.partner.example", require_tls = true }'
    )
    shown = ATTEMPT._replace(
        client_address="203.0.113.9",
        tls=None,
        certificate="sha256:" + "0" * 64,
        certificate_names=("mx.partner.example",),
    )
    assert told(shown, listed) == ("unchanged", [])


def rehearsing_of(*attempts: Attempt, text: str = TEXT) -> Rehearsing:
    made = Rehearsing(policy(text), DAY)
    made.take(attempts)
    return made


def test_a_recipient_without_a_domain_is_not_taken_for_the_domain() -> None:
    """The answer to `example.org`, which is no address, must not be remembered for bob@example.org."""
    for attempts in ((ATTEMPT._replace(forward_path="example.org"), ATTEMPT),):
        for order in (attempts, attempts[::-1]):
            result = rehearsing_of(*order).result
            assert (result.unchanged, result.not_judged) == (1, 1)


EXCEPTIONS = TEXT.replace(
    "[virtual_servers.default]", '[virtual_servers.default]\nrecipient_exceptions = ["postmaster@example.org"]', 1
)


@pytest.mark.parametrize("domain", ["example.org", "EXAMPLE.ORG", "example.org."])
def test_an_exception_is_not_mistaken_for_its_neighbours(domain: str) -> None:
    stranger = ATTEMPT._replace(client_address="203.0.113.9", forward_path=f"Postmaster@{domain}")
    neighbour = stranger._replace(forward_path=f"bob@{domain}")
    for order in ((stranger, neighbour), (neighbour, stranger)):
        result = rehearsing_of(*order, text=EXCEPTIONS).result
        assert (result.unchanged, result.counted(NEWLY_REFUSED)) == (1, 1)


@pytest.mark.parametrize(
    ("spelled", "address"),
    [("2001:DB8::9", "2001:db8::9"), ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1%eth0", "fe80::1")],
)
def test_a_client_is_one_however_its_address_is_written(spelled: str, address: str) -> None:
    made = rehearsing_of(ATTEMPT._replace(client_address=spelled), ATTEMPT._replace(client_address=address))
    assert [(one.address, one.attempts) for one in made.result.newly_refused.values()] == [(address, 2)]


def test_an_untold_client_has_no_address() -> None:
    assert list(rehearsing_of(ATTEMPT._replace(client_address=None)).result.cannot_tell) == [""]


def test_a_record_of_no_virtual_server_is_judged_only_with_a_true_address() -> None:
    made = rehearsing_of(ATTEMPT._replace(service="virtual server old", client_address="\x1b[31m203.0.113.9"))
    assert (made.result.not_judged, made.result.newly_refused) == (1, {})


def test_one_line_that_stands_for_several_counts_as_several() -> None:
    made = rehearsing_of(ATTEMPT._replace(client_address="203.0.113.9", repeats=5, forward_path="x@elsewhere.test"))
    (one,) = made.result.newly_refused.values()
    assert (made.result.attempts, made.result.messages) == (5, 5)
    assert (one.attempts, one.messages, one.relayed, one.to_domains) == (5, 5, 5, {"elsewhere.test": 5})


def test_a_domain_of_ours_in_other_letters_is_no_relaying() -> None:
    text = TEXT.replace('example.org"]', 'straße.example"]')
    stranger = ATTEMPT._replace(client_address="203.0.113.9", forward_path="bob@STRASSE.example")
    for path, relayed in (("bob@Straße.example.", 0), ("bob@strasse.example", 1)):
        (one,) = rehearsing_of(stranger._replace(forward_path=path), text=text).result.newly_refused.values()
        assert one.relayed == relayed


def test_who_comes_often_is_not_lost_among_strangers_who_come_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arrowslit.traffic.rehearsal.CLIENTS", 100)
    made = Rehearsing(policy(TEXT), DAY)
    office = ATTEMPT._replace(client_address="203.0.113.9")
    for at in range(5000):
        made.take([ATTEMPT._replace(time=1000.0 + at, client_address=f"198.51.{100 + at // 250}.{at % 250}")])
        if at > 2000 and at % 40 == 0:
            made.take([office._replace(time=1000.0 + at)])
    clients = made.result.newly_refused
    assert len(clients) <= 100
    assert clients["203.0.113.9"].attempts == len(range(2040, 5000, 40))
    assert made.result.counted(NEWLY_REFUSED) == made.result.attempts
    assert (clients["others"].first, clients["others"].attempts > 4000) == (1000.0, True)


def test_long_texts_of_strangers_are_not_kept() -> None:
    long = "x" * 60_000
    stranger = ATTEMPT._replace(
        client_address="203.0.113.9",
        client_name=f"{long}.test",
        helo_name=long,
        reverse_path=f"{long}@{long}",
        authenticated_as=long,
        reply=long,
    )
    made = rehearsing_of(stranger, stranger._replace(forward_path=f"{long}@example.org"))
    assert len(repr(made.result.to_json())) < 5000
    assert made.result.not_judged == 1
    assert not made._known
