"""Which next hop takes the mail about alarms, and the finding where none does."""

from __future__ import annotations

import datetime
from pathlib import Path

from arrowslit.documents.alarm_routes import alarm_routes
from arrowslit.documents.site import load_site
from arrowslit.policy.model import AcceptedDomain, NextHop, NextHopAddress, Policy, VirtualServer


def _hop(name: str, scheme: str = "smtp", fallback: str | None = None) -> NextHop:
    return NextHop(name, (NextHopAddress(scheme, "192.0.2.1", 25),), fallback=fallback)


def _policy(*servers: VirtualServer) -> Policy:
    hops = [_hop("inner", fallback="spare"), _hop("spare", fallback="inner"), _hop("out"), _hop("raw", "tcp")]
    domains = [
        AcceptedDomain("example.org", next_hop="inner"),
        AcceptedDomain("*.example.org", next_hop="out"),
        AcceptedDomain("compiled.test"),
        AcceptedDomain("spliced.test", next_hop="raw"),
    ]
    return Policy(
        next_hops={hop.name: hop for hop in hops},
        accepted_domains={domain.name: domain for domain in domains},
        virtual_servers={server.name: server for server in servers},
    )


def _ways(policy: Policy, *recipients: str) -> tuple[list[tuple[list[str], list[str]]], list[str]]:
    routes, stranded = alarm_routes(recipients, policy)
    return [([hop.name for hop in route.hops], [one.text for one in route.recipients]) for route in routes], stranded


def test_the_next_hop_of_the_accepted_domain_with_its_fallbacks_once_each() -> None:
    routes, stranded = _ways(_policy(), "a@example.org", "B@Example.ORG", "c@sub.example.org")
    assert routes == [(["inner", "spare"], ["a@example.org", "B@Example.ORG"]), (["out"], ["c@sub.example.org"])]
    assert stranded == []


def test_elsewhere_through_a_next_hop_for_relaying() -> None:
    submission, default = (
        VirtualServer("a-submission", relay_next_hop="inner"),
        VirtualServer("default", relay_next_hop="out"),
    )
    assert _ways(_policy(submission, default), "x@elsewhere.test") == ([(["out"], ["x@elsewhere.test"])], [])
    assert _ways(_policy(submission, VirtualServer("default")), "x@elsewhere.test")[0][0][0] == ["inner", "spare"]


def test_no_way() -> None:
    policy = _policy(VirtualServer("default", relay_next_hop="raw"))
    addresses = ["x@elsewhere.test", "x@compiled.test", "x@spliced.test"]
    assert _ways(policy, *addresses) == ([], addresses)


def test_the_finding_stands_at_the_address(tmp_path: Path) -> None:
    (tmp_path / "arrowslit.toml").write_text(
        '[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
        '[alarms]\nmail = ["it@example.org", "it@elsewhere.test"]\n'
    )
    (tmp_path / "policy.toml").write_text(
        'version = 1\n[next_hops.inner]\naddress = "smtp://192.168.0.5:25"\n[accepted_domains."example.org"]\n'
        'next_hop = "inner"\n[virtual_servers.default]\n'
    )
    site = load_site(tmp_path / "arrowslit.toml", date=datetime.date(2026, 11, 25))
    (placed,) = [one for one in site.findings if one.finding.name == "alarm-mail-no-way"]
    assert placed.finding.mark is not None
    assert (placed.finding.mark.span.line, placed.finding.mark.span.column) == (6, 27)
    assert site.admissible
