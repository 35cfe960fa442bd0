"""One record for a decision, for the end of a transaction, for a fault: what happened, in fields and as a JSON line.

Terms: the four names of a client, `stage`, `rule`, `reason`, `revision` and `generation` as in `policy`; `outcome` is
what became of a message at the next hop; `queue_id` is the next hop's own name for it. `repeats` is over 1 where one
record stands for a flood of equal refusals ("count" in JSON).

A JSON line is ASCII whatever strangers sent: everything else is escaped, so no line break, control character or
half of a surrogate pair gets out (the last and NUL as U+FFFD). Fields that are None are left out. `"v"` is the
version of the format: a field may be added within a version, none changes its meaning.

Never reads a clock and never writes: see `observe.writer`.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final, NamedTuple

from arrowslit.observe.queue_id import queue_id

__all__ = ["INTENT_OCTETS", "RECIPIENTS", "VERSION", "Record", "from_json", "queue_id", "to_intent", "to_json"]

VERSION: Final = 1
INTENT_OCTETS: Final = 1000
"""The longest that `to_intent` gives (a slot of `gateway.intents` holds it)."""

RECIPIENTS: Final = 100
"""How many recipients of one message a record names."""

_REMEMBERED: Final = 1024
_CUT: Final = 60
_FIXED_FIELDS: Final = 19


class Record(NamedTuple):
    """What is known of one decision or one end of a transaction.

    The first fields take few different values on one node: their JSON is remembered as a whole.
    """

    node: str = ""
    worker: int = 0
    virtual_server: str | None = None
    listener: str | None = None
    kind: str = "decision"
    """"decision", "delivery", "fault" or "sign-in", as in `session.actions.NoteKind`."""
    action: str = "permit"
    """"permit", "reject", "defer" or "drop"."""
    stage: str | None = None
    code: int | None = None
    enhanced: str | None = None
    reason: str | None = None
    rule: str | None = None
    revision: int | None = None
    generation: int | None = None
    would_be: str | None = None
    """The reason for which `observe` would have refused."""
    next_hop: str | None = None
    next_hop_address: str | None = None
    outcome: str | None = None
    """"delivered", "refused", "deferred", "unknown", "delivered, client gone", "client gone", ..."""
    protocol: str | None = None
    """The `with` keyword of Received: "ESMTPS", ..."""
    repeats: int = 1

    time: float = 0.0
    """Unix time in seconds."""
    id: str = ""
    client_address: str | None = None
    client_port: int | None = None
    client_name: str | None = None
    reverse_name: str | None = None
    helo_name: str | None = None
    tls: str | None = None
    certificate: str | None = None
    authenticated_as: str | None = None
    reverse_path: str | None = None
    """Text without angle brackets; empty for the null reverse-path."""
    forward_path: str | None = None
    recipients: int | None = None
    message_bytes: int | None = None
    reply: str | None = None
    """The text that the client was told, without the codes."""
    next_hop_reply: str | None = None
    """Codes and text that the next hop said."""
    queue_id: str | None = None
    seconds: float | None = None
    forward_paths: tuple[str, ...] | None = None
    """All recipients of a message that had several, at most RECIPIENTS; `forward_path` is the first."""
    certificate_names: tuple[str, ...] | None = None
    """The DNS names of the certificate; none where its chain was not verified. None where none was shown."""


_fixed: dict[tuple[Any, ...], str] = {}


def to_json(record: Record) -> bytes:  # noqa: PLR0912  one test a field, unrolled: half the time of a loop
    """One line of ASCII, ended by LF."""
    key = record[:_FIXED_FIELDS]
    fixed = _fixed.get(key) or _remember(key)
    (
        time,
        transaction,
        client_address,
        client_port,
        client_name,
        reverse_name,
        helo_name,
        tls,
        certificate,
        authenticated_as,
        reverse_path,
        forward_path,
        recipients,
        message_bytes,
        reply,
        next_hop_reply,
        queue,
        seconds,
        forward_paths,
        certificate_names,
    ) = record[_FIXED_FIELDS:]
    line = f'{{"v":1,"time":{time:.3f},"id":{quote(transaction)}{fixed}'
    if client_address is not None:
        line += f',"client_address":{quote(client_address)}'
    if client_port is not None:
        line += f',"client_port":{client_port}'
    if client_name is not None:
        line += f',"client_name":{quote(client_name)}'
    if reverse_name is not None:
        line += f',"reverse_name":{quote(reverse_name)}'
    if helo_name is not None:
        line += f',"helo_name":{quote(helo_name)}'
    if tls is not None:
        line += f',"tls":{quote(tls)}'
    if certificate is not None:
        line += f',"certificate":{quote(certificate)}'
    if authenticated_as is not None:
        line += f',"authenticated_as":{quote(authenticated_as)}'
    if reverse_path is not None:
        line += f',"reverse_path":{quote(reverse_path)}'
    if forward_path is not None:
        line += f',"forward_path":{quote(forward_path)}'
    if recipients is not None:
        line += f',"recipients":{recipients}'
    if message_bytes is not None:
        line += f',"message_bytes":{message_bytes}'
    if reply is not None:
        line += f',"reply":{quote(reply)}'
    if next_hop_reply is not None:
        line += f',"next_hop_reply":{quote(next_hop_reply)}'
    if queue is not None:
        line += f',"queue_id":{quote(queue)}'
    if seconds is not None:
        line += f',"seconds":{seconds:.3f}'
    if forward_paths is not None:
        line += f',"forward_paths":{json.dumps(forward_paths)}'
    if certificate_names is not None:
        line += f',"certificate_names":{json.dumps(certificate_names)}'
    if "\\ud" in line or "\\u0000" in line:
        cleaned = clean(record)
        if cleaned != record:
            return to_json(cleaned)
    return (line + "}\n").encode("ascii")


def clean(record: Record) -> Record:
    """`record` with NUL and halves of surrogate pairs in its texts replaced: strict JSON readers refuse a line
    that bears them, and the record would be lost to them.
    """
    return Record._make(_cleaned(value) for value in record)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    return tuple(_clean(one) for one in value) if isinstance(value, tuple) else value


def _clean(text: str) -> str:
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")


def _remember(key: tuple[Any, ...]) -> str:
    """The JSON of the fixed fields. Only configuration gives them their values, yet the memory has a limit."""
    if len(_fixed) >= _REMEMBERED:
        _fixed.clear()
    pairs = zip(Record._fields[:_FIXED_FIELDS], key, strict=True)
    known = {name: value for name, value in pairs if value is not None}
    repeats = known.pop("repeats")
    if repeats != 1:
        known["count"] = repeats
    _fixed[key] = made = "".join(f",{quote(name)}:{json.dumps(value)}" for name, value in known.items())
    return made


def from_json(line: bytes | str) -> Record:
    """The record of a line of `to_json`. Raises ValueError for anything else; unknown fields are passed over."""
    found = json.loads(line)
    if not isinstance(found, dict) or found.get("v") != VERSION:
        raise ValueError(f"no record of version {VERSION}")
    found["repeats"] = found.pop("count", 1)
    for name in ("forward_paths", "certificate_names"):
        if name in found:
            found[name] = tuple(found[name])
    return Record(**{name: found[name] for name in Record._fields if name in found})


def to_intent(record: Record) -> bytes:
    """`record` as a line of at most INTENT_OCTETS, its texts cut where it would be longer."""
    line = to_json(record)
    if len(line) <= INTENT_OCTETS:
        return line
    cut = Record(
        outcome=record.outcome,
        kind=record.kind,
        action=record.action,
        worker=record.worker,
        node=record.node[:_CUT],
        time=record.time,
        id=record.id[:_CUT],
        client_address=_cut(record.client_address),
        reverse_path=_cut(record.reverse_path),
        forward_path=_cut(record.forward_path),
        next_hop=_cut(record.next_hop),
        recipients=record.recipients,
    )
    return to_json(cut)


def _cut(text: str | None) -> str | None:
    """At most 15 characters where they need escapes (up to 12 octets for each), else 60."""
    if text is None:
        return None
    return text[:_CUT] if text.isascii() and text.isprintable() else text[: _CUT // 4]
