"""What a real kernel lets in, for tests of imported rule sets: the policy must decide the same, client by client."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

from arrowslit.imports.imported import Imported, Source
from arrowslit.mail.address import IPAddress
from arrowslit.policy.decision import Action
from arrowslit.policy.expectations import facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation
from tests.imports.loading import policy_from
from tests.peers import iptables, process
from tests.peers.behind import SERVER6, behind
from tests.peers.netns import Host
from tests.peers.outside import Outside, listening, outside
from tests.targets.truth import TODAY, edges

AT_ONCE = 12
_LOCK = threading.Lock()

_V4 = re.compile(r"(?<![\w.:])\d+\.\d+\.\d+\.\d+(?:/\d+)?(?![\w.])")
_V6 = re.compile(r"(?<![\w.:])[0-9a-f]*:[0-9a-f:]*:[0-9a-f]*(?:/\d+)?(?![\w.:])")


def nft(host: Host, *words: str, text: str = "") -> str:
    """nft there."""
    return host.run(process.by_loader("nftables", "usr/sbin/nft", *words), given=text.encode())


def exported(host: Host, text: str) -> str:
    """The rule set as JSON, after it was loaded."""
    nft(host, "-f", "-", text=f"flush ruleset\n{text}")
    return nft(host, "-j", "list", "ruleset")


def clients(found: Imported, text: str, more: int = 40, seed: int = 1) -> list[str]:
    """In and just outside of every range that the rules or the policy name, and some from anywhere."""
    made = dict.fromkeys(edges(policy_from(found), seed, more))
    for address in _named(text, random.Random(seed)):
        if _may_be_client(address):
            made[str(address)] = None
    return list(made)


def _named(text: str, chance: random.Random) -> Iterable[IPAddress]:
    for word in dict.fromkeys(_V4.findall(text) + _V6.findall(text)):
        try:
            network = ip_network(word, strict=False)
        except ValueError:
            continue
        first, last = int(network.network_address), int(network.broadcast_address)
        make = IPv4Address if network.version == 4 else IPv6Address
        for number in {first - 1, first, chance.randint(first, last), last, last + 1}:
            if 0 <= number < 2**network.max_prefixlen:
                yield make(number)


def _may_be_client(address: IPAddress) -> bool:
    """What the kernel itself would not answer is left out, and the addresses of the machines under test."""
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local:
        return False
    if isinstance(address, IPv4Address):
        kept = ("192.0.2.25", "192.0.2.26", "192.0.2.254", "198.18.0.1", "198.18.0.2")
        return 2**24 <= int(address) < 224 * 2**24 and str(address) not in kept
    own = (ip_network("2001:db8:ffff::25/128"), ip_network("2001:db8:fffe::/64"), ip_network("fd00::/64"))
    odd = address.ipv4_mapped is not None or int(address) < 2**32 or address.is_site_local
    return not odd and not any(address in one for one in own)


def permitted(policy: Policy, asked: Iterable[str], server: str = "default") -> set[str]:
    """Those of `asked` that the policy lets connect."""
    return {
        one
        for one in asked
        if explain(
            policy, facts_of(Expectation("", str(ip_address(one)), Action.PERMIT, server), TODAY)
        ).decision.permitted
    }


@dataclass(frozen=True)
class Outcome:
    """What was imported, who was asked about, and whom the kernel let in of them."""

    found: Imported
    asked: list[str]
    reached: set[str]

    def agrees(self, server: str = "default") -> None:
        """The policy decides as the kernel did, for everybody."""
        say = permitted(policy_from(self.found), self.asked, server)
        more, less = sorted(say - self.reached), sorted(self.reached - say)
        assert say == self.reached, f"lets in: {more}; refuses: {less}; of {len(self.asked)}"


@contextmanager
def host() -> Iterator[Outside]:
    """A machine with a mail server of its own, on two ports."""
    with outside() as net, listening(net), listening(net, 2525):
        yield net


@contextmanager
def router() -> Iterator[Outside]:
    """A machine with a mail server behind it."""
    with outside() as net, behind(net) as server, listening(Outside(server, net.clients)):
        yield net


def reach_behind(net: Outside, asked: Iterable[str]) -> set[str]:
    """Who reaches the server: by the router's address, or by its own where that is of IPv6."""
    four = net.reach(one for one in asked if ":" not in one)
    return four | net.reach((one for one in asked if ":" in one), to=SERVER6)


def saved(backend: str, net: Outside, script: str) -> list[Source]:
    """What the save commands print after a script: of IPv4, of IPv6, and the sets."""
    with _LOCK:
        text = iptables.run(
            backend, net.machine, f"set -e\n{script}\niptables-save\necho =\nip6tables-save\necho =\nipset save"
        )
    sources = [Source(name, part) for name, part in zip(("four", "six", "sets"), text.split("=\n"), strict=True)]
    return [one for one in sources if one.text.strip()]


Case: TypeAlias = Callable[[], Outcome]


def at_once(cases: Mapping[str, Case]) -> dict[str, Outcome | Exception]:
    """Each case on a machine of its own, some at a time: most of the time is waiting for dropped packets."""

    def one(case: Case) -> Outcome | Exception:
        try:
            return case()
        except Exception as error:
            return error

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(cases, threads.map(one, cases.values()), strict=True))
