"""What a RouterOS router has of ours and beside it: our two slots in each family, and the rules that let strangers in.

Terms: a *slot* is a rule and its address list; a *half* is what one family has. Read over the API, and judged; nothing
is changed from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.edges import token_of
from arrowslit.rollout.mikrotik_api import FAMILIES, MikrotikApi, Rule, flag, in_force
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

SLOTS: Final[dict[str, tuple[str, str]]] = {"a": ("arrowslit", ""), "b": ("arrowslit next", "-next")}
"""Slot -> the comment of its rules and the end of its lists' names; the same as in compiled texts."""

_WAN: Final = "WAN"
_INSIDE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_NO_CONDITION: Final = frozenset({"bytes", "packets", "disabled", "invalid", "dynamic", "log", "log-prefix"})


@dataclass(frozen=True, slots=True)
class Half:
    """One family: its raw rules in their order, ours by slot, and the lists by slot."""

    raw: list[Rule]
    ours: dict[str, Rule]
    lists: dict[str, list[Rule]]

    @property
    def holding(self) -> tuple[str, ...]:
        """The slots whose rules are asked."""
        return tuple(slot for slot, rule in self.ours.items() if not flag(rule, "disabled"))


@dataclass(frozen=True, slots=True)
class Router:
    """Both families. `token` changes with anything of ours."""

    halves: dict[int, Half]
    token: str

    @property
    def slot(self) -> str | None:
        """The one slot that holds in both families, None where it is not so."""
        found = {half.holding for half in self.halves.values()}
        holding = next(iter(found)) if len(found) == 1 else ()
        return holding[0] if len(holding) == 1 else None

    def listed(self, slot: str) -> AddressSet:
        """What a slot's lists have."""
        return EMPTY.union(*(in_force(half.lists[slot], list_of(family, slot)) for family, half in self.halves.items()))


def read_router(api: MikrotikApi) -> Router:
    """What is there. Raises RolloutError."""
    halves = {family: _half(api, family) for family in FAMILIES}
    seen = [[half.ours, half.lists] for half in halves.values()]
    return Router(halves, token_of(*(_still(one) for one in seen)))


def _half(api: MikrotikApi, family: int) -> Half:
    raw = api.raw(family)
    ours: dict[str, Rule] = {}
    for slot, (comment, _) in SLOTS.items():
        found = [rule for rule in raw if rule.get("comment") == comment]
        if len(found) > 1:
            raise RolloutError(f'there are {len(found)} raw rules with the comment "{comment}": remove all but one')
        if found:
            ours[slot] = found[0]
    return Half(raw, ours, {slot: api.entries(family, list_of(family, slot)) for slot in SLOTS})


def oddities(router: Router, slot: str, rules: Rules, place: Place) -> Iterator[str]:
    """What a slot has otherwise than these rules, a sentence each; its addresses apart."""
    for family, half in router.halves.items():
        rule, wanted = half.ours[slot], rule_of(rules, place, family, slot)
        given = {key: value for key, value in rule.items() if key not in _NO_CONDITION and key[:1] != "."}
        if given != wanted:
            keys = sorted(key for key in given.keys() | wanted.keys() if given.get(key) != wanted.get(key))
            yield f"the raw rule of IPv{family} has another {', '.join(keys)}"
        yield from _unseen(family, half, rule)


def wide_rules(router: Router, forwards: Iterable[Rule], ports: tuple[int, ...]) -> Iterator[str]:
    """The rules of others that let strangers in beside ours or before them, a sentence each."""
    for family, half in router.halves.items():
        ours = [half.ours[slot] for slot in half.holding]
        for rule in half.raw:
            if rule in ours:
                break
            if ours and _accepts(rule, ports):
                yield f"a raw rule above ours accepts before it (IPv{family} firewall, raw, {rule['.id']})"
        for rule in ours:
            yield from _unseen(family, half, rule)
    first = router.halves[4]
    ours = [first.ours[slot] for slot in first.holding]
    for rule in forwards:
        port = next((port for port in ports if _has(rule.get("dst-port", ""), port)), None)
        if port is not None and _open(rule) and not any(_covers(one, rule) for one in ours):
            to = rule.get("to-addresses", "the router")
            yield f"port {port} is also forwarded to {to} (IP firewall, nat, {rule['.id']})"


