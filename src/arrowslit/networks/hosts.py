"""The addresses of a host name: A and AAAA (RFC 1035, RFC 3596). A name without any is a failure, not an empty list."""

from __future__ import annotations

from arrowslit.mail.address import parse_address
from arrowslit.mail.address_set import AddressSet
from arrowslit.networks.found import Answer, Failed, Found
from arrowslit.networks.resolver import Resolver, Unanswered


async def addresses_of(resolver: Resolver, name: str, seconds: float) -> Answer:
    """Both families; `seconds` is for all of it."""
    texts: list[str] = []
    holds: list[float] = []
    for kind in ("A", "AAAA"):
        answer = await resolver.ask(name, kind, seconds)
        if isinstance(answer, Unanswered):
            return Failed(f"DNS gave no answer for {name} {kind}: {answer.why}")
        texts += answer.texts
        if answer.texts:
            holds.append(answer.ttl)
    if not texts:
        return Failed(f"the name {name} has no address")
    found = [parse_address(text) for text in texts]
    return Found(AddressSet.from_ranges([(one, one) for one in found]), (), min(holds))
