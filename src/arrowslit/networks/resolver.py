"""Asks DNS: one question, answered as facts are (RFC 1035, RFC 2308).

Terms: an answer is a list of texts, empty where the name or the type is not there (NXDOMAIN, NODATA); everything else
(SERVFAIL, refused, silence, a broken answer, no server known) is a failure for now. Names are asked as they are,
without a search list. Never raises for what a server does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.resolver

from arrowslit.networks.name_cache import NameCache

_PORT: Final = 53
_LAST_PORT: Final = 65_535
_EDNS_OCTETS: Final = 1232  # what passes everywhere in one piece


@dataclass(frozen=True, slots=True)
class Answer:
    """The data of an answer as text, and for how many seconds it holds; empty where there is none."""

    texts: tuple[str, ...]
    ttl: float


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A failure for now, and what the servers did, for an administrator: "SERVFAIL from 192.0.2.53"."""

    why: str


class Resolver:
    """Asks the given servers (`ADDRESS` or `ADDRESS:PORT`, IPv6 with a port in brackets), or else the system's.

    Raises ValueError for a server that is neither. A missing resolv.conf is no error here: it is looked for again at
    each question, and until it is there each question fails for now and `problem` says why.
    """

    def __init__(self, servers: Sequence[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self.names = NameCache(clock)
        self.problem: str | None = None
        self._resolver: dns.asyncresolver.Resolver | None = None
        if servers:
            self._resolver = _configured(servers)
        else:
            self._of_system()

    async def ask(self, name: str, kind: str, seconds: float) -> Answer | Unanswered:
        """The data of `kind` ("PTR", "A", "AAAA") at `name`."""
        resolver = self._resolver or self._of_system()
        if resolver is None:
            return Unanswered(self.problem or "no DNS server is known")
        if seconds <= 0:
            return Unanswered("no time was left to ask")
        try:
            asked = dns.name.from_text(name)
            answer = await resolver.resolve(asked, kind, raise_on_no_answer=False, search=False, lifetime=seconds)
        except dns.resolver.NXDOMAIN as error:
            return Answer((), _negative_ttl(error))
        except (dns.exception.DNSException, OSError, EOFError) as error:
            return Unanswered(_said(error))  # SERVFAIL, refused, silence, a chain without end, a broken answer
        return Answer(tuple(data.to_text() for data in answer), answer.chaining_result.minimum_ttl)

    def _of_system(self) -> dns.asyncresolver.Resolver | None:
        try:
            self._resolver = _tuned(dns.asyncresolver.Resolver())
        except dns.resolver.NoResolverConfiguration as error:
            self.problem = f"no DNS server is known: {error}"
        else:
            self.problem = None
        return self._resolver


def _configured(servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [_server(text) for text in servers]
    return _tuned(resolver)


def _tuned(resolver: dns.asyncresolver.Resolver) -> dns.asyncresolver.Resolver:
    resolver.use_edns(0, 0, _EDNS_OCTETS)
    return resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    try:
        return dns.nameserver.Do53Nameserver(str(ip_address(text)), _PORT)
    except ValueError:
        address, _, port = text.rpartition(":")
    try:
        server = str(ip_address(address.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError(f"no address of a DNS server: {text!r}; write ADDRESS or ADDRESS:PORT") from None
    if not port.isascii() or not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
        raise ValueError(f"no port: {port!r} in {text!r}; ports are 1 to {_LAST_PORT}")
    return dns.nameserver.Do53Nameserver(server, int(port))


def _said(error: Exception) -> str:
    """What went wrong at each server. SERVFAIL is also what a resolver says of a signature that does not fit."""
    tries = getattr(error, "kwargs", {}).get("errors") or ()
    said = dict.fromkeys(f"{_one(what)} from {str(server).removeprefix('Do53:')}" for server, _, _, what, *_ in tries)
    return ", ".join(said) or "no usable answer"


def _one(what: object) -> str:
    if isinstance(what, dns.exception.Timeout):
        return "no answer"
    return "a broken answer" if isinstance(what, dns.exception.DNSException) else str(what)


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    responses: dict[dns.name.Name, dns.message.QueryMessage] = error.kwargs.get("responses", {})
    return min((response.resolve_chaining().minimum_ttl for response in responses.values()), default=0)
