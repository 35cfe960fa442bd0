"""nft(8) on a router: a client reaches the server where no gate drops him and, for IPv4, something translates him.

In mode "observe" the text translates nothing, and the forward is the router's own; a wide one is assumed.
"""

from __future__ import annotations

import re

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits
from tests.targets.models.nft import gate_of


def router(text: str) -> Admits:
    """The target nftables-router, for the place that samples are compiled for."""
    code = re.sub(r"#[^\n]*", "", text)
    chains = {name: body.strip().splitlines() for name, body in re.findall(r"\tchain (\w+) \{\n(.*?)\t\}", code, re.S)}
    if set(chains) != {"outer", "translate", "inner", "gate"}:
        raise ValueError(f"chains {sorted(chains)}")
    _expect(chains["outer"], "filter hook prerouting priority mangle", ["fib daddr type local "], "jump gate")
    served = ["ip daddr 192.168.0.5 ", "ip6 daddr 2001:db8:5::5 "]
    _expect(chains["inner"], "filter hook forward priority filter - 1", served, "jump gate")
    gate = gate_of(text)
    translation = chains["translate"][1:]
    if not translation:
        if re.search(r"drop\b", "".join(chains["gate"])):
            raise ValueError("strangers are dropped, and nobody is translated")
        return gate
    _expect(chains["translate"], "nat hook prerouting priority dstnat - 1", ["fib daddr type local "], "")
    found = re.search(r"ip saddr (!= )?@listed4 dnat ip to 192\.168\.0\.5$", translation[0])
    if found is None:
        raise ValueError(translation[0])
    listed = gate_of(_ONLY_LISTED.sub(_GATE, text))

    def admits(address: IPAddress) -> bool:
        translated = address.version == 6 or listed(address) is not bool(found[1])
        return gate(address) and translated

    return admits


_ONLY_LISTED = re.compile(r"(?<=\tchain gate \{\n).*?\t\}", re.S)
_GATE = "\t\tip saddr @listed4 return\n\t\tip6 saddr @listed6 return\n\t\tcounter name refused drop\n\t}"


def _expect(chain: list[str], hook: str, matches: list[str], verdict: str) -> None:
    first, *rules = (line.strip() for line in chain)
    if first != f"type {hook}; policy accept;" or len(rules) != len(matches):
        raise ValueError(f"not understood: {chain}")
    for rule, match in zip(rules, matches, strict=True):
        if not (rule.startswith(f'iifname "wan0" {match}tcp dport {{ 25 }} ') and rule.endswith(verdict)):
            raise ValueError(rule)


MODELS = {"nftables-router": router}
