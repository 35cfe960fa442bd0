"""The guards of living networks: additions at once, removals late, never empty, never too much."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.networks.found import Answer, Failed, Found
from arrowslit.networks.guards import (
    Contents,
    Leaving,
    Rules,
    accept,
    from_json,
    hold,
    next_removal,
    refreshed,
    to_json,
)

RULES = Rules(growth=0.5, grace=100.0)


def some(*texts: str) -> AddressSet:
    return address_set(parse_range(text) for text in texts)


def after(before: Contents, now: float, *texts: str, rules: Rules = RULES) -> Contents:
    return refreshed(before, "d", {"names": Found(some(*texts))}, rules, now).contents


def test_additions_count_at_once_and_removals_after_the_grace_time() -> None:
    first = after(Contents(), 0.0, "192.0.2.1", "192.0.2.2")
    second = after(first, 10.0, "192.0.2.2", "192.0.2.3")
    assert second.accepted == some("192.0.2.1-192.0.2.3")
    third = after(second, 109.0, "192.0.2.2", "192.0.2.3")
    assert third.accepted == second.accepted
    outcome = refreshed(third, "d", {"names": Found(some("192.0.2.2", "192.0.2.3"))}, RULES, 110.0)
    assert outcome.contents.accepted == some("192.0.2.2-192.0.2.3")
    assert (outcome.kind, outcome.added, outcome.removed) == ("refresh", (), ("192.0.2.1",))


def test_what_comes_back_in_time_does_not_leave() -> None:
    state = after(after(Contents(), 0.0, "192.0.2.1", "192.0.2.2"), 10.0, "192.0.2.2")
    state = after(state, 50.0, "192.0.2.1", "192.0.2.2")
    state = after(state, 60.0, "192.0.2.2")
    assert after(state, 111.0, "192.0.2.2").accepted == some("192.0.2.1-192.0.2.2")
    assert after(state, 160.0, "192.0.2.2").accepted == some("192.0.2.2")


def test_a_source_that_fails_keeps_what_it_gave() -> None:
    answers: dict[str, Answer] = {"names": Found(some("192.0.2.1")), "file": Found(some("198.51.100.1"))}
    first = refreshed(Contents(), "d", answers, RULES, 0.0).contents
    outcome = refreshed(first, "d", {**answers, "file": Failed("no such file")}, RULES, 1000.0)
    assert outcome.contents.accepted == first.accepted
    assert (outcome.kind, outcome.because) == ("failed", "no such file")
    again = refreshed(outcome.contents, "d", {**answers, "file": Failed("no such file")}, RULES, 2000.0)
    assert again.kind == ""  # told once
    assert refreshed(again.contents, "d", answers, RULES, 3000.0).kind == "recovered"


def test_much_growth_waits_until_it_is_accepted() -> None:
    first = after(Contents(), 0.0, "192.0.2.0/24")
    outcome = refreshed(first, "d", {"names": Found(some("192.0.2.0/24", "198.51.100.0/24"))}, RULES, 1.0)
    assert outcome.contents.accepted == first.accepted
    assert (outcome.kind, outcome.added) == ("held", ("198.51.100.0/24",))
    assert "more than 50% of 256" in outcome.because
    same = refreshed(outcome.contents, "d", {"names": Found(some("192.0.2.0/24", "198.51.100.0/24"))}, RULES, 9.0)
    assert (same.kind, same.contents.held_since) == ("", 1.0)
    taken = accept(same.contents)
    assert taken.contents.accepted == some("192.0.2.0/24", "198.51.100.0/24")
    assert (taken.kind, taken.contents.held_because) == ("accepted", "")
    gone = after(outcome.contents, 20.0, "192.0.2.0/24")
    assert gone.held == EMPTY  # the source took it back


def test_a_small_network_may_double() -> None:
    assert after(after(Contents(), 0.0, "192.0.2.1"), 1.0, "192.0.2.1", "192.0.2.9").held == EMPTY


def test_sources_that_the_administrator_changed_are_not_held() -> None:
    first = after(Contents(), 0.0, "192.0.2.0/24")
    other = refreshed(first, "other", {"spf:x": Found(some("198.51.100.0/22"))}, RULES, 1.0).contents
    assert other.accepted == some("192.0.2.0/24", "198.51.100.0/22")
    assert refreshed(other, "other", {"spf:x": Found(some("198.51.100.0/22"))}, RULES, 101.0).contents.accepted == some(
        "198.51.100.0/22"
    )


def test_no_list_of_everybody() -> None:
    first = after(Contents(), 0.0, "192.0.2.0/24")
    for wide in ("0.0.0.0/0", "8.0.0.0/8", "::/0", "2001::/16"):
        outcome = refreshed(first, "d", {"names": Found(some("192.0.2.0/24", wide))}, RULES, 1.0)
        assert outcome.contents.accepted == first.accepted
        assert "too wide" in outcome.because


def test_a_site_s_own_networks_may_be_wide() -> None:
    assert after(Contents(), 0.0, "10.0.0.0/8", "fc00::/7").accepted == some("10.0.0.0/8", "fc00::/7")


def test_a_change_may_be_held_for_another_reason() -> None:
    first = after(Contents(), 0.0, "192.0.2.1")
    second = after(first, 1.0, "192.0.2.1", "192.0.2.7")
    outcome = hold(first, second, "it would break something", 1.0)
    assert outcome.contents.accepted == first.accepted
    assert (outcome.kind, outcome.added) == ("held", ("192.0.2.7",))


_SETS = st.lists(st.integers(0, 40), max_size=6).map(
    lambda numbers: AddressSet.from_ranges(
        [(ip_address(f"192.0.2.{n}"), ip_address(f"192.0.2.{n + 3}")) for n in numbers]
    )
)
_ANSWERS = st.one_of(_SETS.map(Found), st.just(Failed("x")))


@given(st.lists(st.tuples(_ANSWERS, _ANSWERS, st.floats(0.1, 60.0)), max_size=12))
def test_whatever_sources_say(steps: list[tuple[Answer, Answer, float]]) -> None:
    state, now = Contents(), 0.0
    seen: dict[int, float] = {}
    for one, two, pause in steps:
        now += pause
        before = state
        state = refreshed(state, "d", {"a": one, "b": two}, RULES, now).contents
        assert from_json(to_json(state)) == state
        if len(before.accepted):
            assert len(state.accepted)
        given = EMPTY.union(*(source.addresses for source in state.sources.values()))
        for n in range(44):
            address = ip_address(f"192.0.2.{n}")
            if given.contains(address):
                seen[n] = now
                assert state.accepted.contains(address)
            elif before.accepted.contains(address) and not state.accepted.contains(address):
                assert now - seen[n] >= RULES.grace or not given


def test_the_next_removal_is_the_first_grace_time_that_ends_later() -> None:
    leaving = (Leaving(100.0, EMPTY), Leaving(50.0, EMPTY), Leaving(0.0, EMPTY))
    state = Contents(leaving=leaving)
    assert next_removal(state, Rules(grace=60.0), 60.0) == 110.0  # the one of 0.0 could not go: it would leave nothing
    assert next_removal(state, Rules(grace=60.0), 160.0) is None


def test_a_big_state_survives_the_store() -> None:
    many = AddressSet.from_ranges(
        [(ip_address(n * 256), ip_address(n * 256 + 7)) for n in range(65_536, 68_000)]
        + [(ip_address(2**125 + n * 2**64), ip_address(2**125 + n * 2**64 + 1)) for n in range(3)]
    )
    state = Contents("d", many, leaving=(Leaving(3.0, many),))
    assert from_json(to_json(state)) == state
