"""A policy compiled for Postfix, put in force on a machine, and imported from what `postconf` prints there: the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arrowslit.imports.imported import Source
from arrowslit.imports.postfix.reader import POSTFIX
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.imports.loading import policy_from
from tests.peers.outside import outside
from tests.targets.mail_samples import MAIL_POLICIES, RECIPIENTS, generated
from tests.targets.postfix_machine import Machine, machine
from tests.targets.samples import POLICIES, made
from tests.targets.test_postfix_sign_in import POLICIES as SIGN_IN
from tests.targets.truth import TODAY, edges, policy_of

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("postfix-machine")]

NAMES = [None, "a.branches.example.org", "branches.example.org", "x.elsewhere.test"]


@pytest.fixture(scope="module")
def mail() -> Iterator[Machine]:
    with outside() as net, machine(net, services="smtp inet n - n - 200 smtpd\n") as found:
        yield found


def imported(mail: Machine, text: str) -> Policy:
    mail.script(made("postfix", text).text)
    printed = {option: mail.run("/usr/sbin/postconf", option) for option in ("-n", "-M")}
    tables = [Source(str(path), path.read_text()) for path in sorted(mail.etc.glob("arrowslit/*/*")) if path.is_file()]
    found = POSTFIX.read([Source("main.cf", printed["-n"]), Source("master.cf", printed["-M"]), *tables])
    return policy_from(found)


def permits(policy: Policy, address: str, name: str | None, to: str, *, signed: bool, tls: bool) -> bool:
    who = "anna" if signed else None
    asked = Expectation(
        "", address, Action.PERMIT, reverse_name=name, authenticated_as=who, tls=tls, mail_from="x@sender.test", to=to
    )
    return explain(policy, facts_of(asked, TODAY)).decision.permitted


def same(first: Policy, second: Policy, *, signs_in: bool = False, tls: bool = False) -> None:
    for number, address in enumerate(edges(first, more=30)):
        name = NAMES[number % len(NAMES)]
        for to in RECIPIENTS:
            for signed in (False, True) if signs_in else (False,):
                wanted = permits(first, address, name, to, signed=signed, tls=tls)
                assert permits(second, address, name, to, signed=signed, tls=tls) is wanted, (address, name, to, signed)


WHOLE = {**POLICIES, **MAIL_POLICIES}
SOON = {"all-grants"}
LATER = pytest.mark.long


def named(names: object, soon: set[str]) -> list[object]:
    """All by name, and all but a few only among the long tests."""
    return [pytest.param(name, marks=[] if name in soon else [LATER]) for name in sorted(names)]  # type: ignore[call-overload]


@pytest.mark.parametrize("sample", named(set(WHOLE) - {"tls", "tls-for-all"}, SOON))
def test_samples(mail: Machine, sample: str) -> None:
    same(policy_of(WHOLE[sample]), imported(mail, WHOLE[sample]))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(30))
def test_generated_policies(mail: Machine, seed: int) -> None:
    text = generated(seed).replace('/8"', '/24"')  # a /8 on the relay list is an error, and left
    same(policy_of(text), imported(mail, text))


@pytest.fixture(scope="module")
def users() -> Iterator[Machine]:
    service = "smtp inet n - n - 200 smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_tls_security_level=may\n"
    with outside() as net, machine(net, services=service) as found:
        yield found


@pytest.mark.parametrize("sample", named(SIGN_IN, set()))
def test_signing_in(users: Machine, sample: str) -> None:
    if sample == "no-sign-in-in-the-policy":
        return  # Postfix lets users sign in there, which gives them nothing
    same(policy_of(SIGN_IN[sample]), imported(users, SIGN_IN[sample]), signs_in=True)


@pytest.mark.parametrize("sample", named(["tls", "tls-for-all", "all-grants"], set()))
@pytest.mark.parametrize("tls", [True, False])
def test_tls(users: Machine, sample: str, tls: bool) -> None:
    same(policy_of(WHOLE[sample]), imported(users, WHOLE[sample]), tls=tls)


@pytest.mark.long
def test_another_policy_is_told_apart(mail: Machine) -> None:
    """What these tests rest on: a policy that differs by one address fails them."""
    text = WHOLE["all-grants"]
    with pytest.raises(AssertionError):
        same(policy_of(text.replace("203.0.113.9", "203.0.113.10")), imported(mail, text))
