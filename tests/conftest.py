"""What holds for all tests: how many examples Hypothesis tries, and what happens to a test that
cannot run on this machine.

- `@pytest.mark.peer("postfix", ...)`: needs these peers (names of `tests.peers.install.PEERS`).
- `@pytest.mark.namespaces`: needs root and network namespaces.
- `@pytest.mark.long`: runs only with `--long`.

A test that lacks something is skipped with the reason. With ARROWSLIT_REQUIRE_PEERS=1 every skip is a
failure, so that CI cannot pass by leaving tests out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.peers import install, netns

pytest_plugins = ["tests.peers.fixtures"]

# Examples are not timed: the machines that CI runs on stall for reasons of their own.
settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile(
    "ci", max_examples=50, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`."""
    parser.addoption("--long", action="store_true", help="also run the tests marked long")


# Real programs take seconds for each sample. `make test` keeps one of each kind; the others are the long ones.
LONG = re.compile(
    r"""
    test_postfix_dialogues.*(
        test_samples\[(?!small\]|everybody-but\]|nobody\]|tls\])
        |test_generated_policies\[[2-9] |test_undo_brings_every_octet_back\[(?!small\])
        |test_behind_postscreen\[at-connect |test_tls\[False)
    |test_postfix_sign_in.*\[True
    |test_postfix_bundles.*\[(mail-in-a-box|zimbra)
    |test_(exim|sendmail)_dialogues.*test_the_model_agrees_with_the_policy_for_every_recipient.*\[(tls|signed-in)
    |test_(exim|sendmail|opensmtpd)_dialogues.*test_thousands_of_clients\[exceptions
    |test_iptables_packets.*(
        test_packets_to_the_host.*\[nft-(?!small\]|ipv6-only\])
        |test_packets_to_a_container.*\[legacy |test_many_networks_fit |test_a_list_that_changes.*\[legacy)
    |test_nftables_router_packets.*test_packets.*\[(?!small|everybody-but|nobody|ipv6-only)
    |test_(haproxy|nginx)_packets.*test_clients.*\[(?!small\]|everybody-but\]|nobody\]|ipv6-only\])
    |test_(nftables|opnsense)_live.*test_a_hundred_thousand_entries
    |test_inner_postfix.*test_undo_brings_back
    |test_mappings_live.*(\[iptables\]|test_the_commands_of_the_page)
    |test_iptables_live.*TestContract.*\[legacy
    |test_postfix_dialogues.*(test_a_stranger_finds_no_moment|test_undo_keeps_what)
    |test_no_list_of_addresses_is_understood_otherwise\[(aws|gcp|exchange-online-certificate)\]
    |test_ufw_packets.*test_undone
    |test_postfix_live.*(
        test_what_an_administrator_changed|test_what_does_not_come_out_right|test_a_server_that_answers_otherwise
        |test_drift_of_settings_is_named\[change[23]|test_the_rights_that|test_undo_of_what_is_pending)
    |test_aws_account.*(a_list_that_changes|a_long_list_goes|nothing_is_closed_before)
    |test_(ufw|firewalld)_packets.*(\[everybody-but\]|rests_on_no|while_ufw_is_off)
    |test_(ufw|firewalld)_live.*test_(?!drift_is_named)
    |test_iptables_live.*(test_a_kill_at_each_step|test_a_step_that_fails|test_it_takes_over|test_a_hundred_thousand)
    |test_exim_live.*(one_family_alone_or_none\[203|the_rights_that_the_unit_gives)
    |test_postfix_live.*(test_nothing_drifts_by_itself\[(?!all-grants\])|test_rules_hold.*\[(?!small\]))
    |test_exim_live.*test_nothing_drifts_by_itself\[(?!all-grants\])
    |test_firewalld_live.*test_drift_is_named
    |test_firewalld_packets.*(test_undone|\[nobody\])
    |test_postfix_bundles.*\[docker-mailserver
    |test_two_nodes.*a_hundred_revisions
    |test_(iptables|nftables)_live.*nobody_confirms.*first[12]
    |test_inner_postfix.*test_before_it
    |test_iptables_live.*\[legacy
    |test_iptables_packets.*a_list_that_changes
    |test_exim_live.*\[unsplit
    |test_relay_patterns.*\[(in_tls-(defer|observe)|not_signed_in-(enforce|observe))
    |test_no_list_of_addresses_is_understood_otherwise\[exchange-online\]
    |test_cloud_sizes.*kubernetes-20000
    |test_postfix_live.*\[change1
    |test_mappings_live.*(a_name_does_not_hide|nobody_answers)
    |test_living_node.*without_any_address
    |test_serve.*the_demonstration_twice
    |test_mikrotik_live.*test_a_fault_at_any_step.*\[(first1-(?!hang|lost\ before)|None-(400|401))
    |test_opnsense_live.*test_a_fault_at_any_step.*\[first1-(?!short|hang)
    |test_postfix_dialogues.*(test_every_grant\[(at-connect-|defer|everybody-may|relay-for-all-but\]|tls-for-all|observe\])
        |test_tls\[True-(?!tls\])|test_names\[(a\.b\.|branches\.example|\[UNAVAILABLE))
    |test_domain_entries.*test_a_failure_is_no_answer\[Trouble\.(REFUSED|GARBAGE)-False
    |test_directory.*test_passwords_go_out_under_tls.*\[(True-starttls|False-ldaps)
    |test_own_record.*the_very_decisions\[defer
    |test_postfix_live.*a_list_of_others_that_changes.*\[at-connect
    |test_declared.*cfn_lint.*\[(?!small)
    |test_exchange_round_trip.*test_it_decides_as_the_policy.*\[False
    """,
    re.VERBOSE,
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests unless they are asked for."""
    for item in items:
        if LONG.search(item.nodeid):
            item.add_marker(pytest.mark.long)
    if config.getoption("--long") or "long" in str(config.getoption("-m")):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose peers or rights are missing, and say which."""
    reasons = [
        reason
        for mark in item.iter_markers("peer")
        for name in mark.args
        if (reason := install.missing(name)) is not None
    ]
    if item.get_closest_marker("namespaces") and (reason := netns.missing()) is not None:
        reasons.append(reason)
    if reasons:
        pytest.skip("; ".join(reasons))


def _no_skips() -> bool:
    return os.environ.get("ARROWSLIT_REQUIRE_PEERS") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where nothing may be left out."""
    report = yield
    if _no_skips() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"may not be skipped under ARROWSLIT_REQUIRE_PEERS=1: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for a whole module that skips itself, as `pytest.importorskip` makes it."""
    report = yield
    if _no_skips() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"may not be skipped under ARROWSLIT_REQUIRE_PEERS=1: {report.longrepr}"
    return report
