"""The names of a client: its reverse name, and its client name, which is forward-confirmed (access-control.md).

Terms: the *reverse name* is what PTR says, written by the client's side; the *client name* is a reverse name whose A
or AAAA gives the client's address back. None means that there is none, TEMPORARY_FAILURE that it could not be told
for now. Never decides what a name is worth. RFC 1035 3.5, RFC 3596 2.5, RFC 1912 2.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from arrowslit.mail.address import IPAddress, parse_address, unmap
from arrowslit.mail.domain import normalise_domain
from arrowslit.networks.name_cache import Name, Names
from arrowslit.networks.resolver import Answer, Resolver, Unanswered
from arrowslit.policy.facts import TEMPORARY_FAILURE

__all__ = ["Resolver", "client_names"]

_PTR_NAMES: Final = 5  # the client's side writes them: more are not asked for


async def client_names(address: IPAddress, resolver: Resolver, timeout: float) -> tuple[Name, Name]:
    """The reverse name and the client name of `address`, within `timeout` seconds for all questions together.

    Up to five PTR names are tried, in the order of the alphabet since DNS has none. Where one is confirmed it is both
    names. Answers are kept in `resolver.names`.
    """
    address = unmap(address)
    kept = resolver.names.get(address)
    if kept is not None:
        return kept
    search = _Search(address, resolver, asyncio.get_running_loop().time() + timeout)
    names = await search.run()
    resolver.names.keep(address, names, search.ttl)
    return names


@dataclass(slots=True)
class _Search:
    """One look-up; `ttl` is the shortest of the answers that it rests on."""

    address: IPAddress
    resolver: Resolver
    deadline: float
    ttl: float = float("inf")

    async def run(self) -> Names:
        pointers = await self._ask(self.address.reverse_pointer, "PTR")
        if pointers is None:
            return TEMPORARY_FAILURE, TEMPORARY_FAILURE
        names = _host_names(pointers.texts)
        if not names:
            return None, None
        confirmed = await asyncio.gather(*[self._confirmed(name) for name in names])
        for name, answer in zip(names, confirmed, strict=True):
            if answer:
                return name, name
        return names[0], TEMPORARY_FAILURE if None in confirmed else None

    async def _confirmed(self, name: str) -> bool | None:
        """Whether the name gives the address back; None where it can't be told for now."""
        answer = await self._ask(name, "A" if self.address.version == 4 else "AAAA")
        return None if answer is None else self.address in {parse_address(text) for text in answer.texts}

    async def _ask(self, name: str, kind: str) -> Answer | None:
        seconds = self.deadline - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                answer = await self.resolver.ask(name, kind, seconds)
        except TimeoutError:
            return None
        if isinstance(answer, Unanswered):
            return None
        self.ttl = min(self.ttl, answer.ttl)
        return answer


def _host_names(texts: Sequence[str]) -> list[str]:
    """The texts that are domain names with more than one label, normalised."""
    names = set()
    for text in texts:
        try:
            name = normalise_domain(text)
        except ValueError:
            continue  # a PTR may hold anything; what is no domain name names nobody
        if "." in name:
            names.add(name)
    return sorted(names)[:_PTR_NAMES]