def list_of(family: int, slot: str) -> str:
    """The name of a slot's address list."""
    return f"arrowslit{family}{SLOTS[slot][1]}"


def rule_of(rules: Rules, place: Place, family: int, slot: str) -> Rule:
    """The raw rule of a slot. A list without entries matches nobody, so its negation matches everybody."""
    name = list_of(family, slot)
    rule = {
        "chain": "prerouting",
        "action": "passthrough" if rules.server.mode == OBSERVE else "drop",
        "protocol": "tcp",
        "dst-port": ",".join(map(str, place.ports)),
        "src-address-list": f"!{name}" if rules.connect.only_listed else name,
        "comment": SLOTS[slot][0],
    }
    rule |= {"in-interface": place.interface} if place.interface else {"in-interface-list": _WAN}
    server = next((one for one in place.server if one.version == family), None)
    if server is not None and not any(server in network for network in _INSIDE if network.version == family):
        rule["dst-address"] = str(server)
    elif family == 4:  # before NAT a server inside is reached by the router's own addresses
        rule["dst-address-type"] = "local"
    return rule


def _unseen(family: int, half: Half, rule: Rule) -> Iterator[str]:
    if flag(rule, "invalid"):
        yield f"the raw rule of IPv{family} is invalid: is its interface there?"
    elif any(flag(one, "disabled") for slot in half.holding if half.ours[slot] is rule for one in half.lists[slot]):
        yield f"an entry of the list of IPv{family} is disabled"


def _still(value: object) -> object:
    """Without what changes by itself."""
    if isinstance(value, dict):
        return {key: _still(one) for key, one in value.items() if key not in {"bytes", "packets"}}
    return [_still(one) for one in value] if isinstance(value, list) else value


def refused(router: Router) -> int | None:
    """Packets that our rules have dropped, where the router counts them."""
    counts = [half.ours[slot].get("packets", "") for half in router.halves.values() for slot in half.holding]
    return sum(map(int, counts)) if counts and all(map(str.isdigit, counts)) else None


def movable(rule: Rule, gone: Rule | None) -> bool:
    """A rule may only be put in front of one that is no dummy of the router's own."""
    return not flag(rule, "dynamic") and rule is not gone


def _accepts(rule: Rule, ports: tuple[int, ...]) -> bool:
    passes = rule.get("action") == "accept" and rule.get("chain") == "prerouting" and not flag(rule, "disabled")
    tcp = rule.get("protocol", "tcp") in {"tcp", "6", "all"}
    return passes and tcp and _open(rule) and any(_has(rule.get("dst-port", ""), port) for port in ports)


def _open(rule: Rule) -> bool:
    """Whether it looks at nobody's address."""
    named = {"src-address", "src-address-list"} & rule.keys()
    return not flag(rule, "disabled") and not any(not rule[key].startswith("!") for key in named)


def _covers(ours: Rule, forward: Rule) -> bool:
    """Whether packets of a forward come by our rule first."""
    same = all(forward[key] == ours.get(key) for key in ("in-interface", "in-interface-list") if key in forward)
    where = ours.get("dst-address")
    return not flag(ours, "invalid") and same and (where is None or forward.get("dst-address") == where)


def _has(ports: str, port: int) -> bool:
    """Whether a rule's ports ("25,465-587") have one; without any it is for all."""
    pairs = (part.partition("-") for part in ports.split(","))
    return not ports or any(
        first.isdigit() and int(first) <= port <= int(last if last.isdigit() else first) for first, _, last in pairs
    )
