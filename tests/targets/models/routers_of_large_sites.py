"""Junos filters, pf and PAN-OS rules. No checker of theirs can be had here: these models are all there is, but that
texts of another generator are read with the same ones (`test_aerleon`).

Junos (Firewall Filters User Guide): terms in order, the first whose conditions all hold decides, the end refuses; in a
list of addresses the longest prefix that matches decides, and `except` makes it no match. pf.conf(5): `quick` ends, the
last other match decides, an empty table has nobody in it. PAN-OS: rules from the top, the first match decides.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

Net = IPv4Network | IPv6Network
Tree = dict[str, Any]


def tree_of(text: str) -> Tree:
    """Junos text as a tree: a statement's words are the key, its block or None the value."""
    text = re.sub(r"(?m)^\s*#.*$", "", re.sub(r"(?s)/\*.*?\*/", "", text))
    root: Tree = {}
    stack, words = [root], ""
    for part in re.split(r"([{};])", text):
        if part in {"{", ";"}:
            key = " ".join(words.split())
            if part == "{":
                stack.append(stack[-1].setdefault(key, {}))
            else:
                stack[-1][key] = None
        elif part == "}":
            stack.pop()
        words = part if part not in {"{", "}", ";"} else ""
    if len(stack) != 1 or words.strip():
        raise ValueError("unbalanced")
    return root


class Filter:
    """One filter of one family."""

    def __init__(self, version: int, said: Tree) -> None:
        self.version, self.terms = version, [_term(version, said[name]) for name in said if name.startswith("term ")]
        others = [name for name in said if not name.startswith("term ") and name != "interface-specific"]
        if others:
            raise ValueError(str(others))

    def admits(self, address: IPAddress) -> bool:
        """Whether a connection to port 25 passes."""
        return next((verdict for matches, verdict in self.terms if matches(address)), False)


def _term(version: int, said: Tree) -> tuple[Admits, bool]:
    conditions = dict(said.get("from", {}))
    listed = conditions.pop("source-address", None)
    ports = [one for one in conditions if re.fullmatch(r"destination-port (\[ )?25( \])?", one)]
    for one in [*ports, "protocol tcp" if version == 4 else "next-header tcp"]:
        if conditions and one in conditions:
            conditions.pop(one)
    if conditions:
        raise ValueError(str(conditions))
    nets = [] if listed is None else [_condition(version, one) for one in listed]

    def matches(address: IPAddress) -> bool:
        if listed is None:
            return True
        found = [(net.prefixlen, counts) for net, counts in nets if address in net]
        return bool(found) and max(found)[1]

    then = said["then"] if "then" in said else {key.removeprefix("then "): None for key in said if key[:5] == "then "}
    (action,) = {"accept", "discard", "reject"} & set(then)
    return matches, action == "accept"


def _condition(version: int, said: str) -> tuple[Net, bool]:
    net = ip_network(said.removesuffix(" except"))
    if net.version != version:
        raise ValueError(said)
    return net, not said.endswith(" except")


def filters_of(tree: Tree) -> dict[int, Filter]:
    """The filter of each family."""
    found = {}
    for version, family in ((4, "family inet"), (6, "family inet6")):
        filters = tree["firewall"].get(family, {})
        for name, said in filters.items():
            if not re.fullmatch(r"replace: filter \S+", name):
                raise ValueError(name)
            found[version] = Filter(version, said)
    return found


def juniper(text: str) -> Admits:
    tree = tree_of(text)
    families = tree["interfaces"]["wan0"]["unit 0"]
    filters = filters_of(tree)
    for version, family in ((4, "family inet"), (6, "family inet6")):
        if families[family] != {"filter": {f"input-list arrowslit{version}": None}} or version not in filters:
            raise ValueError("not attached")
    return lambda address: filters[address.version].admits(address)


PF_RULE = re.compile(
    r"(block drop|match|pass|block)( in)?( log)?( quick)?( on wan0)?( inet6?)? proto (?:tcp|\{ tcp \})"
    r" from (!?) ?(?:\{ )?(any|<\w+>)(?: \})? to (?:any|\{ any \}) port (?:25|\{ 25 \})( flags \S+)?( keep state)?"
)


def pf(text: str) -> Admits:
    text = re.sub(r"(?m)#.*$", "", text).replace("\\\n", "")
    tables: dict[str, list[Net]] = {}

    def table(found: re.Match[str]) -> str:
        tables[found[1]] = [ip_network(one) for one in re.split(r"[\s,]+", found[2] or "") if one]
        return ""

    rest = re.sub(r"table (<\w+>)(?: persist)?(?: ?\{(.*?)\})?\n", table, text, flags=re.S)
    rules = []
    for line in filter(None, map(str.strip, rest.splitlines())):
        said = PF_RULE.fullmatch(line)
        if said is None:
            raise ValueError(line)
        rules.append(said)

    def admits(address: IPAddress) -> bool:
        verdict = True
        for said in rules:
            action, quick, family, negated, whom = said[1], said[4], said[6], said[7], said[8]
            if family and address.version != (6 if "6" in family else 4):
                continue
            listed = whom == "any" or any(address in net for net in tables[whom])
            if listed is bool(negated) or action == "match":
                continue
            verdict = action == "pass"
            if quick:
                break
        return verdict

    return admits


SERVERS = {4: "192.168.0.5", 6: "2001:db8:5::5"}


def paloalto(text: str) -> Admits:
    rules: dict[str, dict[str, list[str]]] = {}
    order: list[str] = []
    services: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match line.split():
            case ["delete", "rulebase", "security", "rules", name]:
                if name in rules:
                    raise ValueError(line)
            case ["set", "service", name, "protocol", "tcp", "port", ports]:
                services[name] = ports
            case ["set", "rulebase", "security", "rules", name, *words]:
                rule = rules.setdefault(name, {})
                _fields(rule, words)
                if name not in order:
                    order.append(name)
            case ["move", "rulebase", "security", "rules", name, "top"]:
                order.remove(name)
                order.insert(0, name)
            case _:
                raise ValueError(line)
    for rule in rules.values():
        if set(rule) != {"from", "to", "source", "destination", "application", "service", "action"}:
            raise ValueError(f"a rule that does not commit: {rule}")
        if services[rule["service"][0]] != "25" or rule["application"] != ["any"] or rule["to"] != ["any"]:
            raise ValueError(str(rule))

    if not rules:
        return lambda _: True  # nothing is touched: it is as open as it was

    def admits(address: IPAddress) -> bool:
        for name in order:
            rule = rules[name]
            if ip_address(SERVERS[address.version]) not in map(ip_address, rule["destination"]):
                continue
            if rule["source"] == ["any"] or any(address in ip_network(one) for one in rule["source"]):
                return rule["action"] == ["allow"]
        raise ValueError("no rule is about this server")

    return admits


FIELDS = {"from", "to", "source", "destination", "application", "service", "action"}


def _fields(rule: dict[str, list[str]], words: list[str]) -> None:
    name = ""
    for word in words:
        if word in FIELDS:
            name = word
        elif word not in {"[", "]"}:
            rule.setdefault(name, []).append(word)


MODELS = {"juniper": juniper, "pf": pf, "paloalto": paloalto}
