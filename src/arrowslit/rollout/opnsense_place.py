"""What an OPNsense has of ours and beside it: our aliases, the rules that they are the source of, and wide rules.

Terms: a *slot* is one of our two aliases. Read over the API, and judged; nothing is changed from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.edges import read_set, token_of, written
from arrowslit.rollout.opnsense_api import Alias, FirewallRule, OpnsenseApi
from arrowslit.targets.rules import Rules

SLOTS: Final[tuple[str, ...]] = ("arrowslit_a", "arrowslit_b")
_PREFIX: Final = "arrowslit_"


@dataclass(frozen=True, slots=True)
class Firewall:
    """What is there. `slot` is the alias that every rule of ours has as its source, None where they do not agree."""

    ours: tuple[FirewallRule, ...]
    others: tuple[FirewallRule, ...]
    aliases: dict[str, Alias]
    slot: str | None
    table: AddressSet
    token: str


def read_firewall(api: OpnsenseApi, rule: str) -> Firewall:
    """What is there; `rule` is the description of the administrator's rules. Raises RolloutError."""
    rules = api.rules()
    ours = tuple(one for one in rules if rule and one.named == rule and one.enabled)
    aliases = api.aliases(_PREFIX)
    sources = {one.source for one in ours}
    slots = [one.network for one in sources if one.network in SLOTS]
    slot = slots[0] if len(sources) == 1 and slots and slots[0] in aliases else None
    tables = {name: api.table(name) for name in SLOTS if name in aliases}
    token = token_of(
        [asdict(one) for one in ours],
        {name: [asdict(alias), written(tables.get(name, EMPTY))] for name, alias in aliases.items()},
    )
    others = tuple(one for one in rules if one not in ours)
    return Firewall(ours, others, aliases, slot, tables.get(slot or "", EMPTY), token)


def wide_rules(firewall: Firewall, ports: tuple[int, ...], interface: str) -> Iterator[str]:
    """The rules of others that let strangers in, a sentence each; of that interface where it is known."""
    for one in firewall.others:
        port = next((port for port in ports if _has(one.port, port)), None)
        tcp = one.protocol in {"tcp", "tcp/udp", "any", ""}
        here = not (interface and one.interface) or interface in one.interface.split(",")
        if one.enabled and one.passes and one.source.anybody and tcp and here and port is not None:
            does = f"also forwarded to {one.to}" if one.forwards else "also let in from anywhere"
            yield f"port {port} is {does} ({one.place})"


def oddities(firewall: Firewall, slot: str, rules: Rules) -> Iterator[str]:
    """What the rules and the alias have otherwise than they should, a sentence each; the addresses apart."""
    alias = firewall.aliases[slot]
    if any(one.source.inverted is rules.connect.only_listed for one in firewall.ours):
        yield "the rules let in the others"
    if alias.type != "network" or not alias.enabled:
        yield f"the alias {slot} is not as it was made"
    elif read_set(list(alias.content), f"the alias {slot}") != firewall.table:
        yield f"the alias {slot} has other addresses than its table: it was not applied"


def half_done(firewall: Firewall) -> Iterator[str]:
    """Rules of ours that do not have the source that the others have."""
    with_ours = [one for one in firewall.ours if one.source.network in SLOTS]
    if with_ours and firewall.slot is None:
        for one in firewall.ours:
            yield f'a rule has the source "{one.source.network}", and not all of them have the same ({one.place})'


def servers(ours: tuple[FirewallRule, ...], more: tuple[IPAddress, ...]) -> list[str]:
    """The addresses of the mail server, as rules and the place have them."""
    found = [address_of(one.to) for one in ours]
    return list(dict.fromkeys(str(one) for one in (*found, *more) if one is not None))


def address_of(text: str) -> IPAddress | None:
    """The address, None for what is none."""
    try:
        return parse_address(text)
    except ValueError:
        return None


def _has(ports: str, port: int) -> bool:
    """Whether what a rule says of ports has one; nothing is all. What an alias of ports has is not looked up."""
    first, _, last = ports.replace(":", "-").partition("-")
    if not ports or ports == "any":
        return True
    if first.isdigit():
        return int(first) <= port <= int(last if last.isdigit() else first)
    return port == 25 and ports.lower() == "smtp"
