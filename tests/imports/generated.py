"""Rule sets by chance, the same in the languages of nft and of iptables: chains, jumps, returns, lists, ports, states."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_PORTS = ("25", "25", "25", "465", "22", "20-30", "1-24", "25,587", "2525")
_VERDICTS = ("accept", "accept", "drop", "drop", "return", "reject", "log", "jump", "jump", "goto")


@dataclass(frozen=True)
class MadeRule:
    """`saddr` and `port` are "" where it doesn't ask; a "!" before turns them."""

    version: int
    saddr: str
    port: str
    state: str
    syn: str
    verdict: str
    target: int


@dataclass(frozen=True)
class Made:
    """Chains of rules; the first is the input's. A rule leads only to chains behind its own."""

    policy: str
    chains: list[list[MadeRule]]


def made(seed: int) -> Made:
    """The rule set of a seed."""
    chance = random.Random(seed)
    count = chance.randint(2, 6)
    return Made(chance.choice(["accept", "drop"]), [_chain(chance, number, count) for number in range(count)])


def _chain(chance: random.Random, number: int, count: int) -> list[MadeRule]:
    return [_rule(chance, number, count) for _ in range(chance.randint(1, 8))]


def _rule(chance: random.Random, number: int, count: int) -> MadeRule:
    version = chance.choice([4, 4, 6])
    verdict = chance.choice(_VERDICTS)
    last = number == count - 1
    if last and verdict in {"jump", "goto"}:
        verdict = "accept"
    return MadeRule(
        version,
        _sometimes(chance, 0.8, _not(chance, _span(chance, version))),
        _sometimes(chance, 0.5, _not(chance, chance.choice(_PORTS), 0.15)),
        _sometimes(chance, 0.2, chance.choice(["new", "new,established", "established", "invalid"])),
        _sometimes(chance, 0.15, chance.choice(["syn", "!syn"])),
        verdict,
        0 if last else chance.randint(number + 1, count - 1),
    )


def _sometimes(chance: random.Random, share: float, text: str) -> str:
    return text if chance.random() < share else ""


def _not(chance: random.Random, text: str, share: float = 0.2) -> str:
    return f"!{text}" if chance.random() < share else text


def _span(chance: random.Random, version: int) -> str:
    """A prefix or a range within a few networks, so that they overlap."""
    make = IPv4Address if version == 4 else IPv6Address
    base = (
        int(chance.choice([IPv4Address("203.0.113.0"), IPv4Address("198.51.100.0")]))
        if version == 4
        else 0x20010DB8 << 96
    )
    bits = 8 if version == 4 else 96
    length = chance.randint(0, bits)
    if chance.random() < 0.3:
        first = base + chance.randrange(1 << bits)
        last = min(first + chance.randrange(1 << length), base + (1 << bits) - 1)
        return f"{make(first)}-{make(last)}"
    first = base + (chance.randrange(1 << bits) >> length << length)
    return f"{make(first)}/{(32 if version == 4 else 128) - length}"


# In nft's language.


def nft(rules: Made) -> str:
    """A table of the family inet."""
    chains = "".join(
        f"\tchain c{number} {{\n" + "".join(f"\t\t{line}\n" for line in map(_nft_rule, chain)) + "\t}\n"
        for number, chain in reversed(list(enumerate(rules.chains)))
    )
    base = f"\tchain input {{\n\t\ttype filter hook input priority filter; policy {rules.policy};\n"
    usual = "\t\tct state established accept\n\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
    return f"table inet filter {{\n{chains}{base}{usual}\t\tjump c0\n\t}}\n}}\n"


def _nft_rule(rule: MadeRule) -> str:
    return " ".join(_nft_words(rule))


def _nft_words(rule: MadeRule) -> Iterator[str]:
    family = "ip" if rule.version == 4 else "ip6"
    if not rule.saddr:
        yield f"meta nfproto ipv{rule.version}"
    else:
        yield f"{family} saddr {_unequal(rule.saddr)}{rule.saddr.lstrip('!')}"
    if rule.port:
        yield f"tcp dport {_unequal(rule.port)}{{ {rule.port.lstrip('!')} }}"
    if rule.state:
        yield f"ct state {rule.state}"
    if rule.syn:
        yield f"tcp flags & (fin | syn | rst | ack) {'!=' if rule.syn == '!syn' else '=='} syn"
    plain = {"log": 'log prefix "x"', "jump": f"jump c{rule.target}", "goto": f"goto c{rule.target}"}
    yield plain.get(rule.verdict, rule.verdict)


def _unequal(text: str) -> str:
    return "!= " if text.startswith("!") else ""


# In the language of iptables.


def restore(rules: Made, version: int) -> str:
    """A table for iptables-restore or ip6tables-restore."""
    heads = "".join(f":C{number} - [0:0]\n" for number in range(len(rules.chains)))
    lines = "".join(
        f"-A C{number} {' '.join(_words(rule))}\n"
        for number, chain in enumerate(rules.chains)
        for rule in chain
        if rule.version == version
    )
    usual = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
    usual += "-A INPUT -p ipv6-icmp -j ACCEPT\n" if version == 6 else ""
    return f"*filter\n:INPUT {rules.policy.upper()} [0:0]\n{heads}{usual}-A INPUT -j C0\n{lines}COMMIT\n"


def _words(rule: MadeRule) -> Iterator[str]:
    yield "-p tcp"
    if rule.saddr:
        turned, span = "! " if rule.saddr.startswith("!") else "", rule.saddr.lstrip("!")
        yield f"-m iprange {turned}--src-range {span}" if "-" in span else f"{turned}-s {span}"
    if rule.port:
        turned, ports = "! " if rule.port.startswith("!") else "", rule.port.lstrip("!").replace("-", ":")
        yield f"-m multiport {turned}--dports {ports}"
    if rule.state:
        yield f"-m conntrack --ctstate {rule.state.upper()}"
    if rule.syn:
        yield f"{'! ' if rule.syn == '!syn' else ''}--syn"
    plain = {"log": "-j LOG", "jump": f"-j C{rule.target}", "goto": f"-g C{rule.target}"}
    yield plain.get(rule.verdict, f"-j {rule.verdict.upper()}")
