# ruff: noqa: E501  (a table is read by its columns)
"""Expectations and explanations: the same decisions, asked for by whoever writes a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from arrowslit.mail.address import parse_address
from arrowslit.mail.mailbox_text import parse_forward_path
from arrowslit.policy.decision import Action, Stage
from arrowslit.policy.expectations import check
from arrowslit.policy.explain import explain
from arrowslit.policy.facts import Facts
from tests.policy.test_examples import EXAMPLES
from tests.policy.trees import DATE, policy

SITE = """version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
recipients_file = "r.txt"
[next_hops.queue]
address = "smtp://192.168.0.7:25"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
mode = "observe"
recipient_exceptions = ["postmaster@example.org"]
relay_next_hop = "queue"
connection_control.only_listed = [
  { computer = "192.0.2.1" },
  { computer = "192.0.2.2", require_tls = true },
  { computer = "192.0.2.3", expires = 2026-11-30 },
  { certificate = "mx.filter.example" },
  { domain = "*.branches.example" },
]
relay_restrictions.only_listed = [{ computer = "192.168.0.40" }]
[virtual_servers.submission]
relay_next_hop = "queue"
require_tls = true
authentication.required = true
connection_control.mode = "all_except_listed"
"""


def judged(lines: str) -> tuple[bool, str, tuple[str, ...]]:
    asked = policy(SITE + '[[expectations]]\nthat = "it"\n' + lines)
    (result,) = check(asked, DATE)
    return result.kept, f"{result.decision.action.value} at {result.decision.stage.label}", result.rests_on


@pytest.mark.parametrize(
    ("lines", "got", "rests_on"),
    [
        # Judged as if enforced, though the mode is observe; the name is absent and that counts.
        ('from = "203.0.113.9"\noutcome = "reject"', "reject at mail", ("client_name", "tls")),
        ('from = "203.0.113.9"\noutcome = "reject"\ntls = false\nreverse_name = "x.example"', "reject at mail", ()),
        ('from = "203.0.113.9"\noutcome = "permit"\nreverse_name = "a.branches.example"', "permit at connect", ()),
        ('from = "192.0.2.1"\noutcome = "permit"', "permit at connect", ()),
        ('from = "192.0.2.2"\noutcome = "permit"\ntls = true', "permit at connect", ()),
        ('from = "192.0.2.2"\noutcome = "reject"\ntls = false\nreverse_name = "x.example"', "reject at mail", ()),
        ('from = "203.0.113.9"\noutcome = "permit"\ncertificate = "mx.filter.example"', "permit at connect", ()),
        ('from = "192.0.2.3"\noutcome = "permit"\non = 2026-11-30', "permit at connect", ()),
        ('from = "192.0.2.3"\noutcome = "reject"\non = 2026-12-01\ntls = false', "reject at mail", ("client_name",)),
        (
            'from = "192.0.2.1"\nto = "bob@example.org"\noutcome = "permit"',
            "permit at recipient",
            ("recipient_listed",),
        ),
        (
            'from = "203.0.113.9"\nto = "postmaster@example.org"\noutcome = "permit"\ntls = false\nreverse_name = "x.y"',
            "permit at recipient",
            ("recipient_listed",),
        ),
        ('from = "192.0.2.1"\nto = "u@elsewhere.example"\noutcome = "reject"', "reject at recipient", ()),
        (
            'virtual_server = "submission"\nfrom = "203.0.113.9"\nauthenticated_as = "bob"\nto = "u@elsewhere.example"\n'
            'outcome = "permit"',
            "permit at recipient",
            (),
        ),
        (
            'virtual_server = "submission"\nfrom = "203.0.113.9"\nauthenticated_as = "bob"\ntls = false\n'
            'to = "u@elsewhere.example"\noutcome = "reject"',
            "reject at mail",
            (),
        ),
        # Connecting is one thing, sending another: nobody signed in, yet the client may connect.
        ('virtual_server = "submission"\nfrom = "203.0.113.9"\noutcome = "permit"', "permit at connect", ()),
        (
            'virtual_server = "submission"\nfrom = "203.0.113.9"\nto = "u@elsewhere.example"\noutcome = "reject"\nat = "mail"',
            "reject at mail",
            ("tls",),
        ),
    ],
)
def test_expectations(lines: str, got: str, rests_on: tuple[str, ...]) -> None:
    assert judged(lines) == (True, got, rests_on)


@pytest.mark.parametrize(
    "lines",
    [
        'from = "203.0.113.9"\noutcome = "permit"',
        'from = "192.0.2.1"\noutcome = "reject"',
        'from = "192.0.2.1"\noutcome = "permit"\nat = "recipient"',
        'from = "192.0.2.3"\noutcome = "permit"\non = 2026-12-01',
        'from = "203.0.113.9"\noutcome = "defer"',
    ],
)
def test_broken_expectations(lines: str) -> None:
    assert judged(lines)[0] is False


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_keep_their_expectations(path: Path) -> None:
    results = check(policy(path.read_text("utf-8")), DATE)
    assert results
    assert [one.says for one in results if not one.kept] == []


def asked(address: str, to: str | None = None, **more: object) -> Facts:
    path = {} if to is None else {"forward_path": parse_forward_path(to)}
    return Facts(client_address=parse_address(address), date=DATE, **path, **more)  # type: ignore[arg-type]


def test_an_explanation_says_what_it_rests_on_and_what_would_permit() -> None:
    told = explain(policy(SITE), asked("203.0.113.9", "bob@example.org"))
    assert told.decision.action is Action.PERMIT
    assert told.decision.would_be is not None
    assert told.decision.would_be.action is Action.REJECT
    assert told.rests_on == ("client_name", "tls")
    assert told.to_permit == ('arrowslit entry add connection 203.0.113.9 --note "…"',)
    assert [stage.stage for stage in told.stages] == list(Stage)[:4]


def test_what_is_relay_may_be_an_undeclared_domain() -> None:
    told = explain(policy(SITE), asked("192.0.2.1", "bob@example.net"))
    assert told.to_permit[0] == "arrowslit accepted-domain add example.net"
    assert told.to_permit[1].startswith("arrowslit entry add relay 192.0.2.1")


def test_what_is_permitted_needs_no_suggestion() -> None:
    assert explain(policy(SITE), asked("192.0.2.1", "bob@example.org")).to_permit == ()


def test_the_trace_names_every_entry_and_why() -> None:
    told = explain(policy(SITE), asked("192.0.2.2"))
    notes = {look.text: (look.matched, look.note) for look in told.stages[-1].trace}
    assert notes["computer 192.0.2.1"] == (False, "")
    assert notes["computer 192.0.2.2"] == (False, "needs TLS")


def test_the_trace_of_a_spliced_or_early_refusal_ends_with_the_rule() -> None:
    told = explain(policy(SITE), asked("203.0.113.9", tls=False, client_name=None, certificate=None))
    assert told.decision.would_be is not None
    assert told.decision.trace[-1].rule == told.decision.would_be.rule
    assert told.decision.trace[-1].matched is True


def test_what_can_not_be_taken_as_absent_is_asked_for() -> None:
    with pytest.raises(ValueError, match="client_address"):
        explain(policy(SITE), Facts(date=DATE))
    with pytest.raises(KeyError):
        explain(policy(SITE), asked("192.0.2.1", virtual_server="none"))
