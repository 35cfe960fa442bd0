"""Proofpoint on Demand's log of messages (kind `message`), as its API streams it: one JSON object a line.

It is what the filter saw: the client is who connected to the filter. `routeDirection` (inbound, outbound) stands for
the service, since the listener is not told. `disposition` is what became of the message as a whole: what was taken in
and then discarded was let in. Refusals of connections are not in it, nor who signed in.

Strangers' texts are values of JSON here, and nothing else.

Source: public samples of the API's records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.reader import Format, LineReader

_TOLD: Final = {
    "accept": PERMITTED,
    "continue": PERMITTED,
    "discard": PERMITTED,
    "reject": REFUSED_OTHERWISE,
    "retry": REFUSED_OTHERWISE,
}


class ProofpointReader(LineReader):
    """Each line is a message."""

    def line(self, text: str) -> Iterator[Attempt]:
        """One message."""
        if not text.strip():
            self.tally.skipped += 1
            return
        try:
            attempts = self._attempts(json.loads(text))
        except (ValueError, RecursionError):
            self.puzzled("this line is no record of a message by Proofpoint", text)
            return
        self.tally.used += 1
        yield from attempts

    def _attempts(self, record: Any) -> list[Attempt]:
        """Raises ValueError where `record` is none."""
        if not isinstance(record, dict):
            raise ValueError("no record")  # noqa: TRY004
        connection, envelope, found = _part(record, "connection"), _part(record, "envelope"), _part(record, "filter")
        recipients = envelope.get("rcpts")
        made = Attempt(
            self.clock.iso(_text(record, "ts") or ""),
            str(parse_address(_text(connection, "ip") or "")),
            _TOLD.get(_text(found, "disposition") or "", NOT_TOLD),
            _text(record, "guid") or "",
            service=_text(found, "routeDirection"),
            reverse_name=_reverse_name(connection),
            helo_name=_text(connection, "helo"),
            tls=True if isinstance(connection.get("tls"), dict) and connection["tls"].get("inbound") else None,
            reverse_path=_path(_text(envelope, "from")),
            message_bytes=_size(_part(record, "msg").get("sizeBytes")),
            reply=_reply(found),
        )
        paths = [_path(one) for one in recipients if isinstance(one, str)] if isinstance(recipients, list) else []
        return [made._replace(forward_path=path, first=not at) for at, path in enumerate(paths or [None])]


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) else None


def _path(text: str | None) -> str | None:
    return text[1:-1] if text is not None and text.startswith("<") and text.endswith(">") else text


def _size(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 60 else None


def _reverse_name(connection: Mapping[str, Any]) -> str | None:
    """The name that the client's address has; an address in brackets where it has none."""
    host = _text(connection, "host")
    if host is None or _text(connection, "resolveStatus") != "ok":
        return None
    return "" if host.startswith("[") else host


def _reply(found: Mapping[str, Any]) -> str:
    """The disposition, with the rule that made it final."""
    actions = found.get("actions")
    final = (
        [one for one in actions if isinstance(one, dict) and one.get("isFinal")] if isinstance(actions, list) else []
    )
    by = "/".join(filter(None, (_text(final[0], "module"), _text(final[0], "rule")))) if final else ""
    disposition = _text(found, "disposition") or ""
    return (f"{disposition} by {by}" if by else disposition)[:REPLY]


def _recognise(lines: Sequence[str]) -> int:
    return sum(
        line.startswith("{")
        and all(f'"{name}":' in line for name in ("connection", "envelope", "filter", "guid", "ts"))
        for line in lines
    )


PROOFPOINT: Final = Format(
    "proofpoint",
    "Proofpoint on Demand: the log of messages (JSON)",
    _recognise,
    ProofpointReader,
    "connections that were refused; who signed in; what was not encrypted",
)
