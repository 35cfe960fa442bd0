"""Who delivers: ways, places, networks and names counted, hidden clients found, and all of it bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.traffic import inventory as inventory_module
from arrowslit.traffic.attempt import NOT_TOLD, REFUSED, REFUSED_OTHERWISE, TOLD, Attempt
from arrowslit.traffic.inventory import Inventory, Inventorying, domains_to_propose
from arrowslit.traffic.inventory_groups import (
    by_name,
    by_network,
    by_place,
    days_of,
    domain_of_name,
    hidden,
    strangers_outward,
    ways_of,
)
from arrowslit.traffic.origins import Known
from arrowslit.traffic.own_domains import among, proposed, related
from tests.traffic.reading import read
from tests.traffic.samples import BRANCH, FILTER, KNOWN, MONDAY, PRINTER, STRANGER, mail, place

OURS = among({"example.org"})


def inventory(attempts: Iterable[Attempt], *, told: bool = True) -> Inventory:
    made = Inventorying(KNOWN, OURS if told else None)
    made.take(attempts)
    return made.result


WEEK = [
    mail(),
    mail(to="carl@example.org", first=False),
    mail(day=1, repeats=3),
    mail(STRANGER, name="mx.spam.example"),
    mail(STRANGER, to="v@elsewhere.example", told=REFUSED),
    mail(STRANGER, told=REFUSED_OTHERWISE, repeats=4),
    mail(BRANCH, sender="leeds@example.org"),
    mail("203.0.113.77", name="york.branches.example.org"),
    mail(PRINTER, sender="printer@example.org"),
    mail(PRINTER, to="x@elsewhere.example", sender="printer@example.org"),
    mail("203.0.113.200", to="y@elsewhere.example", user="ann"),
    mail("203.0.113.200", user="ann", day=2),
    mail(None, day=2),
]


@pytest.mark.parametrize("told", [True, False])
def test_each_recipient_is_counted_by_the_way_it_came(told: bool) -> None:
    found = ways_of(inventory(WEEK, told=told), OURS)
    assert found == {"filter": 5, "around": 1, "listed": 2, "inside": 1, "outward": 2, "signed_in": 1, "untold": 1}


@pytest.mark.parametrize("told", [True, False])
def test_days_hold_the_same_by_day_and_no_day_is_missing(told: bool) -> None:
    found = days_of(inventory([*WEEK, mail(day=5)], told=told), OURS)
    assert list(found) == [MONDAY + n for n in range(6)]
    assert found[MONDAY] == {"filter": 2, "around": 1, "listed": 2, "inside": 1, "outward": 2}
    assert found[MONDAY + 1] == {"filter": 3}
    assert found[MONDAY + 2] == {"signed_in": 1, "untold": 1}
    assert found[MONDAY + 3] == {}
    assert found[MONDAY + 5] == {"filter": 1}


def test_totals_tell_apart_what_was_let_in_and_what_was_not() -> None:
    found = inventory(WEEK)
    assert (found.permitted, found.refused, found.refused_otherwise, found.not_told) == (13, 1, 4, 0)
    assert found.attempts == 18
    assert found.messages == 12
    assert (found.first, found.last) == ((MONDAY + 0.5) * 86_400, (MONDAY + 2.5) * 86_400)


def test_by_network_the_largest_first_with_what_was_refused() -> None:
    first, *rest = by_network(inventory(WEEK), OURS)
    assert (first.title, first.arrived, first.refused, first.clients, len(first.days)) == ("192.0.2.0/24", 5, 0, 1, 2)
    strangers = next(one for one in rest if one.title == "203.0.113.0/24")
    assert (strangers.arrived, strangers.refused, strangers.clients) == (4, 5, 3)
    assert list(strangers.ways) == ["around", "listed"]
    assert (strangers.signed_in, strangers.outward) == (2, 1)


def test_by_place_of_the_policy_and_of_the_catalogue() -> None:
    found = {one.title: one.arrived for one in by_place(inventory(WEEK), OURS)}
    assert found == {"network filter": 5, "": 4, "service far": 2, "network office": 2}


def test_by_name_a_name_that_nobody_confirmed_stays_in_quotes() -> None:
    attempts = [
        mail(STRANGER, name="a.b.mx.example.co.uk"),
        mail("203.0.113.10", name="c.mx.example.co.uk"),
        mail("203.0.113.11", helo="d.mx.example.co.uk"),
        mail("203.0.113.12"),
    ]
    assert [(one.title, one.arrived) for one in by_name(inventory(attempts), OURS)] == [
        ("example.co.uk", 2),
        ("", 1),
        ('"example.co.uk"', 1),
    ]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("mail-1.outbound.filter.example", "filter.example"),
        ("filter.example.", "filter.example"),
        ("localhost", "localhost"),
        ('"[192.0.2.1]"', '"[192.0.2.1]"'),
        ('"192.0.2.1"', '"192.0.2.1"'),
        ("mx.example.org.uk", "example.org.uk"),
        ("a.mx.example.de", "example.de"),
        ("MX.Example.NET", "example.net"),
    ],
)
def test_the_domain_of_a_name(name: str, domain: str) -> None:
    assert domain_of_name(name) == domain


# --- domains that are ours --------------------------------------------------------------------------------------


def test_domains_are_proposed_from_what_strangers_may_write_to() -> None:
    attempts = [
        *(mail(STRANGER, to=f"u{n}@example.org") for n in range(150)),
        *(mail(FILTER, to="u@example.net") for _ in range(60)),
        mail(STRANGER, to="forwarded@elsewhere.example"),
        *(mail(STRANGER, to="v@spam.example", told=REFUSED) for _ in range(500)),
        *(mail(PRINTER, to=f"u@customer{n % 7}.example") for n in range(900)),
        *(mail("203.0.113.77", to="u@signed-in.example", user="ann") for _ in range(900)),
    ]
    assert domains_to_propose(inventory(attempts, told=False)) == ("example.org", "example.net")


def test_without_any_mail_from_outside_all_mail_proposes() -> None:
    attempts = [*(mail("172.18.0.1") for _ in range(50)), mail("172.18.0.1", to="x@elsewhere.example", repeats=3)]
    assert domains_to_propose(inventory(attempts, told=False)) == ("example.org", "elsewhere.example")


def test_a_domain_of_which_little_came_is_not_proposed() -> None:
    assert proposed({"example.org": 990, "example.net": 10, "rare.example": 9, "": 80, "localhost": 500}) == (
        "example.org",
    )


def test_domains_of_ours_with_those_below() -> None:
    ours = among({"example.org", "*.example.net"})
    assert [ours(one) for one in ("example.org", "a.example.org", "example.net", "a.b.example.net", "-x-", "")] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert related("printer.example.org", ours)
    assert not related("example.com", ours)


def test_strangers_who_get_mail_out_are_an_open_relay_and_stay_around() -> None:
    attempts = [mail(STRANGER, to="v@elsewhere.example"), mail(STRANGER)]
    for told in (True, False):
        found = inventory(attempts, told=told)
        assert strangers_outward(found, OURS) == 1
        assert ways_of(found, OURS) == {"around": 2}


# --- hidden clients ---------------------------------------------------------------------------------------------


def strangers_from(client: str, domains: int, **more: str) -> list[Attempt]:
    return [mail(client, sender=f"a@stranger{n}.example", **more) for n in range(domains)]


@pytest.mark.parametrize("client", ["172.18.0.1", "127.0.0.1", "::1", "192.168.0.1", "fd00::1", "100.64.0.1"])
def test_strangers_mail_from_an_inside_address_is_a_hidden_client(client: str) -> None:
    assert [one.name for one in hidden(inventory(strangers_from(client, 5)), OURS)] == [client]


@pytest.mark.parametrize(
    "attempts",
    [
        strangers_from("172.18.0.1", 4),
        strangers_from(STRANGER, 9),
        strangers_from(FILTER, 9),
        strangers_from("192.168.0.7", 9, user="ann"),
        strangers_from("192.168.0.7", 9, to="c@customer.example"),
        [mail("192.168.0.7", sender=f"root@host{n}.example.org") for n in range(9)],
        [mail("192.168.0.7", sender="", helo=f"printer{n}") for n in range(4)],
    ],
    ids=["few", "outside", "filter", "signed in", "writes outward", "own hosts", "few names"],
)
def test_others_are_not_hidden(attempts: list[Attempt]) -> None:
    assert hidden(inventory(attempts), OURS) == []


def test_without_a_reverse_path_helo_names_tell() -> None:
    attempts = [mail("172.18.0.1", sender=None, helo=f"mx.stranger{n}.example") for n in range(5)]
    assert [one.name for one in hidden(inventory(attempts), OURS)] == ["172.18.0.1"]


def test_a_filter_that_stands_inside_is_the_filter() -> None:
    made = Inventorying(Known(filters=(place("our filter", "10.0.0.7"),)), OURS)
    made.take(strangers_from("10.0.0.7", 9))
    assert hidden(made.result, OURS) == []
    assert ways_of(made.result, OURS) == {"filter": 9}


# --- limits -----------------------------------------------------------------------------------------------------


def test_many_clients_are_put_together_by_network_and_no_recipient_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_module, "SENDERS", 40)
    made = Inventorying(KNOWN, OURS)
    made.take(strangers_from("172.18.0.1", 5))
    for a in range(30):
        for b in range(10):
            made.take([mail(f"203.{a}.113.{b}", helo=f"h{a}")])
        assert len(made.result.senders) <= 40
    assert sum(one.permitted for one in made.result.senders.values()) == 305
    assert sum(one.clients for one in made.result.senders.values()) >= 301
    assert [one.name for one in hidden(made.result, OURS)] == ["172.18.0.1"]


def test_old_days_are_put_together_and_no_recipient_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_module, "DAYS", 10)
    found = inventory([mail(day=n) for n in range(25)])
    assert list(days_of(found, OURS)) == [MONDAY + n for n in range(15, 25)]
    assert ways_of(found, OURS) == {"filter": 25}


def test_many_domains_are_put_together_and_the_large_ones_stay() -> None:
    made = Inventorying(KNOWN)
    for n in range(3000):
        made.take([mail(PRINTER, to=f"u@customer{n}.example", sender="p@example.org")])
        if n % 10 == 0:
            made.take([mail(PRINTER, sender="p@example.org")])
    assert ways_of(made.result, OURS) == {"inside": 300, "outward": 3000}
    assert all(len(ways["inside"]) <= 101 for ways in made.result.days.values())


def test_long_names_are_cut() -> None:
    found = inventory([mail(PRINTER, to="x@" + "y" * 9000, helo="z" * 9000, sender="q@" + "w" * 9000)], told=False)
    assert len(json.dumps(found.to_json())) < 3000


@pytest.mark.parametrize("time", [float("nan"), float("inf"), -5.0, 1e18])
def test_a_time_that_is_none_is_no_reason_to_stop(time: float) -> None:
    found = inventory([mail(), mail()._replace(time=time)])
    assert sum(ways_of(found, OURS).values()) == 2
    json.dumps(found.to_json(), allow_nan=False)
    assert len(days_of(found, OURS)) == 2


def test_connections_count_where_no_recipient_is_named() -> None:
    found = inventory([mail(to=None), mail(STRANGER, to=None, told=NOT_TOLD), mail(STRANGER, to=None, told=REFUSED)])
    assert ways_of(found, OURS) == {"filter": 1, "around": 1}
    assert ways_of(inventory([mail(to=None), mail()]), OURS) == {"filter": 1}


# --- saved, and put together ------------------------------------------------------------------------------------

ADDRESSES = st.sampled_from(
    [FILTER, STRANGER, BRANCH, PRINTER, "172.18.0.1", "2001:db8::7", "::ffff:192.0.2.9", "w", None]
)
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a@b.example", "bob@example.org", "x"]), st.text(max_size=9))
ATTEMPTS = st.builds(
    Attempt,
    time=st.floats(1.7e9, 1.8e9),
    client_address=st.one_of(ADDRESSES, st.text(max_size=20)),
    told=st.sampled_from(TOLD),
    first=st.booleans(),
    client_name=TEXTS,
    helo_name=TEXTS,
    authenticated_as=TEXTS,
    reverse_path=TEXTS,
    forward_path=TEXTS,
    repeats=st.integers(1, 5),
)


@given(st.lists(ATTEMPTS, max_size=30), st.booleans())
def test_whatever_comes_is_counted_and_can_be_saved(attempts: list[Attempt], told: bool) -> None:
    found = inventory(attempts, told=told)
    assert found.attempts == sum(one.repeats for one in attempts)
    assert found.attempts == found.permitted + found.refused + found.refused_otherwise + found.not_told
    saved = json.loads(json.dumps(found.to_json()))
    assert Inventory.from_json(saved) == found


@given(st.lists(ATTEMPTS, max_size=20), st.lists(ATTEMPTS, max_size=20), st.booleans())
def test_two_that_are_added_come_to_the_same_as_one(one: list[Attempt], two: list[Attempt], told: bool) -> None:
    both, first, second = (inventory(some, told=told) for some in ([*one, *two], one, two))
    first.add(second)
    assert (first.attempts, first.messages, first.permitted) == (both.attempts, both.messages, both.permitted)
    assert days_of(first, OURS) == days_of(both, OURS)
    assert {key: (x.permitted, x.refused, x.first, x.last) for key, x in first.senders.items()} == {
        key: (x.permitted, x.refused, x.first, x.last) for key, x in both.senders.items()
    }


def test_told_and_not_told_do_not_mix() -> None:
    with pytest.raises(ValueError, match="told which domains"):
        inventory([]).add(inventory([], told=False))


def test_from_the_log_of_a_mail_server() -> None:
    attempts, _ = read(
        """\
