"""Mimecast's logs for a SIEM: rows of receipt, in JSON (both versions of the API) or as `key=value|key=value`.

Only rows of *receipt* are about who delivers: there the address is the client's. In rows of delivery it is where
Mimecast sent the message to, and rows of processing, journals and scans have no client: these are skipped. The
direction (Inbound, Outbound, Internal) stands for the service. A row is one recipient. The HELO name and who signed
in are not told; TLS is told only where there was some.

In rows with bars strangers write the subject, which may have bars too: a field that stands there twice is not told.

Source: public samples of both versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from arrowslit.mail.address import parse_address
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.reader import Format, LineReader

_NAMES: Final = {
    "address": ("senderIp", "IP"),
    "action": ("action", "Act"),
    "direction": ("direction", "Dir"),
    "sender": ("senderEnvelope", "Sender"),
    "recipient": ("recipients", "Rcpt"),
    "tls": ("tlsVersion", "TlsVer"),
    "id": ("aggregateId", "aCode"),
    "code": ("rejectionCode", "RejCode"),
    "kind": ("rejectionType", "RejType"),
    "info": ("rejectionInfo", "RejInfo"),
}
"""What we call a field -> its names in the second version and in the first."""
_TOLD: Final = {"Acc": PERMITTED, "Hld": PERMITTED, "Rej": REFUSED_OTHERWISE}
_ACCESS: Final = re.compile(r"\brelay|spoof|not authori[sz]ed|lockout", re.IGNORECASE)
_BARS: Final = re.compile(r"(?:datetime|acc|aCode)=[^|]*\|")
_ROWS: Final = 10_000


class MimecastReader(LineReader):
    """Each line is a row, or a reply of the API with some."""

    def line(self, text: str) -> Iterator[Attempt]:
        """One line."""
        if not text.strip():
            self.tally.skipped += 1
            return
        try:
            attempts = [made for row in _rows(text) if (made := self._attempt(row)) is not None]
        except (ValueError, RecursionError):
            self.puzzled("this line is no row of Mimecast's log", text)
            return
        if attempts:
            self.tally.used += 1
        else:
            self.tally.skipped += 1
        yield from attempts

    def _attempt(self, row: Mapping[str, Any]) -> Attempt | None:
        """The recipient of a row; None where the row is about something else. Raises ValueError for what is no row."""
        if not _is_receipt(row):
            return None
        fields = {name: _field(row, names) for name, names in _NAMES.items()}
        answer = " ".join(text for text in (fields["code"], fields["info"] or fields["kind"]) if text)
        told = _TOLD.get(fields["action"] or "", NOT_TOLD)
        if told == REFUSED_OTHERWISE and _ACCESS.search(f"{fields['kind']} {fields['info']}"):
            told = REFUSED
        return Attempt(
            self._time(row),
            None if fields["address"] is None else str(parse_address(fields["address"])),
            told,
            fields["id"] or "",
            service=fields["direction"],
            tls=True if fields["tls"] else None,
            reverse_path=_path(fields["sender"]),
            forward_path=_path(fields["recipient"]),
            reply=answer[:REPLY],
        )

    def _time(self, row: Mapping[str, Any]) -> float:
        if isinstance(row.get("datetime"), str):
            return self.clock.utc(row["datetime"])
        milliseconds = row.get("timestamp")
        if type(milliseconds) is not int or not 0 <= milliseconds < 250_000_000_000_000:
            raise ValueError("no time")
        return milliseconds / 1000


def _rows(text: str) -> list[dict[str, Any]]:
    """The rows of a line. Raises ValueError where it has none."""
    if _BARS.match(text):
        return [_parted(text)]
    found = json.loads(text)
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = found["data"][:_ROWS]
    rows = found if isinstance(found, list) else [found]
    if not all(isinstance(row, dict) and ("acc" in row or "accountId" in row) for row in rows):
        raise ValueError("no rows")
    return rows


def _parted(text: str) -> dict[str, Any]:
    """The fields between bars; None for one that is there twice."""
    row: dict[str, Any] = {}
    for part in text.split("|"):
        name, _, value = part.partition("=")
        row[name] = None if name in row else value
    return row


def _is_receipt(row: Mapping[str, Any]) -> bool:
    if "type" in row:
        return bool(row["type"] == "receipt")
    return all(name in row for name in ("Act", "IP", "Rcpt", "Dir")) and "Delivered" not in row


def _field(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((row[name] for name in names if isinstance(row.get(name), str)), None)


def _path(text: str | None) -> str | None:
    return text[1:-1] if text is not None and text.startswith("<") and text.endswith(">") else text


def _recognise(lines: Sequence[str]) -> int:
    return sum(
        _BARS.match(line) is not None
        or (line.startswith(("{", "[")) and ('"accountId":' in line or '"acc":' in line) and '"aCode":' in line)
        or ('"aggregateId":' in line and '"processingId":' in line)
        for line in lines
    )


MIMECAST: Final = Format(
    "mimecast",
    "Mimecast: logs for a SIEM (rows of receipt)",
    _recognise,
    MimecastReader,
    "HELO names; who signed in; connections that were refused; what was not encrypted",
)
