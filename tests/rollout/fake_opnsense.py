"""Recorded protocol: OPNsense's API as its documentation and its controllers (OPNsense/core, 26.7) describe it.

Not a real OPNsense. It keeps a configuration and, apart from that, what pf has loaded, and says who reaches the mail
server by what is *loaded*. Written for the parts that the live enforcement point uses, strictly: whatever else is asked
is an error.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import EMPTY, AddressSet
from tests.rollout.api_server import Answer

SERVER4, SERVER6 = "192.168.10.5", "2001:db8:10::5"
FORWARD, PASS6, WEB = (f"{n:08d}-0000-4000-8000-000000000000" for n in (1, 2, 3))

Row = dict[str, Any]


def forward(**more: str) -> Row:
    base = {"disabled": "0", "nordr": "0", "interface": "wan", "ipprotocol": "inet", "protocol": "tcp",
            "source.network": "any", "source.port": "", "source.not": "0", "destination.network": "wanip",
            "destination.port": "25", "destination.not": "0", "target": SERVER4, "local-port": "25", "descr": "SMTP",
            "pass": "pass", "sequence": "100"}  # fmt: skip
    return {**base, **more}


def passing(**more: str) -> Row:
    base = {"enabled": "1", "action": "pass", "quick": "1", "interface": "wan", "direction": "in",
            "ipprotocol": "inet6", "protocol": "TCP", "source_net": "any", "source_not": "0", "source_port": "",
            "destination_net": SERVER6, "destination_not": "0", "destination_port": "25", "description": "SMTP",
            "sequence": "100"}  # fmt: skip
    return {**base, **more}


@dataclass
class FakeOpnsense:
    aliases: dict[str, Row] = field(default_factory=dict)
    forwards: dict[str, Row] = field(default_factory=lambda: {FORWARD: forward(), WEB: forward(
        **{"destination.port": "443", "local-port": "443", "descr": "web"})})  # fmt: skip
    filters: dict[str, Row] = field(default_factory=lambda: {PASS6: passing()})
    tables: dict[str, AddressSet] = field(default_factory=dict)
    loaded: dict[str, list[Row]] = field(default_factory=dict)
    states: list[Row] = field(default_factory=list)
    busy: int = 0
    """So many reconfigures that say "ok" and load nothing, as another update of the tables is under way."""
    full: bool = False
    page: int = 9999
    _numbers: Any = field(default_factory=lambda: itertools.count(100))

    def __post_init__(self) -> None:
        self._load_rules()

    # --- what packets see ---------------------------------------------------------------------------------------

    def reaches(self, client: str) -> bool:
        """Whether a client reaches the mail server's port 25 by what pf has loaded."""
        if ":" in client:
            return any(
                row["enabled"] == "1" and row["action"] == "pass" and row["destination_port"] in {"25", ""}
                and self._matches(client, row["source_net"], row["source_not"])
                for row in self.loaded["filters"]
            )  # fmt: skip
        return any(
            row["disabled"] == "0" and row["target"] and row["destination.port"] == "25"
            and self._matches(client, row["source.network"], row["source.not"])
            for row in self.loaded["forwards"]
        )  # fmt: skip

    def _matches(self, client: str, network: str, inverted: str) -> bool:
        if network in {"", "any"}:
            found = True
        elif network in self.tables or network in {one["name"] for one in self.aliases.values()}:
            found = ip_address(client) in self.tables.get(network, EMPTY)
        else:
            found = ip_address(client) in address_set([parse_range(network)])
        return found is (inverted != "1")

    def _load_rules(self) -> None:
        names = {one["name"] for one in self.aliases.values()}
        for name in names:
            self.tables.setdefault(name, EMPTY)
        self.loaded = {
            "forwards": [dict(row) for row in self.forwards.values()],
            "filters": [dict(row) for row in self.filters.values()],
        }

    def _load_tables(self) -> None:
        for one in self.aliases.values():
            self.tables[one["name"]] = address_set(map(parse_range, one["content"].split()))
        for name in self.tables.keys() - {one["name"] for one in self.aliases.values()}:
            del self.tables[name]

    # --- the API ------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        module, _, rest = path.removeprefix("/api/").partition("/")
        controller, _, rest = rest.partition("/")
        verb, _, argument = rest.partition("/")
        found = getattr(self, f"_{controller}_{verb}", None)
        if module not in {"firewall", "diagnostics"} or found is None:
            return 404, {"errorMessage": "Endpoint not found"}
        if method == "GET" and verb != "export":
            return 200, {"status": "failed", "result": "failed"}
        made: Answer = found(argument, query if method == "GET" else body)
        return made

    def _alias_search_item(self, _: str, asked: Row) -> Answer:
        rows = [{"uuid": uuid, **one} for uuid, one in self.aliases.items() if asked["searchPhrase"] in str(one)]
        return self._rows(rows, asked)

    def _alias_export(self, _: str, asked: Row) -> Answer:
        ids = asked["ids"].split(",")
        return 200, {"aliases": {"alias": {uuid: one for uuid, one in self.aliases.items() if uuid in ids}}}

    def _alias_add_item(self, _: str, asked: Row) -> Answer:
        return self._put_alias(self._uuid(), asked)

    def _alias_set_item(self, uuid: str, asked: Row) -> Answer:
        return self._put_alias(uuid, asked)

    def _alias_import(self, _: str, asked: Row) -> Answer:
        """AliasController::importAction: by name, made where it is not there; all of them or none."""
        kept, status = dict(self.aliases), {"existing": 0, "new": 0, "status": "ok"}
        for alias in asked["data"]["aliases"]["alias"].values():
            known = next((uuid for uuid, one in self.aliases.items() if one["name"] == alias["name"]), None)
            status["new" if known is None else "existing"] += 1
            _, said = self._put_alias(known or self._uuid(), {"alias": alias})
            if said["result"] != "saved":
                self.aliases = kept
                return 200, {**status, "status": "failed", "validations": said["validations"]}
        return 200, status

    def _put_alias(self, uuid: str, asked: Row) -> Answer:
        alias = {**self.aliases.get(uuid, {}), **asked["alias"]}
        taken = any(one["name"] == alias["name"] and other != uuid for other, one in self.aliases.items())
        wrong = [line for line in alias["content"].split("\n") if line and not _network(line)]
        if taken or wrong or len(alias["name"]) > 31:
            return 200, {"result": "failed", "validations": {"alias.content": f'Entry "{wrong}" is not a network.'}}
        self.aliases[uuid] = alias
        return 200, {"result": "saved", "uuid": uuid}

    def _alias_del_item(self, uuid: str, _: Any) -> Answer:
        name = self.aliases[uuid]["name"] if uuid in self.aliases else ""
        if name in {row["source.network"] for row in self.forwards.values()} | {
            row["source_net"] for row in self.filters.values()
        }:
            return 500, {"errorMessage": f"Cannot delete alias {name}.", "errorTitle": "Alias in use"}
        return 200, {"result": "deleted" if self.aliases.pop(uuid, None) else "not found"}

    def _alias_reconfigure(self, *_: Any) -> Answer:
        self._load_rules()
        if self.full:
            return 500, {"errorMessage": "Error loading alias: Cannot allocate memory.", "errorTitle": "Alias"}
        if self.busy:
            self.busy -= 1
        else:
            self._load_tables()
        return 200, {"status": "ok"}

    def _alias_util_list(self, name: str, asked: Row) -> Answer:
        rows = [{"ip": str(one)} for one in self.tables.get(name, EMPTY).cidrs()]
        rows = [{"ip": row["ip"].removesuffix("/32").removesuffix("/128")} for row in rows]
        return self._rows(rows, asked)

    def _alias_util_find_references(self, _: str, asked: Row) -> Answer:
        found = [name for name, table in self.tables.items() if ip_address(asked["ip"]) in table]
        return 200, {"status": "ok", "matches": found}

    def _d_nat_search_rule(self, _: str, asked: Row) -> Answer:
        return self._rows([{"uuid": uuid, "%interface": "WAN", **row} for uuid, row in self.forwards.items()], asked)

    def _d_nat_set_rule(self, uuid: str, asked: Row) -> Answer:
        flat = {key: value for key, value in asked["rule"].items() if not isinstance(value, dict)}
        for side in ("source", "destination"):
            flat |= {f"{side}.{key}": value for key, value in asked["rule"].get(side, {}).items()}
        return self._put(self.forwards, uuid, flat, flat.get("source.network", "any"))

    def _filter_search_rule(self, _: str, asked: Row) -> Answer:
        automatic = {"uuid": "aa", "enabled": "1", "action": "pass", "interface": "lan", "source_net": "lan",
                     "source_not": False, "direction": "in", "description": "anti-lockout rule"}  # fmt: skip
        rows = [{"uuid": uuid, **row} for uuid, row in self.filters.items()]
        return self._rows([*rows, automatic], asked)

    def _filter_set_rule(self, uuid: str, asked: Row) -> Answer:
        return self._put(self.filters, uuid, asked["rule"], asked["rule"].get("source_net", "any"))

    def _put(self, rules: dict[str, Row], uuid: str, row: Row, source: str) -> Answer:
        known = {one["name"] for one in self.aliases.values()} | {"", "any", "wan", "lan"}
        if source not in known and not _network(source):
            return 200, {"result": "failed", "validations": {"rule.source": f"{source} is not a valid source"}}
        defaults = passing(ipprotocol="inet", destination_net="any", destination_port="", description="")
        missing = defaults if rules is self.filters else {"target": "", "disabled": "0", "destination.port": ""}
        rules[uuid] = {**rules.get(uuid, missing), **row}  # a rule that is not there is made
        return 200, {"result": "saved"}

    def _filter_apply(self, *_: Any) -> Answer:
        self._load_rules()
        return 200, {"status": "OK\n\n"}

    def _firewall_query_states(self, _: str, asked: Row) -> Answer:
        rows = [row for row in self.states if asked["searchPhrase"] in str(row)]
        return 200, {"rows": rows, "rowCount": len(rows), "total": len(rows), "current": 1}

    def _firewall_del_state(self, argument: str, _: Any) -> Answer:
        self.states = [row for row in self.states if row["id"] != argument]
        return 200, {"result": "killed 1 states"}

    def _rows(self, rows: list[Row], asked: Row) -> Answer:
        size = asked.get("rowCount", self.page)
        shown = rows if size == -1 else rows[:size]
        return 200, {"total": len(rows), "rowCount": len(shown), "current": 1, "rows": shown}

    def _uuid(self) -> str:
        return f"{next(self._numbers):08d}-0000-4000-8000-000000000000"


def _network(text: str) -> bool:
    try:
        return bool(parse_range(text))
    except ValueError:
        return False


def state(client: str, server: str = SERVER4, port: str = "25", number: int = 1, translated: bool = True) -> Row:
    """A connection as pf has it after its address was translated."""
    return {"id": f"{number:016x}/beef", "proto": "tcp", "direction": "in", "src_addr": client, "src_port": "50001",
            "dst_addr": server, "dst_port": port, "nat_addr": "203.0.113.1" if translated else None,
            "state": "ESTABLISHED:ESTABLISHED"}  # fmt: skip
