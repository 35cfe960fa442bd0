"""The addresses that an SPF record lists (RFC 7208), as a source of a network.

Terms: a *term* is a mechanism or modifier of a record; only those with the qualifier "+" list senders. `include` and
`redirect` are followed, `a` and `mx` are looked up. What depends on the mail (`exists`, `ptr`, macros) lists no
addresses and is reported. Limits are those of RFC 7208 4.6.4: 10 terms that ask DNS, 2 of them void, 10 names an `mx`.

SPF lists who sends for a domain, which is not who delivers to it: whoever uses it is told so. Never judges a mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.networks.found import Answer, Failed, Found
from arrowslit.networks.resolver import Answer as DnsAnswer
from arrowslit.networks.resolver import Resolver, Unanswered

LOOKUPS: Final = 10
VOID: Final = 2
_MX_NAMES: Final = 10
_TERMS: Final = 400
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(\d{3}|.)")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_CIDR: Final = re.compile(r"(?P<name>[^/]*)(?:/(?P<four>\d{1,2}))?(?://(?P<six>\d{1,3}))?")


class _PermanentError(Exception):
    """The record can't be used (permerror)."""


class _TemporaryError(Exception):
    """DNS gave no answer for now (temperror)."""


async def addresses_of(resolver: Resolver, domain: str, seconds: float) -> Answer:
    """What the SPF record of `domain` lists; `seconds` is for each question to DNS."""
    walk = _Walk(resolver, seconds)
    try:
        await walk.record(domain, top=True)
    except (_PermanentError, _TemporaryError) as error:
        return Failed(f"SPF of {domain}: {error}")
    found = AddressSet.from_ranges([(one.network_address, one.broadcast_address) for one in walk.networks])
    if not len(found):
        return Failed(f"SPF of {domain}: it lists no address")
    return Found(found, tuple(walk.warnings), walk.holds)


@dataclass(slots=True)
class _Walk:
    resolver: Resolver
    seconds: float
    networks: list[IPv4Network | IPv6Network] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lookups: int = 0
    void: int = 0
    holds: float | None = None
    path: list[str] = field(default_factory=list)

    async def record(self, domain: str, *, top: bool) -> None:
        """Follow one record."""
        name = domain.lower().rstrip(".")
        if name in self.path:
            raise _PermanentError(f"it includes itself by way of {name}")
        self.path.append(name)
        text = await self._text(name, top=top)
        terms = text.split()[1:]
        if len(terms) > _TERMS:
            raise _PermanentError(f"the record of {name} is too long")
        redirect = ""
        for term in terms:
            if term.lower().startswith("redirect="):
                redirect = term[9:]
            else:
                await self._term(term, name)
        if redirect and not any(re.fullmatch(r"[+?~-]?all", term.lower()) for term in terms):
            self._count("redirect")
            await self.record(self._plain(redirect, "redirect"), top=False)
        self.path.pop()

    async def _text(self, name: str, *, top: bool) -> str:
        answer = await self._ask(name, "TXT", counted=not top)
        records = [text for text in map(_joined, answer.texts) if re.match(r"v=spf1(\s|$)", text, re.IGNORECASE)]
        if len(records) != 1:
            raise _PermanentError(f"{name} has {len(records) or 'no'} SPF record{'s' if len(records) > 1 else ''}")
        return records[0]

    async def _term(self, term: str, name: str) -> None:
        qualifier, rest = (term[0], term[1:]) if term[0] in "+-~?" else ("+", term)
        mechanism, _, value = rest.partition(":")
        mechanism, slash, bits = mechanism.partition("/")
        mechanism = mechanism.lower()
        if "=" in mechanism:
            return  # another modifier, such as exp=
        value += slash + bits
        if qualifier != "+":
            self._unused(mechanism)
        elif mechanism in ("ip4", "ip6"):
            self.networks.append(_network(mechanism, value))
        elif mechanism == "include":
            self._count("include")
            await self.record(self._plain(value, "include"), top=False)
        elif mechanism in ("a", "mx"):
            await self._hosts(mechanism, value, name)
        elif mechanism == "all":
            raise _PermanentError(f"the record of {name} lets everybody send (+all)")
        elif mechanism in ("exists", "ptr"):
            self._count(mechanism)
            self.warnings.append(f"{name}: {mechanism} lists no addresses")
        else:
            raise _PermanentError(f"the record of {name} has the unknown term {term!r}")

    def _unused(self, mechanism: str) -> None:
        if mechanism in ("include", "a", "mx", "exists", "ptr"):
            self._count(mechanism)

    async def _hosts(self, mechanism: str, value: str, name: str) -> None:
        found = _CIDR.fullmatch(value)
        if found is None:
            raise _PermanentError(f"{mechanism}:{value} can't be read")
        target = self._plain(found["name"] or name, mechanism)
        self._count(mechanism)
        names = [target]
        if mechanism == "mx":
            answer = await self._ask(target, "MX", counted=True)
            names = [text.split()[1].rstrip(".") for text in answer.texts if len(text.split()) == 2]
            if len(names) > _MX_NAMES:
                raise _PermanentError(f"{target} has more than {_MX_NAMES} mail exchangers")
        for one in names:
            await self._addresses(one, int(found["four"] or 32), int(found["six"] or 128), counted=mechanism == "a")

    async def _addresses(self, name: str, four: int, six: int, *, counted: bool) -> None:
        texts: list[str] = []
        for kind, bits in (("A", four), ("AAAA", six)):
            answer = await self._ask(name, kind, counted=False)
            texts += answer.texts
            for text in answer.texts:
                self.networks.append(_network("ip4" if kind == "A" else "ip6", f"{text}/{bits}"))
        if not texts and counted:
            self._void(name)

    async def _ask(self, name: str, kind: str, *, counted: bool) -> DnsAnswer:
        answer = await self.resolver.ask(name, kind, self.seconds)
        if isinstance(answer, Unanswered):
            raise _TemporaryError(f"DNS gave no answer for {name} {kind}: {answer.why}")
        if not answer.texts:
            if counted:
                self._void(name)
        elif self.holds is None or answer.ttl < self.holds:
            self.holds = answer.ttl
        return answer

    def _void(self, name: str) -> None:
        self.void += 1
        if self.void > VOID:
            raise _PermanentError(f"more than {VOID} look-ups find nothing, the last one {name}")

    def _count(self, what: str) -> None:
        self.lookups += 1
        if self.lookups > LOOKUPS:
            raise _PermanentError(f"more than {LOOKUPS} look-ups, the last one for {what}")

    def _plain(self, name: str, what: str) -> str:
        """A name without macros: what they stand for is the mail's matter."""
        if "%" in name:
            raise _PermanentError(f"{what}:{name} has a macro, which lists no addresses")
        if not _NAME.fullmatch(name):
            raise _PermanentError(f"{what}:{name!r} is no name")
        return name


def _network(mechanism: str, text: str) -> IPv4Network | IPv6Network:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise _PermanentError(f"{mechanism}:{text} is no address") from None
    if found.version != (4 if mechanism == "ip4" else 6):
        raise _PermanentError(f"{mechanism}:{text} is of the other family")
    return found


def _joined(text: str) -> str:
    """The strings of a TXT record as one, as RFC 7208 3.3 has it; from the form that zone files have."""
    parts = _QUOTED.findall(text) or [text]
    return "".join(_ESCAPED.sub(_unescape, part) for part in parts)


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1])) if found[1].isdigit() else found[1]
