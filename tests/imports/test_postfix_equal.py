"""Set-ups of Postfix, imported, decide like the program: thousands of sessions with real ones, by XCLIENT."""

from __future__ import annotations

import random

import pytest

from arrowslit.imports.asking import Asked, Recipient
from arrowslit.imports.imported import Imported
from arrowslit.imports.postfix.domains import accepted_domains
from arrowslit.imports.postfix.reader import POSTFIX
from arrowslit.imports.postfix.service import Smtpd
from arrowslit.imports.postfix.tables import Tables
from arrowslit.imports.postfix.text import read_files
from arrowslit.imports.postfix.values import Values
from arrowslit.imports.sound import sound
from arrowslit.mail.address import parse_address
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.imports.loading import policy_from
from tests.imports.postfix_sessions import CLIENTS, NAMES, RECIPIENTS, Chance, Running, Session, served
from tests.targets.truth import TODAY

pytestmark = [pytest.mark.peer("postfix")]


NARROWER = ("source permits this", "open relay", "is not permitted by the policy")


def sessions(seed: int, count: int | None, *, signs_in: bool) -> list[Session]:
    """Every client with every name, signed in or not; only so many of them, by chance, where `count` says so."""
    signed = (False, True) if signs_in else (False,)
    every = [Session(address, name, one) for address in CLIENTS for name in NAMES for one in signed]
    return every if count is None else random.Random(seed).sample(every, count)


def decided(policy: Policy, one: Session, to: str) -> bool:
    asked = Expectation(
        "",
        one.address,
        Action.PERMIT,
        authenticated_as="anna" if one.signed_in else None,
        tls=False,
        reverse_name=one.name or None,
        mail_from="x@sender.test",
        to=to,
    )
    return explain(policy, facts_of(asked, TODAY)).decision.permitted


def evaluated(running: Running, number: int) -> Smtpd:
    found = Imported()
    files = read_files(running.sources(number), found)
    tables = Tables(files.tables)
    domains = accepted_domains(Values(files), tables, found)
    smtpd = Smtpd(Values(files, files.services[0]), tables, domains, found, files.services[0].origin)
    smtpd.questions()
    return smtpd


def compare(running: Running, number: int, count: int | None = None) -> bool:
    """Holds the evaluation of the lists, and the policy, against the program; says whether the import told of losses."""
    smtpd = evaluated(running, number)
    asked = sessions(number, count, signs_in=smtpd.values.yes("smtpd_sasl_auth_enable"))
    heard = running.said(number, asked)
    found = POSTFIX.read(running.sources(number))
    policy = policy_from(found)
    left = sound(found).left
    wider = any(one.widens for one in left)
    narrower = any(text in one.because for one in left for text in NARROWER)
    for one, said in zip(asked, heard, strict=True):
        for to, digit in zip(RECIPIENTS, said, strict=True):
            about = f"{one} to {to}: {digit}\n{running.setups[number]}"
            kind = Asked(Recipient("", to), one.signed_in, name=one.name)
            assert smtpd.answer(kind).permitted.contains(parse_address(one.address)) is (digit == "2"), about
            permits = decided(policy, one, to)
            if not permits and any(sign in to.rpartition("@")[0] for sign in "%!"):
                continue  # a local part that routes is for those alone who may relay anywhere
            if permits != (digit == "2"):
                assert wider if permits else narrower, f"the policy says otherwise: {about}"
    return wider or narrower


def many(seeds: range, count: int | None = None, *, plain: bool) -> int:
    """How many set-ups there were losses in."""
    setups = [Chance(seed, number, plain=plain).setup() for number, seed in enumerate(seeds)]
    with served(setups) as running:
        return sum(compare(running, number, count) for number in range(len(setups)))


def test_plain_set_ups_decide_the_same() -> None:
    """What a policy has words for is carried over without a loss."""
    assert many(range(4), 25, plain=True) <= 1


def test_set_ups_by_chance_decide_the_same_or_it_is_told() -> None:
    many(range(4), 25, plain=False)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(100, 160, 30))
@pytest.mark.parametrize("plain", [True, False])
def test_many_set_ups(first: int, plain: bool) -> None:
    lossy = many(range(first, first + 30), plain=plain)
    assert lossy <= (8 if plain else 20)  # no policy lets who signed in deliver and not relay
