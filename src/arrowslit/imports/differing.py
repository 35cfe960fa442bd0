"""Where a policy that was fitted decides otherwise than its source: told one by one, with who it concerns.

The last step of every import by `imports.fit`. Each kind of session is asked of both; what the policy permits and the
source does not lets more in.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from arrowslit.imports.asking import NO_NAME, OTHER_NAME, Asked, Questions, Recipient
from arrowslit.imports.fit import Fitted
from arrowslit.imports.imported import Left
from arrowslit.mail.address_range import AddressRange
from arrowslit.mail.address_set import AddressSet

_RANGES_SHOWN = 3
_WIDER = "the source refuses this, and the policy has no words for it"
_NARROWER = "the source permits this, and the policy has no words for it"
_ROUTES = "a local part that holds %, ! or @ is for those alone who may relay"
_INSTEAD = "see whether it is wanted, and write it by hand"


def differing(made: Fitted, questions: Questions) -> list[Left]:
    """Every kind of session that the two decide differently, each difference once."""
    found: dict[tuple[str, bool], Left] = {}
    for asked in every(questions):
        domain = owner(asked.recipient, questions)
        have, want = made.permits(asked, domain), questions.ask(asked).permitted
        for who, widens in ((have.subtract(want), True), (want.subtract(have), False)):
            if who and asked.recipient.kind == "routing" and not widens:
                found.setdefault((_ROUTES, False), Left(questions.origin, asked.recipient.text, _ROUTES))
            elif who and not _repeats(asked, who, widens=widens, made=made, questions=questions):
                text = f"{_shown(who)} to {asked.recipient.text}{_conditions(asked, questions)}"
                because = _WIDER if widens else _NARROWER
                origin = asked.recipient.origin if asked.recipient.kind == "address" else questions.origin
                found.setdefault((text, widens), Left(origin, text, because, _INSTEAD, widens))
    return list(found.values())


def every(questions: Questions) -> Iterator[Asked]:
    """All that can be asked; those without a condition first."""
    for name in (OTHER_NAME, NO_NAME, *(one.text for one in questions.names)):
        for tls in questions.tls:
            for signed in questions.signed:
                for one in questions.recipients:
                    yield Asked(one, signed, tls, name)


def owner(one: Recipient, questions: Questions) -> Recipient | None:
    """The kind of accepted domain that a recipient lies in."""
    if one.kind == "accepted":
        return one
    if one.kind == "other":
        return None
    accepted = (each for each in questions.recipients if each.kind == "accepted")
    return next((each for each in accepted if set(one.domains) & set(each.domains)), None)


def _repeats(asked: Asked, who: AddressSet, *, widens: bool, made: Fitted, questions: Questions) -> bool:
    """The same is told of a client with any name, or of who did not sign in."""
    for plainer in (
        Asked(asked.recipient, asked.signed_in, asked.tls, OTHER_NAME),
        Asked(asked.recipient, False, asked.tls, asked.name),
        Asked(asked.recipient, asked.signed_in, questions.tls[-1], asked.name),
    ):
        if plainer != asked:
            have = made.permits(plainer, owner(plainer.recipient, questions))
            want = questions.ask(plainer).permitted
            if not who.subtract(have.subtract(want) if widens else want.subtract(have)):
                return True
    return False


def _shown(who: AddressSet) -> str:
    texts = [AddressRange(first, last).text for first, last in islice(who.ranges(), _RANGES_SHOWN)]
    return "from " + ", ".join(texts) + (", ..." if len(who) > _RANGES_SHOWN else "")


def _conditions(asked: Asked, questions: Questions) -> str:
    said = [", signed in"] if asked.signed_in else []
    if len(questions.tls) > 1:
        said.append(", in TLS" if asked.tls else ", without TLS")
    if asked.name == NO_NAME:
        said.append(", without a client name")
    elif asked.name != OTHER_NAME:
        said.append(f", as {next(one.pattern for one in questions.names if one.text == asked.name)}")
    return "".join(said)
