"""firewalld, worked with live: our policy and our sets in its permanent configuration, loaded at once.

Loading drops what others changed at run time only, and they may rest on it: where there is such a thing, nothing
is changed until it is kept or dropped by whoever made it. To go back is not refused for that. What firewalld keeps and
what it runs are read apart, and must be the same. Needs to speak to firewalld over the system's message bus, as root.
firewall-cmd waits a minute for the end of a loading: a set of a hundred thousand may take longer, and is undone then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.commands import Commands
from arrowslit.rollout.edges import read_set
from arrowslit.rollout.scripted import Ours
from arrowslit.targets.firewalld import members, mode_of, rich_rules, script
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place

_POLICY: Final = "arrowslit"
_KEPT: Final = ("--permanent",)
_PLACED: Final = {"priority": "-14000", "target": "CONTINUE", "ingress-zones": "ANY", "egress-zones": "HOST"}
"""What the compiled script makes of the policy."""

_FAMILIES: Final = (4, 6)
_SETS: Final = tuple(
    f"arrowslit-{mode}-{version}{next_}" for mode in ("only", "but") for version in _FAMILIES for next_ in ("", "-next")
)

Section = dict[str, list[str]]
"""Of a zone or a policy: what is said behind each word, rich rules a line each."""


@dataclass(frozen=True, slots=True)
class Firewalld:
    """firewalld of this machine."""

    commands: Commands = field(default_factory=Commands)
    name: str = "firewalld"

    def read(self) -> Ours | None:
        """All of ours, as it is kept; what runs, where that is another."""
        kept, runs = self._read(_KEPT), self._read(())
        return {**(kept or {"policy": {}, "rules": [], "sets": {}}), "runs": runs} if kept != runs else kept

    def wanted(self, rules: Rules, place: Place) -> Ours:
        """What should be there."""
        mode = mode_of(rules)
        sets = {
            f"arrowslit-{mode}-{version}": sorted(one for one in members(rules, version) if not one.startswith("#"))
            for version in _FAMILIES
        }
        return {"policy": _PLACED, "rules": sorted(rich_rules(rules, place)), "sets": sets}

    def make(self, ours: Ours | None) -> None:
        """Run the target's script."""
        if ours is None:
            self.commands.run("sh", "-s", "undo", given=script("only", {}, ()))
            return
        mode = "but" if any("-but-" in name for name in ours["sets"]) else "only"
        sets = {version: ours["sets"].get(f"arrowslit-{mode}-{version}", ()) for version in _FAMILIES}
        self.commands.run("sh", "-s", given=script(mode, sets, ours["rules"]))

    def listed(self, ours: Ours) -> AddressSet:
        """The addresses in the sets that its rules name."""
        names = [name for name in ours["sets"] if any(f'"{name}"' in rule for rule in ours["rules"])]
        return EMPTY.union(*(read_set(ours["sets"][name], f"the set {name}") for name in names))

    def holds(self, ours: Ours) -> bool:
        """Whether there are any rules."""
        return bool(ours["rules"])

    def others(self, there: Ours, wanted: Ours) -> Iterator[str]:
        """The rules, where the policy stands, and whether all of it runs."""
        if there["policy"] != wanted["policy"]:
            yield f"the policy {_POLICY} has another priority, or is between other zones"
        if there["rules"] != wanted["rules"]:
            yield f"the rules of the policy {_POLICY} are others"
        if "runs" in there:
            yield "firewalld runs others of our rules than it keeps: firewall-cmd --reload"

    def hindered(self, ports: Sequence[int]) -> Iterator[str]:  # noqa: ARG002  those before ours are not loaded so
        """What others changed at run time only."""
        for what in ("zones", "policies"):
            kept, runs = (_lines(self._all(what, *how)) for how in (_KEPT, ()))
            for line in sorted(kept ^ runs)[:1]:
                yield (
                    f"firewalld has something at run time only, which loading drops ({line}): keep it with firewall-cmd"
                    " --runtime-to-permanent, or drop it with firewall-cmd --reload"
                )

    def wide(self, ports: Sequence[int]) -> Iterator[str]:
        """What zones and policies of others accept or forward, where packets come to them."""
        default = self.commands.run("firewall-cmd", "--get-default-zone").strip()
        zones = self._all("zones")
        for name, zone in zones.items():
            # A zone of sources alone is for those.
            if name == default or zone.get("interfaces"):
                yield from self._accepted(f"zone {name}", zone, ports)
        for name, policy in self._all("policies").items():
            if name != _POLICY and policy.get("ingress-zones") and policy.get("egress-zones"):
                yield from self._accepted(f"policy {name}", policy, ports)

    def _accepted(self, where: str, section: Section, ports: Sequence[int]) -> Iterator[str]:
        for port in ports:
            for service in section.get("services", ()):
                if _holds(self._ports_of(service), port):
                    yield f"port {port} is accepted from anywhere (firewalld, {where}, service {service})"
            if _holds(section.get("ports", ()), port):
                yield f"port {port} is accepted from anywhere (firewalld, {where}, ports)"
            if section.get("target") == ["ACCEPT"]:
                yield f"every port is accepted from anywhere (firewalld, {where}, target)"
            for rule in section.get("forward-ports", ()):
                said = dict(part.partition("=")[::2] for part in rule.split(":", 3))
                if _holds([f"{said.get('port', '')}/{said.get('proto', '')}"], port):
                    to = said.get("toaddr") or f"port {said.get('toport')}"
                    yield f"port {port} is also forwarded to {to} (firewalld, {where}, forward-ports)"
            for rule in section.get("rich rules", ()):
                if self._rich(rule, port):
                    yield f"port {port} is accepted from anywhere (firewalld, {where}, rich rule {rule})"

    def _rich(self, rule: str, port: int) -> bool:
        """Whether a rich rule of others accepts or forwards the port from anywhere."""
        if " source " in rule or not re.search(r" accept\b| forward-port ", rule):
            return False
        service = re.search(r' service name="([^"]+)"', rule)
        said = re.search(r' (?:forward-)?port port="([^"]+)" protocol="([^"]+)"', rule)
        if service:
            return _holds(self._ports_of(service[1]), port)
        return _holds([f"{said[1]}/{said[2]}"], port) if said else False

    def _ports_of(self, service: str) -> list[str]:
        return self.commands.run("firewall-cmd", f"--service={service}", "--get-ports", "--permanent").split()

    def _all(self, what: str, *how: str) -> dict[str, Section]:
        return _sections(self.commands.run("firewall-cmd", *how, f"--list-all-{what}"))

    def _read(self, how: Sequence[str]) -> Ours | None:
        policy = self._all("policies", *how).get(_POLICY)
        names = [one for one in self.commands.run("firewall-cmd", *how, "--get-ipsets").split() if one in _SETS]
        if policy is None and not names:
            return None
        sets = {
            name: sorted(self.commands.run("firewall-cmd", *how, f"--ipset={name}", "--get-entries").split())
            for name in names
        }
        found = policy or {}
        placed = {word: " ".join(found.get(word, ())) for word in _PLACED} if policy is not None else {}
        return {"policy": placed, "rules": sorted(found.get("rich rules", ())), "sets": sets}


def _sections(text: str) -> dict[str, Section]:
    """What `--list-all-zones` and its like say, without what comes and goes by itself."""
    found: dict[str, Section] = {}
    section: Section = {}
    word = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            section = found.setdefault(line.split()[0], {})
        elif line.startswith("\t"):
            section.setdefault(word, []).append(line.strip())
        elif ":" in line:
            word, _, rest = line.strip().partition(":")
            section[word] = rest.split()
    return found


def _lines(sections: dict[str, Section]) -> set[str]:
    """All that can be kept; the interfaces of a zone are bound at run time, and stay bound."""
    return {
        f"{name}, {word}: {one}"
        for name, section in sections.items()
        if name != _POLICY
        for word, said in section.items()
        if word != "interfaces"
        for one in said
    }


def _holds(ports: Iterable[str], port: int) -> bool:
    for said in ports:
        first, _, last = said.partition("/")[0].partition("-")
        if said.endswith("/tcp") and first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return False
