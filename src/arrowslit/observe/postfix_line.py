"""A record in the words of Postfix's log, so that what reads those (pflogsumm, fail2ban, log shippers) works here.

Terms: a *daemon* is the Postfix program that would have written the line ("smtpd", "smtp", "qmgr"). A refusal becomes
`NOQUEUE: reject: RCPT from NAME[ADDRESS]: CODE ...`; a delivered message the lines `client=`, `from=` and `to=` that
Postfix spreads over its daemons. What Postfix has no line for gives none. Characters that don't print become "?", as
in Postfix's printable(). Never says more than the record.
"""

from __future__ import annotations

from typing import Final

from arrowslit.observe.record import Record
from arrowslit.policy import reasons

Line = tuple[str, str]

_COMMANDS: Final = {
    "connect": "CONNECT",
    "helo": "HELO",
    "mail": "MAIL",
    "recipient": "RCPT",
    "data": "DATA",
}
_AFTER_DOT: Final = "END-OF-MESSAGE"

_FAULTS: Final = {
    "client-gone": "lost connection after {stage} from {client}",
    "client-timed-out": "timeout after {stage} from {client}",
    "client-too-slow": "timeout after {stage} from {client}",
    "too-many-errors": "too many errors after {stage} from {client}",
    "pipelining": "improper command pipelining after {stage} from {client}",
}

_CLIENT: Final = "{client}: Client host rejected: {said}"
_SENDER: Final = "{reverse_path}: Sender address rejected: {said}"
_RECIPIENT: Final = "{recipient}: Recipient address rejected: {said}"
_NO_SUCH_USER: Final = "{recipient}: Recipient address rejected: User unknown: {said}"

# The words after the codes, which fail2ban's filter looks for.
_WORDS: Final = {
    reasons.NOT_CONNECT: _CLIENT,
    reasons.NOT_DELIVER: _CLIENT,
    reasons.ENTRY_NEEDS_TLS: _CLIENT,
    reasons.NAME_UNAVAILABLE: _CLIENT,
    reasons.TOO_MANY_CONNECTIONS: _CLIENT,
    reasons.NOT_RELAY: "{recipient}: Relay access denied: {said}",
    reasons.SENDER_NOT_OWN: _SENDER,
    reasons.OWN_DOMAIN_OUTSIDE: _SENDER,
    reasons.RECIPIENT_UNKNOWN: _NO_SUCH_USER,
}
_BY_STAGE: Final = {"connect": _CLIENT, "mail": _SENDER, "recipient": _RECIPIENT}


def postfix_lines(record: Record) -> tuple[Line, ...]:
    """The lines for a record, each with its daemon; none where Postfix is silent."""
    if record.kind == "sign-in":
        return _sign_in(record)
    if record.kind == "fault":
        return _fault(record)
    if record.action in ("reject", "defer"):
        return (("smtpd", _refusal(record)),)
    if record.kind == "delivery":
        return _delivery(record)
    return ()


def _client(record: Record) -> str:
    return f"{_text(record.client_name or 'unknown')}[{_text(record.client_address or 'unknown')}]"


def _command(record: Record) -> str:
    """The command that was answered, which may come later than the stage that decided; after the message, its end."""
    if record.kind == "delivery":
        return _AFTER_DOT
    if record.kind == "decision" and record.forward_path is not None:
        return "RCPT"
    return _COMMANDS.get(record.stage or "", "DATA")


def _refusal(record: Record) -> str:
    code = record.code or (450 if record.action == "defer" else 550)
    enhanced = record.enhanced or f"{code // 100}.7.1"
    tail = f"proto={_proto(record)}"
    if record.helo_name:
        tail += f" helo=<{_text(record.helo_name)}>"
    if record.forward_path is not None:
        tail = f"to=<{_text(record.forward_path)}> {tail}"
    if record.reverse_path is not None:
        tail = f"from=<{_text(record.reverse_path)}> {tail}"
    return f"NOQUEUE: reject: {_command(record)} from {_client(record)}: {code} {enhanced} {_what(record)}; {tail}"


def _what(record: Record) -> str:
    """What was refused, and the text that the client was told."""
    if record.kind == "delivery":
        form = f"<{_AFTER_DOT}>: {{said}}"
    elif record.outcome is not None and record.enhanced == "5.1.1":
        form = _NO_SUCH_USER
    else:
        form = _WORDS.get(record.reason or "") or _BY_STAGE.get(record.stage or "", "{said}")
    return form.format(
        client=f"<{_client(record)}>",
        recipient=f"<{_text(record.forward_path or '')}>",
        reverse_path=f"<{_text(record.reverse_path or '')}>",
        said=_text(record.reply or ""),
    )


def _fault(record: Record) -> tuple[Line, ...]:
    form = _FAULTS.get(record.reason or "")
    if form is None:
        return ()
    return (("smtpd", form.format(stage=_command(record), client=_client(record))),)


def _sign_in(record: Record) -> tuple[Line, ...]:
    if record.action == "permit":
        return ()
    said = _text(record.reason or "authentication failure")
    return (("smtpd", f"warning: {_client(record)}: SASL LOGIN authentication failed: {said}"),)


def _delivery(record: Record) -> tuple[Line, ...]:
    name = _text(record.id)
    client = f"{name}: client={_client(record)}"
    if record.authenticated_as:
        client += f", sasl_username={_text(record.authenticated_as)}"
    size, count = record.message_bytes or 0, record.recipients or 1
    origin = f"{name}: from=<{_text(record.reverse_path or '')}>, size={size}, nrcpt={count} (queue active)"
    lines = (("smtpd", client), ("qmgr", origin), ("smtp", _handed_over(record, name)))
    return lines if record.outcome == "unknown" else (*lines, ("qmgr", f"{name}: removed"))


def _handed_over(record: Record, name: str) -> str:
    said = _text(record.next_hop_reply or record.reply or "")
    unknown = record.outcome == "unknown"
    status, dsn = ("deferred", "4.4.2") if unknown else ("sent", record.enhanced or "2.0.0")
    relay = f"{_text(record.next_hop or 'none')}[{_relay_address(record)}"
    seconds = record.seconds or 0.0
    recipient = _text(record.forward_path or "")
    return f"{name}: to=<{recipient}>, relay={relay}, delay={seconds:.2f}, dsn={dsn}, status={status} ({said})"


def _relay_address(record: Record) -> str:
    """ "ADDRESS]:PORT" of the next hop."""
    address, _, port = (record.next_hop_address or "").rpartition(":")
    if not port.isdecimal():
        return f"{_text(record.next_hop_address or 'unknown')}]"
    return f"{_text(address.removeprefix('[').removesuffix(']'))}]:{_text(port)}"


def _proto(record: Record) -> str:
    """Postfix knows SMTP and ESMTP here, without the letters for TLS and AUTH."""
    return "SMTP" if record.protocol == "SMTP" else "ESMTP"


def _text(value: str) -> str:
    """Printable ASCII; what would end a bracket early is replaced as well, so that no name can forge an address."""
    if value.isascii() and value.isprintable() and not _BRACKETS.intersection(value):
        return value
    return "".join(c if " " <= c <= "~" and c not in _BRACKETS else "?" for c in value)


_BRACKETS: Final = frozenset("<>[]")
