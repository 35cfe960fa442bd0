"""The lines of Sendmail's log, taken apart.

Terms: a *relay* is Sendmail's word for who is at the other end: `name [address]`, with `(may be forged)` where the name
is not confirmed forward. In `from=` it is the last field, behind the Message-ID that a stranger wrote; in a refusal it
follows the path that is refused. Source: the log of Sendmail 8.17 and its "Installation and Operation Guide", 2.1.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from arrowslit.traffic.attempt import REFUSED, REFUSED_OTHERWISE
from arrowslit.traffic.formats.written import ADDRESS, ITEM, QUOTED, path

QUEUE_ID: Final = re.compile(r"(?P<id>[0-9A-Za-z]{8,20}): (?P<rest>.*)", re.DOTALL)
_RELAY: Final = rf"relay=(?:(?P<name>[^\s\[\],]+) )?{ADDRESS}(?P<forged> \(may be forged\))?"
_FROM: Final = re.compile(
    rf"from=(?:{path('path')}|(?P<bare>[^\s,<>\"]*)), size=(?P<size>[0-9]+), class=-?[0-9]+, (?:pri=[0-9]+, )?"
    r"nrcpts=(?P<number>[0-9]{1,6})(?=, )"
)
_CAME: Final = re.compile(
    r"(?:, proto=(?P<protocol>[A-Za-z]+))?(?:, daemon=(?P<daemon>[^,\s]+))?"
    rf"(?:, (?:tls_verify|auth)=[^,\s]*){{0,4}}, {_RELAY}$"
)
_RULE: Final = re.compile(
    rf"ruleset=(?P<rule>[a-z_]+), arg1=(?:{path('path')}|(?P<bare>[^\s,<>]*))"
    rf"(?:, arg2=(?P<second>[^\s,<>]*))?, {_RELAY}, reject=(?P<reply>.*)",
    re.DOTALL,
)
_UNREAD_RULE: Final = re.compile(r"ruleset=check_(?:rcpt|mail|relay), arg1=.*, reject=", re.DOTALL)
_SAID: Final = re.compile(
    rf"{path('path')}\.\.\. (?P<reply>(?:User unknown|No such user|Mailbox|User address required|Domain name required"
    r"|Hostname required|Invalid route|Unable to|Recipient|Bad host|Host unknown|Name server|List:).*)",
    re.DOTALL,
)
_MILTER: Final = re.compile(rf"Milter: (?P<stage>to|from)={path('path')}, reject=(?P<reply>.*)", re.DOTALL)
_ONE: Final = rf'(?:<{ITEM}*+>|{QUOTED}|[^\s,<>"]+)'
_TO: Final = re.compile(rf"to=(?P<to>{_ONE}(?:,{_ONE})*), (?:ctladdr=(?:{path('owner')}|\S++)[^=]*, )?delay=")
_ITEMS: Final = re.compile(_ONE)
_TLS: Final = re.compile(rf"STARTTLS=server, {_RELAY}, version=")
_AUTH: Final = re.compile(rf"AUTH=server, {_RELAY}, authid=(?P<user>.*), mech=[A-Z0-9-]+, bits=[0-9]+", re.DOTALL)
_ACCESS: Final = re.compile(
    r"relaying (?:temporarily )?denied|access (?:temporarily )?denied|authentication (?:is )?required|must issue a"
    r"|encryption|fix reverse dns|not permitted|we do not relay|cannot resolve ptr",
    re.IGNORECASE,
)


class Relay(NamedTuple):
    """Who is at the other end. `confirmed` is the name where it is one that Sendmail confirmed forward."""

    address: str
    name: str | None
    confirmed: str | None


class From(NamedTuple):
    """The end of an envelope. `relay` is None for what the machine itself made."""

    reverse: str
    size: int
    number: int
    """Of recipients that were accepted."""
    protocol: str
    daemon: str | None
    relay: Relay | None


class Rejected(NamedTuple):
    """A refusal. `relay` is None where the line doesn't have it; `stage` is "rcpt", "mail" or ""."""

    stage: str
    path: str | None
    told: str
    reply: str
    relay: Relay | None


class SignedIn(NamedTuple):
    """TLS (`user` is None), or signing in, of a connection."""

    relay: Relay
    user: str | None


def sender(text: str) -> From | None:
    """A `from=` line."""
    found = _FROM.match(text)
    if found is None:
        return None
    came = _CAME.search(text, found.end())
    reverse = found["bare"] if found["path"] is None else found["path"]
    relay = None if came is None else _relay(came)
    protocol, daemon = ("", None) if came is None else (came["protocol"] or "", came["daemon"])
    return From(reverse, int(found["size"]), int(found["number"]), protocol, daemon, relay)


def rejected(text: str) -> Rejected | None:
    """A line that refuses a recipient, a reverse-path or a connection."""
    found = _RULE.fullmatch(text)
    if found is not None:
        stage = {"check_rcpt": "rcpt", "check_mail": "mail"}.get(found["rule"], "")
        named = found["bare"] if found["path"] is None else found["path"]
        return Rejected(
            stage, named if stage else None, _class(found["rule"], found["reply"]), found["reply"], _relay(found)
        )
    if _UNREAD_RULE.match(text):
        return Rejected("rcpt" if text.startswith("ruleset=check_rcpt") else "", None, "", "", None)
    said = _SAID.fullmatch(text)
    if said is not None:
        return Rejected("rcpt", said["path"], REFUSED_OTHERWISE, said["reply"], None)
    milter = _MILTER.fullmatch(text)
    if milter is None:
        return None
    stage = "rcpt" if milter["stage"] == "to" else "mail"
    return Rejected(stage, milter["path"], REFUSED_OTHERWISE, milter["reply"], None)


def recipients(text: str) -> list[str] | None:
    """Those of a `to=` line as the envelope had them: what an alias made of one is told by its `ctladdr=`."""
    found = _TO.match(text)
    if found is None:
        return None
    items = _ITEMS.findall(found["to"])
    if all(one.startswith("<") for one in items):
        return [one[1:-1] for one in items]
    return [] if not found["owner"] else [found["owner"]]


def session(text: str) -> SignedIn | None:
    """A line about TLS or signing in."""
    found = _TLS.match(text)
    if found is not None:
        return SignedIn(_relay(found), None)
    found = _AUTH.fullmatch(text)
    return None if found is None else SignedIn(_relay(found), found["user"])


def _relay(found: re.Match[str]) -> Relay:
    name: str | None = found["name"]
    if name is not None:
        name = name.rpartition("@")[2]
    return Relay(found["address"], name, None if found["forged"] else name)


def _class(rule: str, reply: str) -> str:
    if rule in {"tls_client", "check_relay"} and "listed" not in reply:
        return REFUSED
    # The reply repeats the path first.
    return REFUSED if _ACCESS.search(reply.rpartition("... ")[2]) else REFUSED_OTHERWISE
