"""Statements that are true of a source, for the policy made of it: who delivers, who does not, who may relay.

Each is asked of the source and of what was fitted; only where the two agree is it written, since a policy that breaks
an expectation is not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.imports.asking import Asked, Questions, Recipient
from arrowslit.imports.differing import owner
from arrowslit.imports.fit import Fitted
from arrowslit.imports.imported import Expectation, VirtualServer
from arrowslit.imports.spaces import EMPTY, EVERYBODY, common, of_prefixes, outsider
from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_set import AddressSet

_SOMEBODY = "someone@elsewhere.example"


def expectations(server: VirtualServer, made: Fitted, questions: Questions) -> list[Expectation]:
    """A few, in words."""
    accepted = next((one for one in questions.recipients if one.kind == "accepted"), None)
    other = next((one for one in questions.recipients if one.kind == "other"), None)
    named = AddressSet.from_ranges((part.first, part.last) for part in questions.parts)
    stranger = outsider(named)
    found: list[Expectation] = []
    if accepted is not None and not made.authentication_required:
        found += _about(server, made, questions, accepted, _to(accepted), stranger)
    if other is not None:
        found += _about(server, made, questions, other, _SOMEBODY, stranger)
    return found


def _to(one: Recipient) -> str:
    return f"anybody@{one.text.rpartition('@')[2]}"


def _about(
    server: VirtualServer, made: Fitted, questions: Questions, one: Recipient, to: str, stranger: IPAddress | None
) -> Iterator[Expectation]:
    asked = Asked(one, tls=questions.tls[-1])
    want = questions.ask(asked).permitted
    have = made.permits(asked, owner(one, questions))
    does = "relays" if one.kind == "other" else "delivers to us"
    listed = _first(want, have, questions)
    if listed is not None and one.kind != "other":
        yield _expectation(server, questions, f"{listed} {does}", listed, to, "permit")
    if stranger is not None and want.contains(stranger) == have.contains(stranger):
        permits = want.contains(stranger)
        if not (permits and one.kind == "other"):
            says = f"a stranger {does}" if permits else f"no stranger {does}"
            yield _expectation(server, questions, says, stranger, to, "permit" if permits else "reject")


_LOOPBACK: Final = of_prefixes("127.0.0.0/8", "::1/128")


def _first(want: AddressSet, have: AddressSet, questions: Questions) -> IPAddress | None:
    """An address that the source names and both permit: the last range named is the filter's more often than not."""
    both = EMPTY if want == EVERYBODY else common(want, have).subtract(_LOOPBACK)
    inside = [part.first if part.first == part.last else part.first + 1 for part in reversed(questions.parts)]
    return next((address for address in inside if both.contains(address)), None)


def _expectation(
    server: VirtualServer, questions: Questions, says: str, address: IPAddress, to: str, outcome: str
) -> Expectation:
    facts: list[tuple[str, str | bool]] = [("from", str(address))]
    if questions.tls[-1]:
        facts.append(("tls", True))
    facts += [("mail_from", "somebody@elsewhere.example"), ("to", to)]
    return Expectation(says, outcome, questions.origin, tuple(facts), server.name)
