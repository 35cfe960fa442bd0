"""What FortiGate, Cisco and the two pf firewalls need beside what is asked of all targets (models only: no device)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from arrowslit.targets.target import Place, PlaceError
from tests.targets.models import MODELS
from tests.targets.models.fortigate import steps
from tests.targets.samples import POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

V4, V6 = ip_address("192.168.0.5"), ip_address("2001:db8:5::5")
BY_CONTENT = ["cisco-ios", "cisco-asa"]


def many(count: int) -> str:
    entries = ", ".join(f'{{ computer = "203.{number // 128}.113.{number % 128 * 2}" }}' for number in range(count))
    return POLICIES["nobody"].replace("only_listed = []", f"only_listed = [ {entries} ]")


@pytest.mark.parametrize("count", [300, 301, 900])
def test_fortigate_puts_many_members_into_groups_of_groups(count: int) -> None:
    policy, text = policy_of(many(count)), made("fortigate", many(count)).text
    admits = MODELS["fortigate"](text)
    for client in edges(policy)[:2000]:
        assert admits(ip_address(client)) is may_connect(policy, client)


def code(text: str, sign: str = "!") -> list[str]:
    return [line for line in text.split("\n") if not line.startswith(sign)]


@pytest.mark.parametrize("name", BY_CONTENT)
def test_the_name_of_a_list_is_its_content(name: str) -> None:
    other = SMALL.replace("203.0.113.77", "203.0.113.78")
    assert code(made(name, SMALL).text) == code(made(name, SMALL, word="another note").text)
    assert not {line for line in code(made(name, SMALL).text) if line.startswith(("ip ", "object-group"))} <= set(
        code(made(name, other).text)
    )


def test_asa_permits_before_it_refuses_and_takes_the_refusal_away_first() -> None:
    compiled = made("cisco-asa", SMALL)
    lines = [line.split() for line in compiled.body.apply if line.startswith("access-list ")]
    assert [line[5] for line in lines] == ["permit", "permit", "deny", "deny"]
    undone = [line.split()[4] for line in compiled.body.undo if line.startswith("no access-list ")]
    assert undone == ["deny", "deny", "permit", "permit"]


def test_asa_opens_no_server_that_it_does_not_know() -> None:
    lines = steps(made("cisco-asa", SMALL, Place(server=(V4,))).text, "apply", "!")
    assert [line.split(" tcp ")[1] for line in lines if " tcp " in line][1:] == [
        "any4 host 192.168.0.5 eq 25",
        "any6 any6 eq 25",
    ]
    with pytest.raises(PlaceError, match="addresses"):
        made("cisco-asa", SMALL, Place())


def test_asa_has_nothing_to_insert_where_everybody_may() -> None:
    assert not [line for line in made("cisco-asa", POLICIES["everybody"]).body.apply if "LIST line" in line]


@pytest.mark.parametrize("name", ["cisco-ios", "cisco-asa", "opnsense", "pfsense"])
def test_an_interface_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    for wrong in ("a b", "a\nb", "a;b", '"', "!"):
        with pytest.raises(PlaceError):
            made(name, SMALL, Place(interface=wrong, server=(V4, V6)))


@pytest.mark.parametrize("name", ["fortigate", "cisco-asa", "opnsense", "pfsense"])
def test_what_only_observes_is_a_gap_and_changes_no_rule(name: str) -> None:
    compiled = made(name, POLICIES["observe"], waive=False)
    assert "observe-mode" in {gap.name for gap in compiled.gaps}
    assert any("leave the" in step for step in compiled.body.apply)


def test_ios_counts_what_it_only_observes() -> None:
    text = made("cisco-ios", POLICIES["observe"]).text
    assert " deny " not in "\n".join(code(text))
    assert " permit tcp any any eq 25\n" in text


def test_several_ports() -> None:
    place = Place(ports=(25, 2525), server=(V4, V6))
    for name in ("cisco-ios", "cisco-asa", "mikrotik"):
        text = made(name, SMALL, place).text
        assert "2525" in text
    assert "dst-port=25,2525" in made("mikrotik", SMALL, place).text
