"""ufw(8): the first rule that matches decides. What no rule matches gets in by the rule of others that was there.

The model is of the rules that the script asks for; that it puts them in their order is for the packets to show.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

_RULE = re.compile(r"(allow|deny) in on wan0 from (\S+) to any port 25 proto tcp")


def rules(text: str) -> Admits:
    """Those listed first, then those behind."""
    blocks = dict(re.findall(r"^(\w+)\(\) \{\n\tsed \"\$of_ufw\" <<'END'\n(.*?)^END$", text, re.S | re.M))
    lines = [line for name in ("listed", "refused") for line in blocks[name].splitlines() if not line.startswith("#")]
    steps = text.rpartition("END\n}\n")[2].split("\n")
    if [step for step in steps if step.startswith(("put_", "make_"))] != [
        "make_way",
        "put_first",
        "put_behind",
        "put_first",
    ]:
        raise ValueError("the order is another")
    decided = [(rule[1] == "allow", ip_network(rule[2])) for rule in map(_parsed, lines)]
    if any(not network.prefixlen for _, network in decided):
        raise ValueError("ufw takes that for anywhere")

    def admits(address: IPAddress) -> bool:
        return next((allowed for allowed, network in decided if address in network), True)

    return admits


def _parsed(line: str) -> re.Match[str]:
    found = _RULE.fullmatch(line)
    if found is None:
        raise ValueError(line)
    return found


MODELS = {"ufw": rules}
