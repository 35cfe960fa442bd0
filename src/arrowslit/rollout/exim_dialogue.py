"""What Exim would answer: `exim -bh ADDRESS`, a dialogue that is only played, with the ACLs that are in force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.smtp_dialogue import lines
from arrowslit.targets.exim_acl import NOT_CONNECT
from arrowslit.targets.recipient import connecting
from arrowslit.targets.rules import EVERYBODY, Rules
from arrowslit.targets.text import ranges

_REPLY: Final = re.compile(r"^[2-5]\d\d .*", re.MULTILINE)
_BROKEN: Final = "Temporary local problem"
_REFUSAL: Final = NOT_CONNECT.partition(" ")[2]
_AT: Final = 3
"""Greeting, EHLO and MAIL come before it."""


def played(machine: MailMachine, program: tuple[str, ...], client: IPAddress | str, to: str, *more: str) -> str:
    """The reply to RCPT, or the last one where it does not get so far. Raises RolloutError."""
    given = "".join(f"{line}\r\n" for line in (*lines(to), "QUIT"))
    replies = _REPLY.findall(machine.run(*program, *more, "-bh", str(client), given=given, fine=(0, 1)))
    return replies[_AT] if len(replies) > _AT else replies[-1] if replies else ""


def wrong_answers(machine: MailMachine, program: tuple[str, ...], rules: Rules) -> Iterator[str]:
    """What Exim says otherwise than the rules do, to one client on either side of the list's edge in each family."""
    recipient = recipient_of(rules)
    if recipient is None:
        return
    for client, may in _clients(rules):
        said = played(machine, program, client, recipient)
        if not said or _BROKEN in said:
            yield f"Exim does not take the rules: it says {said or 'nothing'!r} to {client}"
        elif (_REFUSAL in said) is may:
            yield f"Exim says {said!r} to {client}, who {'may' if may else 'may not'} connect"


def recipient_of(rules: Rules) -> str | None:
    """A recipient in an accepted domain that no exception names."""
    name = next((one.name for one in rules.accepted if not one.name.startswith("*")), None)
    return None if name is None else f"arrowslit-probe@{name}"


def _clients(rules: Rules) -> Iterator[tuple[IPAddress, bool]]:
    access, observes = connecting(rules), rules.server.mode == OBSERVE
    plain = [one for one in access.sources if not one.entry.require_tls]
    for version in (4, 6):
        inside = next((first for one in plain for first, _ in ranges(one.addresses, version)), None)
        if inside is not None and not inside.is_loopback:
            yield inside, access.only_listed or observes
        outside = next((low for low, _ in ranges(EVERYBODY.subtract(access.listed), version) if int(low) > 1), None)
        if outside is not None and not outside.is_loopback:
            yield outside, not access.only_listed or observes