Mar  2 05:00:15 mx postfix/smtpd[91]: connect from mx.filter.example[192.0.2.25]
Mar  2 05:00:16 mx postfix/smtpd[91]: 4F2A1B2C3D: client=mx.filter.example[192.0.2.25]
Mar  2 05:00:16 mx postfix/qmgr[80]: 4F2A1B2C3D: from=<a@example.net>, size=410, nrcpt=1 (queue active)
Mar  2 05:00:17 mx postfix/smtpd[91]: disconnect from mx.filter.example[192.0.2.25] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5
Mar  2 05:00:18 mx postfix/local[95]: 4F2A1B2C3D: to=<bob@example.org>, relay=local, delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)
Mar  2 05:00:19 mx postfix/qmgr[80]: 4F2A1B2C3D: removed
Mar  2 05:01:00 mx postfix/smtpd[93]: connect from unknown[203.0.113.9]
Mar  2 05:01:01 mx postfix/smtpd[93]: NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <v@elsewhere.example>: Relay access denied; from=<a@b.example> to=<v@elsewhere.example> proto=ESMTP helo=<w>
Mar  2 05:01:03 mx postfix/smtpd[93]: disconnect from unknown[203.0.113.9] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4
"""
    )
    found = inventory(attempts, told=False)
    assert ways_of(found, OURS) == {"filter": 1}
    assert (found.permitted, found.refused) == (1, 1)
    assert domains_to_propose(found) == ("example.org",)
    assert found.senders["192.0.2.25"].names == ["mx.filter.example"]
    assert found.senders["203.0.113.9"].refused == 1
