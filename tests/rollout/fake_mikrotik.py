"""Recorded protocol: the REST API of RouterOS 7 as MikroTik's manual describes it.

Not a real router. It keeps raw rules, address lists and NAT rules, and says who gets through the raw table to port 25,
from its rules in their order: what is accepted or meets no rule gets through, a list that has no entry matches nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from arrowslit.mail.address_range import address_set, parse_range
from tests.rollout.api_server import Answer

Row = dict[str, str]

_OF_RULES = {
    "chain", "action", "protocol", "dst-port", "src-address-list", "src-address", "comment", "in-interface", "disabled",
    "in-interface-list", "dst-address", "dst-address-type", "to-addresses", "place-before", "log", "log-prefix",
}  # fmt: skip


@dataclass
class FakeMikrotik:
    raw: dict[str, list[Row]] = field(default_factory=lambda: {"ip": [], "ipv6": []})
    entries: dict[str, dict[str, Row]] = field(default_factory=lambda: {"ip": {}, "ipv6": {}})
    nat: list[Row] = field(default_factory=lambda: [{".id": "*1", "chain": "dstnat", "action": "dst-nat",
        "protocol": "tcp", "dst-port": "25", "to-addresses": "192.168.10.5", "in-interface-list": "WAN"}])  # fmt: skip
    interfaces: set[str] = field(default_factory=lambda: {"ether1"})
    _numbers: Any = field(default_factory=lambda: itertools.count(16))
    watch: Callable[[], None] = lambda: None
    """Called after every change."""

    def reaches(self, client: str) -> bool:
        family = "ipv6" if ":" in client else "ip"
        for rule in self.raw[family]:
            if rule.get("disabled") == "true" or self._invalid(rule) or not self._matches(family, rule, client):
                continue
            if rule["action"] in {"drop", "accept"}:
                return rule["action"] == "accept"
            rule["packets"] = str(int(rule["packets"]) + 1)
        return True

    def _matches(self, family: str, rule: Row, client: str) -> bool:
        ports = rule.get("dst-port", "25").split(",")
        name = rule.get("src-address-list", "")
        found = any(
            ip_address(client) in address_set([parse_range(one["address"])])
            for one in self.entries[family].values()
            if one["list"] == name.lstrip("!") and one.get("disabled") != "true"
        )
        return "25" in ports and (not name or found is not name.startswith("!"))

    def _invalid(self, rule: Row) -> bool:
        return rule.get("in-interface", "ether1") not in self.interfaces

    # --- the API ------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        parts = path.removeprefix("/rest/").split("/")
        if len(parts) < 3 or parts[1] != "firewall" or parts[0] not in self.raw:
            return 404, {"error": 404, "message": "Not Found"}
        family, menu, item = parts[0], parts[2], parts[3] if len(parts) > 3 else ""
        if menu not in {"address-list", "raw", "nat"}:
            return 400, {"error": 400, "message": "Bad Request", "detail": "no such command or directory"}
        if item and item not in self.entries[family] and not any(row[".id"] == item for row in self.raw[family]):
            return 404, {"error": 404, "message": "Not Found", "detail": "no such item"}
        if method == "GET":
            return 200, self._shown(self._rows(family, menu), query)
        made = self._changed(method, family, menu, item, body)
        self.watch()
        return made

    def _rows(self, family: str, menu: str) -> list[Row]:
        if menu == "address-list":
            return list(self.entries[family].values())
        return self.raw[family] if menu == "raw" else self.nat

    def _shown(self, rows: list[Row], query: dict[str, str]) -> list[Row]:
        wanted = query.get(".proplist", "").split(",") if ".proplist" in query else None
        asked = {key: value for key, value in query.items() if key != ".proplist"}
        found = [row for row in rows if all(row.get(key) == value for key, value in asked.items())]
        shown = [{**row, "invalid": "true" if self._invalid(row) else "false"} for row in found]
        return [row if wanted is None else {key: row[key] for key in wanted if key in row} for row in shown]

    def _changed(self, method: str, family: str, menu: str, item: str, body: Any) -> Answer:
        if body is not None and not all(isinstance(value, str) for value in body.values()):
            return 400, {"error": 400, "message": "Bad Request", "detail": "values are texts here"}
        if menu == "address-list":
            return self._entry(method, family, item, body)
        return self._rule(method, family, item, body)

    def _entry(self, method: str, family: str, item: str, body: Any) -> Answer:
        if method == "DELETE":
            del self.entries[family][item]
            return 204, None
        version = parse_range(body["address"]).first.version
        if version != (6 if family == "ipv6" else 4):
            return 400, {"error": 400, "message": "Bad Request", "detail": "invalid value for argument address"}
        row = {".id": self._id(), "dynamic": "false", "disabled": "false", **body}
        if family == "ipv6" and "/" not in row["address"]:
            row["address"] += "/128"
        self.entries[family][row[".id"]] = row
        return 201, row

    def _rule(self, method: str, family: str, item: str, body: Any) -> Answer:
        rules = self.raw[family]
        if body is not None and body.keys() - _OF_RULES:
            return 400, {"error": 400, "message": "Bad Request", "detail": "unknown parameter"}
        if method == "DELETE":
            rules[:] = [rule for rule in rules if rule[".id"] != item]
            return 204, None
        if method == "PATCH":
            row = next(rule for rule in rules if rule[".id"] == item)
            row.update(body)
            return 200, row
        before = body.pop("place-before", None)
        at = next((number for number, rule in enumerate(rules) if rule[".id"] == before), None)
        if before is not None and (at is None or rules[at].get("dynamic") == "true"):
            return 400, {"error": 400, "message": "Bad Request", "detail": "failure: can not move before that"}
        row = {".id": self._id(), "dynamic": "false", "disabled": "false", "packets": "0", "bytes": "0", **body}
        rules.insert(len(rules) if at is None else at, row)
        return 201, row

    def _id(self) -> str:
        return f"*{next(self._numbers):X}"
