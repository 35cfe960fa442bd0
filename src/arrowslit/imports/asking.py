"""What a reader of rules is asked, and what it answers: the kinds of sessions that its source tells apart.

A source decides by more than addresses: by recipient, by sign-in, by TLS, by the client's name. Of each of these only
so many kinds make a difference, those that the source names and one for all others. For each combination a reader
says which addresses are permitted; nothing is tried out, sets are worked with. `imports.fit` makes a policy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.imports.imported import Origin
from arrowslit.imports.spaces import EMPTY, Part
from arrowslit.mail.address_set import AddressSet

NO_NAME: Final = ""
OTHER_NAME: Final = "client.unmentioned.invalid"
"""Stands for a client with a forward-confirmed name that the source does not mention."""
_NOWHERE: Final = Origin("")
ELSEWHERE: Final = "elsewhere.invalid"
"""Stands for a domain that the source does not mention."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A kind of recipient; `text` is a mail address that stands for all of it.

    `kind` is "accepted" (anybody in these `domains`), "address" (one address, in the first of them), "routing" (a
    local part that routes, in the first of them), or "other" (in no accepted domain).
    """

    kind: str
    text: str
    domains: tuple[str, ...] = ()
    origin: Origin = _NOWHERE


@dataclass(frozen=True, slots=True)
class Name:
    """A kind of client name: `pattern` as a policy writes it, `text` a name that stands for all of it."""

    pattern: str
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of session. `name` is the client's forward-confirmed name, NO_NAME where it has none."""

    recipient: Recipient
    signed_in: bool = False
    tls: bool = False
    name: str = OTHER_NAME


@dataclass(frozen=True, slots=True)
class Answer:
    """Who of all clients is permitted, and who is refused only for now; all others are refused for good."""

    permitted: AddressSet
    deferred: AddressSet = EMPTY


@dataclass(slots=True)
class Questions:
    """All that can be asked of one virtual server of the source.

    `tls` holds the values that make a difference: (False, True), or one where it makes none, or is not to be had.
    """

    answer: Callable[[Asked], Answer]
    origin: Origin
    recipients: Sequence[Recipient]
    names: Sequence[Name] = ()
    parts: Sequence[Part] = ()
    signs_in: bool = False
    tls: tuple[bool, ...] = (False,)
    greeted: Callable[[str], AddressSet] | None = None
    """Whom of all clients with that name the greeting lets through, where refusals are told there."""
    known: dict[Asked, Answer] = field(default_factory=dict)

    def ask(self, asked: Asked) -> Answer:
        """The answer; each question is asked once."""
        found = self.known.get(asked)
        if found is None:
            found = self.known[asked] = self.answer(asked)
        return found

    @property
    def signed(self) -> tuple[bool, ...]:
        """Whether somebody signed in, as far as it can be."""
        return (False, True) if self.signs_in else (False,)
