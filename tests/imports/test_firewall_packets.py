"""Rule sets in a real kernel, written out by the firewall's own commands: the policy made of them decides as they do."""

from __future__ import annotations

from functools import partial

import pytest

from arrowslit.imports.imported import Source
from arrowslit.imports.iptables.kind import IPTABLES
from arrowslit.imports.nft.kind import NFTABLES
from tests.imports import generated, iptables_rules, nft_rules, router_rules
from tests.imports.kernel import Case, Outcome, at_once, clients, exported, host, reach_behind, router, saved

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("nftables"), pytest.mark.peer("iptables")]


def of_nft(rules: str, *, behind: bool = False, more: int = 40, seed: int = 1) -> Outcome:
    with router() if behind else host() as net:
        found = NFTABLES.read([Source("rules.json", exported(net.machine, rules))])
        asked = clients(found, rules, more, seed)
        return Outcome(found, asked, reach_behind(net, asked) if behind else net.reach(asked))


def of_iptables(script: str, backend: str = "nft", *, behind: bool = False, more: int = 40, seed: int = 1) -> Outcome:
    with router() if behind else host() as net:
        found = IPTABLES.read(saved(backend, net, script))
        asked = clients(found, script, more, seed)
        return Outcome(found, asked, reach_behind(net, asked) if behind else net.reach(asked))


def by_chance(seed: int) -> Outcome:
    """Even seeds in the language of nft, odd ones in that of iptables."""
    rules = generated.made(seed)
    if seed % 2 == 0:
        return of_nft(generated.nft(rules), more=20, seed=seed)
    four, six = (generated.restore(rules, version) for version in (4, 6))
    return of_iptables(iptables_rules.rules(four, six), "legacy" if seed % 4 == 1 else "nft", more=20, seed=seed)


CASES: dict[str, Case] = {
    **{f"nft: {name}": partial(of_nft, text) for name, text in nft_rules.RULES.items()},
    **{f"iptables: {name}": partial(of_iptables, text) for name, text in iptables_rules.RULES.items()},
    **{f"legacy: {name}": partial(of_iptables, iptables_rules.RULES[name], "legacy") for name in ("chains", "sets")},
    **{f"nft, behind: {name}": partial(of_nft, text, behind=True) for name, text in router_rules.NFT.items()},
    **{
        f"iptables, behind: {name}": partial(of_iptables, text, behind=True)
        for name, text in router_rules.IPTABLES.items()
    },
    **{f"by chance: {seed}": partial(by_chance, seed) for seed in range(4)},
}
ALWAYS = [
    *("nft: sets-and-jumps", "nft: maps", "nft: two-tables", "nft: interface", "nft: redirected"),
    *("legacy: chains", "iptables: sets", "iptables: one-filter", "by chance: 0", "by chance: 1"),
    *("nft, behind: translated for all, forwarded for a few", "iptables, behind: docker, guarded"),
]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome | Exception]:
    return at_once({name: CASES[name] for name in ALWAYS})


@pytest.fixture(scope="module")
def other_outcomes() -> dict[str, Outcome | Exception]:
    return at_once({name: case for name, case in CASES.items() if name not in ALWAYS})


def agrees(outcome: Outcome | Exception) -> None:
    assert isinstance(outcome, Outcome), outcome
    outcome.agrees()
    assert [one for one in outcome.found.left if one.origin.line or one.origin.what] == []


@pytest.mark.parametrize("name", ALWAYS)
def test_the_policy_decides_as_the_rules_do(outcomes: dict[str, Outcome | Exception], name: str) -> None:
    agrees(outcomes[name])


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(CASES) - set(ALWAYS)))
def test_the_others_too(other_outcomes: dict[str, Outcome | Exception], name: str) -> None:
    agrees(other_outcomes[name])


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_rule_sets_by_chance() -> None:
    seeds = range(100, 400)
    for seed, outcome in zip(
        seeds, at_once({str(seed): partial(by_chance, seed) for seed in seeds}).values(), strict=True
    ):
        try:
            agrees(outcome)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{generated.nft(generated.made(seed))}") from None
