"""Our own record of decisions: `decisions.jsonl` of a node, and what the store has kept of it (`observe.record`).

It tells all that a decision was made from. A client name that nobody looked up is not told, and neither is the name
on a certificate where the record is older than the field for it. A decision of the mode `observe` that let a recipient
pass comes again as the delivery of the message, and counts there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from arrowslit.policy import reasons
from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.reader import Format, LineReader
from arrowslit.traffic.services import OWN as OWN_SERVICE

_KINDS: Final = frozenset({"decision", "delivery"})
_OTHERWISE: Final = frozenset(
    {
        reasons.TOO_MANY_CONNECTIONS,
        reasons.TOO_MANY_RECIPIENTS,
        reasons.RECIPIENT_UNKNOWN,
        reasons.RECIPIENTS_UNAVAILABLE,
        reasons.SIGN_IN_UNAVAILABLE,
    }
)
"""Refusals of the policy that rest on more than the record tells: how many there were, what a list said."""
_LATEST: Final = 253_000_000_000.0
_MANY: Final = 1_000_000_000
_NAMES: Final = 1000


def attempts_of(record: Mapping[str, Any]) -> list[Attempt]:
    """The attempts that a record stands for; none where it says nothing of a policy. Raises ValueError, TypeError and
    KeyError for what is no record.
    """
    if record.get("kind") not in _KINDS or ("would_be" in record and record["kind"] == "decision"):
        return []
    paths = _paths(record)
    made = _attempt(record)
    return [made._replace(forward_path=path, first=not at) for at, path in enumerate(paths)]


def _paths(record: Mapping[str, Any]) -> list[str | None]:
    """The recipients; one that is not told where there is none."""
    several = record.get("forward_paths")
    if not several:
        return [_text(record, "forward_path")]
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        raise ValueError("forward_paths are no list of texts")
    return several


def _time(value: Any) -> float:
    """Unix seconds of a day that a calendar has."""
    if type(value) not in {int, float} or not 0 <= value <= _LATEST:
        raise ValueError("time is no time")
    return float(value)


def _attempt(record: Mapping[str, Any]) -> Attempt:
    names = record.get("certificate_names")
    server = _text(record, "virtual_server")
    return Attempt(
        _time(record["time"]),
        _text(record, "client_address"),
        _told(record),
        str(record.get("id", "")),
        service=None if server is None else OWN_SERVICE + server,
        client_name=_text(record, "client_name"),
        reverse_name=_text(record, "reverse_name"),
        helo_name=_text(record, "helo_name") or "",
        tls="tls" in record,
        certificate=_text(record, "certificate") or "",
        authenticated_as=_text(record, "authenticated_as") or "",
        reverse_path=_text(record, "reverse_path"),
        message_bytes=_number(record.get("message_bytes")),
        reply=str(record.get("reply", ""))[:REPLY],
        repeats=min(_number(record.get("count")) or 1, _MANY),
        certificate_names=None if names is None else tuple(str(name) for name in names)[:_NAMES],
    )


def _told(record: Mapping[str, Any]) -> str:
    if record["kind"] == "delivery" or record["action"] == "permit":
        return PERMITTED
    return REFUSED_OTHERWISE if record.get("reason") in _OTHERWISE else REFUSED


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _number(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


class OwnReader(LineReader):
    """Each line is a record by itself."""

    def line(self, text: str) -> Iterator[Attempt]:
        """One record."""
        try:
            record = json.loads(text)
            if not isinstance(record, dict) or "v" not in record:
                raise ValueError("no record")  # noqa: TRY301
            found = attempts_of(record)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.puzzled("this line is no record of a decision", text)
            return
        if found:
            self.tally.used += 1
        else:
            self.tally.skipped += 1
        yield from found


def _recognise(lines: Sequence[str]) -> int:
    return sum(line.startswith('{"v":1,"time":') for line in lines)


OWN: Final = Format("own", "our own record of decisions (decisions.jsonl)", _recognise, OwnReader)
