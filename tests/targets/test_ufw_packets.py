"""The compiled script run by the real ufw, and then packets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arrowslit.targets.gaps import Term
from arrowslit.targets.target import Place
from tests.peers.outside import Outside, listening, outside
from tests.peers.ufw import Run, ufw
from tests.targets.samples import EVERYBODY_BUT, POLICIES, SMALL, made
from tests.targets.truth import edges, may_connect, policy_of

SAMPLES = [
    *("small", "everybody-but", "nobody"),
    *(pytest.param(name, marks=pytest.mark.long) for name in ("everybody", "ipv6-only", "observe")),
]
pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ufw")]

WIDE = """
ufw allow 22/tcp
ufw allow 25/tcp
ufw allow 25
ufw allow 20:30/tcp
ufw allow from 10.1.2.3
ufw allow Postfix
ufw allow in on wan0 to any port 25 proto tcp
ufw allow from 203.0.113.0/24 to any port 25 proto tcp comment 'arrowslit of old'
"""
"""What others have made of it before."""

PROFILE = "[Postfix]\ntitle=Mail server\ndescription=Postfix\nports=25/tcp\n"


@pytest.fixture(scope="module")
def net() -> Iterator[Outside]:
    with outside() as found, listening(found):
        yield found


@pytest.fixture
def run(net: Outside) -> Iterator[Run]:
    with ufw(net.machine) as found:
        found(f"cat >/etc/ufw/applications.d/postfix <<'END'\n{PROFILE}END\n")
        yield found


def permitted(policy_text: str, clients: list[str]) -> set[str]:
    policy = policy_of(policy_text)
    return {one for one in clients if may_connect(policy, one)}


@pytest.mark.parametrize("sample", SAMPLES)
def test_packets_get_as_far_as_the_policy_says(net: Outside, run: Run, sample: str) -> None:
    run(WIDE)
    run(made("ufw", POLICIES[sample]).text)
    clients = edges(policy_of(POLICIES[sample]), more=200)
    assert net.reach(clients) == permitted(POLICIES[sample], clients)


@pytest.mark.parametrize("before", ["", "ufw default allow incoming"])
def test_it_rests_on_no_rule_of_others(net: Outside, run: Run, before: str) -> None:
    run(before)
    run(made("ufw", SMALL, Place(ports=(587, 25))).text)
    clients = edges(policy_of(SMALL))
    assert net.reach(clients) == permitted(SMALL, clients)


@pytest.mark.long
def test_applied_again_nothing_changes(run: Run) -> None:
    run(WIDE)
    for place in (Place(ports=(587, 25)), Place(interface="wan0")):
        script = made("ufw", SMALL, place).text
        run(script)
        once = run("ufw status numbered").stdout
        assert "Skipping" not in run(script).stdout
        assert run("ufw status numbered").stdout == once


def test_undone_the_rules_of_others_are_as_they_were(run: Run) -> None:
    run(WIDE)
    before = run("ufw status numbered").stdout
    for text in (SMALL, EVERYBODY_BUT, SMALL):
        run(made("ufw", text, Place()).text)
    assert "arrowslit" in run("ufw status numbered").stdout
    run(made("ufw", SMALL, Place()).text, "undo")
    assert run("ufw status numbered").stdout == before


def _listing(mode: str, *groups: str) -> str:
    listed = ", ".join(f'{{ group = "{group}" }}' for group in groups)
    start, _, _ = EVERYBODY_BUT.partition("mode = ")
    return f'{start}mode = "{mode}"\n{mode} = [ {listed} ]\n'


FIRST = _listing("only_listed", "203.0.113.0/28", "198.51.100.0/24", "2001:db8:25::/48")
OTHER_LIST = _listing("only_listed", "203.0.113.0/28", "203.0.113.64/32", "2001:db8:26::/48")
OTHER_MODE = _listing("all_except_listed", "198.51.100.0/24", "203.0.113.64/32", "2001:db8:25::/48")


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("second", [pytest.param(OTHER_LIST, marks=pytest.mark.long), OTHER_MODE], ids=["list", "mode"])
def test_a_changed_list_opens_nothing_and_cuts_nobody_off(net: Outside, run: Run, second: str) -> None:
    """After every command of ufw that the script says, in order."""
    run(WIDE)
    run(made("ufw", FIRST).text)
    clients = sorted({*edges(policy_of(FIRST), more=3), *edges(policy_of(second), more=3)})
    for old, new in ((FIRST, second), (second, FIRST)):
        stopped = True
        before, after = permitted(old, clients), permitted(new, clients)
        script = _stopping(made("ufw", new).text)
        while stopped:
            done = run(script)
            stopped = "STOPPED" in done.stdout
            found = net.reach(clients)
            assert before & after <= found <= before | after, done.stdout
        assert found == after


def _stopping(script: str) -> str:
    """The script, ending after its first change of a rule: repeated, it goes on from there."""
    return script.replace("set -eu", "set -eu\n" + _STOP, 1)


_STOP = """
trap 'echo STOPPED; exit 0' USR1
main=$$
ufw() {
	said=$(command ufw "$@") || return
	echo "$said"
	case $1$said in
	*Skipping*) ;;
	prepend* | insert* | delete* | deny*) kill -USR1 $main; exit 0 ;;
	esac
}
"""


@pytest.mark.long
def test_ufw_without_ipv6_lets_none_in(net: Outside) -> None:
    with ufw(net.machine, ipv6=False) as run:
        run("ufw allow 25/tcp")
        run(made("ufw", SMALL).text)
        clients = edges(policy_of(SMALL))
        assert net.reach(clients) == {one for one in permitted(SMALL, clients) if ":" not in one}


@pytest.mark.long
def test_a_rule_of_others_in_the_same_words_is_named_and_nothing_is_done(net: Outside, run: Run) -> None:
    """ufw would leave it where it is, behind the refusal: whoever is listed would be cut off."""
    run(WIDE)
    run("ufw allow from 203.0.113.0/28 to any port 25 proto tcp comment 'branch office'")
    before = run("ufw status numbered").stdout
    script = made("ufw", SMALL, Place()).text
    done = run(script, code=1)
    assert "ufw delete allow from 203.0.113.0/28 to any port 25 proto tcp" in done.stderr
    assert run("ufw status numbered").stdout == before
    run(done.stderr.partition(": ")[2])
    run(script)
    clients = edges(policy_of(SMALL), more=10)
    assert net.reach(clients) == permitted(SMALL, clients)


def test_while_ufw_is_off_it_says_so_and_does_nothing(run: Run) -> None:
    run("ufw --force disable")
    done = run(made("ufw", SMALL).text, code=1)
    assert "ufw enable" in done.stderr
    assert "arrowslit" not in run("ufw show added").stdout


def test_more_ranges_than_it_can_take_are_a_gap() -> None:
    many = ", ".join(f'{{ computer = "10.0.{n // 128}.{n % 128 * 2}" }}' for n in range(1000))
    text = SMALL.replace("only_listed = [\n", f"only_listed = [\n{many},\n", 1)
    assert Term.SIZE.value in {gap.name for gap in made("ufw", text, waive=False).gaps}
    assert Term.SIZE.value not in {gap.name for gap in made("ufw", SMALL, waive=False).gaps}
