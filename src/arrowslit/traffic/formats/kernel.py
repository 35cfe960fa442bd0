"""The Linux kernel's own lines of a firewall (nftables `log`, iptables `LOG`), through syslog or ulogd.

One packet is one line, of which only the first packet of a TCP connection (SYN) to port 25, 465 or 587 is looked at.
A client whom nobody answers sends it again, up to about a minute: the same addresses and ports within that time are
one attempt. What the firewall did is only in the *prefix*, a text that the administrator wrote (or that ufw, firewalld,
Shorewall, OpenWrt gave): where that has no word for it, it is not told. Of two lines for one packet the later one
counts, since the first may be of a rule that only looks on.

Left out: what the machine itself sends (`IN=` empty), and what a router forwards from a private address to a public
one, which is mail on its way out. Behind a forwarded port `DST` may be the inner server. Such lines are often
limited in rate, so they are fewer than the packets.

Strangers write nothing here but addresses and ports. What stands in brackets is a packet within a packet (ICMP), and
is not read.

Source: net/netfilter/nf_log_syslog.c of Linux, whose fields come in a fixed order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import ClassVar, Final

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.traffic.attempt import NOT_TOLD, PERMITTED, REFUSED, REFUSED_OTHERWISE, REPLY, Attempt
from arrowslit.traffic.formats.syslog_reader import EntryReader
from arrowslit.traffic.syslog import Entry

PORTS: Final = frozenset({"25", "465", "587"})
_START: Final = re.compile(r"IN=(?P<inward>\S{0,40}) (?:PHYSIN=\S{0,40} )?OUT=(?P<outward>\S{0,40}) ")
_UPTIME: Final = re.compile(r"\[ *[0-9]+\.[0-9]+\] ?")
_WORD: Final = re.compile(r"[A-Za-z]+")
_AGAIN: Final = 40.0
"""Seconds after which the next SYN of the same port is another attempt: they come 1, 2, 4, 8, 16 and 32 apart."""

_REFUSING: Final = frozenset(
    {"DROP", "DROPPED", "REJECT", "REJECTED", "DENY", "DENIED", "BLOCK", "BLOCKED", "REFUSE", "REFUSED"}
)
_PERMITTING: Final = frozenset({"ACCEPT", "ACCEPTED", "ALLOW", "ALLOWED", "PASS", "PASSED", "PERMIT", "PERMITTED"})
_OTHERWISE: Final = frozenset({"LIMIT", "LIMITED", "RATE", "RATELIMIT", "FLOOD", "INVALID"})
"""With a refusing word: refused for how many there were, or for what no packet should be."""

_PRIVATE: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10")
) + tuple(ip_network(text) for text in ("::1/128", "fc00::/7", "fe80::/10"))


@dataclass(slots=True)
class Packet:
    """An attempt of which more packets may come. Times are Unix seconds."""

    time: float
    last: float
    address: str
    port: str
    source_port: str
    told: str
    reply: str


class KernelReader(EntryReader[Packet]):
    """`open` holds attempts by addresses and ports, the one seen longest ago first."""

    kind = Packet
    programs: ClassVar[re.Pattern[str]] = re.compile(r"kernel|ulogd")

    def entry(self, entry: Entry, text: str) -> Iterator[Attempt]:
        """See `EntryReader`."""
        start = _START.search(entry.message)
        fields = {} if start is None else _fields(entry.message, start.end())
        if start is None or not _is_first_packet(fields):
            self.tally.skipped += 1
            return
        try:
            source, target = parse_address(fields["SRC"]), parse_address(fields["DST"])
        except (KeyError, ValueError):
            self.puzzled("the addresses in this line of the firewall are none", text)
            return
        if entry.time is None:
            self.puzzled("there is no time in this line", text)
        elif not start["inward"] or (start["outward"] and _is_private(source) and not _is_private(target)):
            self.tally.skipped += 1
        else:
            self.tally.used += 1
            prefix = _UPTIME.sub("", entry.message[: start.start()], count=1).strip()
            port, source_port = fields["DPT"], fields.get("SPT", "")
            packet = Packet(entry.time, entry.time, str(source), port, source_port, told(prefix), prefix[:REPLY])
            yield from self._ripe(entry.time)
            yield from self._seen(f"{source} {source_port} {target} {port}", packet)

    def _seen(self, key: str, packet: Packet) -> Iterator[Attempt]:
        known = self.open.pop(key, None)
        if known is not None and abs(packet.time - known.last) <= _AGAIN:
            packet.time = min(packet.time, known.time)
            if packet.told == NOT_TOLD:
                packet.told, packet.reply = known.told, known.reply
        elif known is not None:
            yield from self.give_up(key, known)
        yield from self.keep(key, packet)

    def _ripe(self, time: float) -> Iterator[Attempt]:
        while self.open:
            key, oldest = next(iter(self.open.items()))
            if time - oldest.last <= _AGAIN:
                return
            del self.open[key]
            yield from self.give_up(key, oldest)

    def give_up(self, key: str, session: Packet) -> Iterator[Attempt]:  # noqa: ARG002
        """The attempt that one or several packets were."""
        yield Attempt(
            session.time,
            session.address,
            session.told,
            f"{session.address}:{session.source_port}",
            service=f":{session.port}",
            reply=session.reply,
        )


def told(prefix: str) -> str:
    """What the words of a prefix say became of the packet: one of TOLD."""
    words = {word.upper() for word in _WORD.findall(prefix)}
    refused, permitted = bool(words & _REFUSING), bool(words & _PERMITTING)
    if refused is permitted:
        return NOT_TOLD
    if permitted:
        return PERMITTED
    return REFUSED_OTHERWISE if words & _OTHERWISE else REFUSED


def _fields(message: str, start: int) -> dict[str, str]:
    """The fields behind the interfaces, the first of a name; a flag is its own value."""
    fields: dict[str, str] = {}
    for part in message[start : start + 1000].partition("[")[0].split():
        name, _, value = part.partition("=")
        fields.setdefault(name, value)
    return fields


def _is_first_packet(fields: dict[str, str]) -> bool:
    return fields.get("PROTO") == "TCP" and fields.get("DPT") in PORTS and "SYN" in fields and "ACK" not in fields


def _is_private(address: IPAddress) -> bool:
    return any(address.version == network.version and address in network for network in _PRIVATE)
