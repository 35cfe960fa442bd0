"""What is known of one of Haraka's sessions, and what it comes to at its end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt

_COUNTS: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9})/([0-9]{1,9})")
_ACCESS: Final = re.compile(
    r"cannot deliver mail for|relay(?:ing)? (?:access )?(?:denied|not (?:allowed|permitted))|access denied"
    r"|not allowed to (?:send|relay|connect)|authentication required|must issue a starttls",
    re.IGNORECASE,
)
_ACCESS_PLUGINS: Final = frozenset({"access", "relay", "connect.rdns_access", "host_list"})


@dataclass(slots=True)
class Transaction:
    """`recipients` are path, time, code, answer, and whether a plugin took him; `counts` are how many were accepted,
    deferred and refused.
    """

    time: float
    path: str | None = None
    refused: str | None = None
    size: int | None = None
    counts: list[int] | None = None
    recipients: list[list[Any]] = field(default_factory=list)
    taken: str = ""
    """The recipient that a plugin took just before."""


@dataclass(slots=True)
class Session:
    """One connection, from its first line on. `denied` is the plugin that refused it, and its words; `cut` is set where
    what was held of it grew too large, so that the counts of its end are of more than is held.
    """

    time: float
    address: str | None = None
    service: str | None = None
    denied: list[str] | None = None
    lines: int = 0
    cut: bool = False
    transactions: dict[str, Transaction] = field(default_factory=dict)


def learned(transaction: Transaction, message: str, fields: dict[str, str], time: float) -> bool:
    """Put down what a line tells of its transaction; False where that is nothing. `time` is that of the line."""
    if message.startswith("sender <"):
        transaction.path = _path(message)
        if fields.get("code", "").startswith("DENY"):
            transaction.refused = fields.get("msg", "")[:REPLY]
    elif message.startswith("recipient <"):
        path = _path(message)
        taken = path is not None and transaction.taken == path
        code, answer = fields.get("code", ""), fields.get("msg", "")[:REPLY]
        transaction.recipients.append([path, time, code, answer, taken])
        transaction.taken = ""
    elif message == "message":
        transaction.counts = counts_of(fields.get("rcpts", ""))
        transaction.size = int(fields["size"]) if re.fullmatch("[0-9]{1,15}", fields.get("size", "")) else None
    elif fields.get("hook") == "rcpt" and fields.get("retval") == "OK":
        transaction.taken = _path(fields.get("params", "")) or ""
    else:
        return False
    return True


def attempts(common: Attempt, session: Session, total: list[int] | None, last: str) -> Iterator[Attempt]:
    """What a session comes to. `common` has what is the same for all; `last` is the last reply that was a refusal."""
    known = [one for one in session.transactions.values() if one.counts is not None]
    others = [one for one in session.transactions.values() if one.counts is None]
    told: dict[int, str] = {}
    for transaction in known:
        told |= outcomes(transaction.recipients, transaction.counts)
    left = (
        None
        if total is None
        else [count - sum((one.counts or [0, 0, 0])[at] for one in known) for at, count in enumerate(total)]
    )
    told |= outcomes([recipient for one in others for recipient in one.recipients], left)
    named = False
    for number, transaction in session.transactions.items():
        made = common._replace(
            id=f"{common.id}.{number}", reverse_path=transaction.path, message_bytes=transaction.size
        )
        for at, recipient in enumerate(transaction.recipients):
            named = True
            became = told[id(recipient)]
            answer = recipient[3] or (last[:REPLY] if became == REFUSED and f"<{recipient[0]}>" in last else "")
            yield made._replace(time=recipient[1], told=became, first=not at, forward_path=recipient[0], reply=answer)
        if transaction.refused is not None and not transaction.recipients:
            named = True
            told_then = REFUSED if _ACCESS.search(transaction.refused) else REFUSED_OTHERWISE
            yield made._replace(time=transaction.time, told=told_then, reply=transaction.refused)
    if session.denied is not None and not named:
        plugin, answer = session.denied
        for_access = plugin in _ACCESS_PLUGINS or _ACCESS.search(answer) is not None
        yield common._replace(told=REFUSED if for_access else REFUSED_OTHERWISE, reply=answer or last[:REPLY])


def outcomes(recipients: Sequence[list[Any]], counts: list[int] | None) -> dict[int, str]:
    """What became of each recipient, by identity; `counts` are those of just these."""
    denied = [one for one in recipients if one[2].startswith("DENY")]
    others = [one for one in recipients if not one[2].startswith("DENY")]
    taken = [one for one in others if one[4]]
    told = {id(one): REFUSED if _ACCESS.search(one[3]) else REFUSED_OTHERWISE for one in denied}
    told |= {id(one): PERMITTED if one[4] else NOT_TOLD for one in others}
    if counts is None or sum(counts) != len(recipients) or min(counts) < 0:
        return told
    if counts[0] == len(others):
        told |= {id(one): PERMITTED for one in others}
    elif counts[0] == len(taken):
        told |= {id(one): REFUSED for one in others if not one[4]}
    return told


def counts_of(text: str) -> list[int] | None:
    """`accepted/deferred/refused` as three numbers; None where it is something else."""
    found = _COUNTS.fullmatch(text)
    return None if found is None else [int(found[at]) for at in (1, 2, 3)]


def _path(text: str) -> str | None:
    """What stands between the first and the last angle bracket; None where there are none."""
    _, opened, rest = text.partition("<")
    return rest[:-1] if opened and rest.endswith(">") else None
