"""OPNsense's API (26.1 and later): aliases, the tables of pf, destination NAT and filter rules, states.

Sources: docs.opnsense.org, "Use the API", "Firewall", "Diagnostics"; the controllers of OPNsense/core for the form of
the answers. Traps that are taken care of here: `set_rule` makes a rule that is not there, so all that makes a rule what
it is goes with every change; `reconfigure` says "ok" also where another update of the tables kept it from loading, so
a table is read after it; lists come in pages of 9999.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout.edges import read_set
from arrowslit.rollout.point import RolloutError
from arrowslit.rollout.web_api import WebApi

_ALL: Final = {"current": 1, "rowCount": -1}
_MOST_STATES: Final = 100_000

_OF_FORWARD: Final = ("disabled", "interface", "ipprotocol", "protocol", "target", "local-port", "descr", "pass")
_OF_FILTER: Final = (
    "enabled", "action", "quick", "interface", "direction", "ipprotocol", "protocol", "source_port", "destination_net",
    "destination_not", "destination_port", "description",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Whom a rule is for: an alias, an address, "any" or nothing; `inverted` for everybody but those."""

    network: str
    inverted: bool

    @property
    def anybody(self) -> bool:
        """True where strangers are meant: everybody, or everybody but some."""
        return self.inverted or self.network in {"", "any"}


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """One rule of destination NAT (`forwards`) or of the filter, as far as it says who reaches a port."""

    uuid: str
    forwards: bool
    named: str
    enabled: bool
    interface: str
    protocol: str
    source: Source
    port: str
    to: str
    local_port: str
    passes: bool
    fields: dict[str, Any]

    @property
    def place(self) -> str:
        """Where an administrator finds it."""
        kind = "Destination NAT" if self.forwards else "Rules"
        return f'Firewall: {kind}, "{self.named}", {self.uuid}'


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias as the configuration has it; the table that pf has may be another."""

    uuid: str
    type: str
    enabled: bool
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """A connection that pf lets pass since it began."""

    id: str
    protocol: str
    source: str
    port: str
    translated: bool


@dataclass(slots=True)
class OpnsenseApi:
    """Calls by what they are for. Every one raises RolloutError."""

    web: WebApi

    def aliases(self, prefix: str) -> dict[str, Alias]:
        """The aliases whose name begins so."""
        rows = self._rows("/api/firewall/alias/search_item", {"searchPhrase": prefix})
        ids = [row["uuid"] for row in rows if _text(row, "name").startswith(prefix)]
        if not ids:
            return {}
        found = self.web.ask("GET", "/api/firewall/alias/export", query={"ids": ",".join(ids)})
        try:
            return {
                one["name"]: Alias(uuid, one["type"], one["enabled"] == "1", tuple(one["content"].split()))
                for uuid, one in found["aliases"]["alias"].items()
            }
        except (KeyError, TypeError, AttributeError):
            raise _strange("alias/export") from None

    def put_alias(self, name: str, prefixes: list[str], uuid: str | None) -> None:
        """Let the configuration have this alias with this content; `reconfigure` loads it."""
        alias = {
            "enabled": "1",
            "name": name,
            "type": "network",
            "content": "\n".join(prefixes),
            "description": "made by Arrowslit: changes here are lost",
        }
        path = "/api/firewall/alias/" + ("add_item" if uuid is None else f"set_item/{uuid}")
        self._saved(path, {"alias": alias})

    def delete_alias(self, uuid: str) -> None:
        """Remove an alias that no rule uses."""
        self.web.ask("POST", f"/api/firewall/alias/del_item/{uuid}", {})

    def reconfigure(self) -> None:
        """Load the aliases into pf; it may turn out that they were not."""
        self._ok("/api/firewall/alias/reconfigure")

    def table(self, name: str) -> AddressSet:
        """What pf has in a table."""
        rows = self._rows(f"/api/firewall/alias_util/list/{name}", {})
        return read_set([_text(row, "ip") for row in rows], f"the table {name}")

    def tables_with(self, address: str) -> set[str]:
        """The tables in which pf finds an address."""
        found = self.web.ask("POST", "/api/firewall/alias_util/find_references", {"ip": address})
        if not isinstance(found, dict) or found.get("status") != "ok" or not isinstance(found.get("matches"), list):
            raise _strange("alias_util/find_references")
        return {str(name) for name in found["matches"]}

    def rules(self) -> list[FirewallRule]:
        """All rules of destination NAT and of the filter, automatic ones too."""
        forwards = [_forward(row) for row in self._rows("/api/firewall/d_nat/search_rule", {})]
        return forwards + [_filter(row) for row in self._rows("/api/firewall/filter/search_rule", {})]

    def set_source(self, rule: FirewallRule, source: Source) -> None:
        """Let the configuration have another source for a rule; `reload` makes it hold."""
        inverted = "1" if source.inverted else "0"
        fields = dict(rule.fields)
        if rule.forwards:
            fields["source"] = {**fields["source"], "network": source.network, "not": inverted}
        else:
            fields |= {"source_net": source.network or "any", "source_not": inverted}
        self._saved(f"/api/firewall/{'d_nat' if rule.forwards else 'filter'}/set_rule/{rule.uuid}", {"rule": fields})

    def reload(self) -> None:
        """Let all rules of the configuration hold, in one load of pf."""
        self._ok("/api/firewall/filter/apply")

    def states(self, server: str) -> Iterator[State]:
        """Connections to an address."""
        asked = {"searchPhrase": server, "current": 1, "rowCount": _MOST_STATES}
        for row in self._rows("/api/diagnostics/firewall/query_states", asked):
            if _text(row, "dst_addr") == server:
                yield State(_text(row, "id"), _text(row, "proto"), _text(row, "src_addr"), _text(row, "dst_port"),
                            bool(row.get("nat_addr")))  # fmt: skip

    def end_state(self, state: State) -> None:
        """End a connection."""
        self.web.ask("POST", f"/api/diagnostics/firewall/del_state/{state.id}", {})

    # --- inside -------------------------------------------------------------------------------------------------

    def _rows(self, path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found = self.web.ask("POST", path, {**_ALL, **asked})
        rows = found.get("rows") if isinstance(found, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _strange(path.removeprefix("/api/"))
        total = found.get("total", len(rows))
        if isinstance(total, int) and total > len(rows):
            raise RolloutError(f"{path.removeprefix('/api/')} gave {len(rows)} of {total}")
        return rows

    def _saved(self, path: str, body: dict[str, Any]) -> None:
        found = self.web.ask("POST", path, body)
        if not isinstance(found, dict) or found.get("result") != "saved":
            says = found.get("validations") if isinstance(found, dict) else None
            words = "; ".join(str(one) for one in says.values())[:200] if isinstance(says, dict) else ""
            raise RolloutError(f"{path.removeprefix('/api/')}: it was not saved{': ' if words else ''}{words}")

    def _ok(self, path: str) -> None:
        found = self.web.ask("POST", path, {})
        if not isinstance(found, dict) or str(found.get("status")).strip().lower() != "ok":
            raise RolloutError(f"{path.removeprefix('/api/')}: it was not done")


def _forward(row: dict[str, Any]) -> FirewallRule:
    fields: dict[str, Any] = {name: _text(row, name) for name in _OF_FORWARD}
    for side in ("source", "destination"):
        fields[side] = {name: _text(row, f"{side}.{name}") for name in ("network", "port", "not")}
    return FirewallRule(
        _text(row, "uuid"),
        forwards=True,
        named=fields["descr"],
        enabled=fields["disabled"] != "1",
        interface=fields["interface"],
        protocol=fields["protocol"].lower(),
        source=Source(fields["source"]["network"], fields["source"]["not"] == "1"),
        port=fields["destination"]["port"],
        to=fields["target"],
        local_port=fields["local-port"],
        passes=_text(row, "nordr") != "1",
        fields=fields,
    )


def _filter(row: dict[str, Any]) -> FirewallRule:
    fields: dict[str, Any] = {name: _text(row, name) for name in _OF_FILTER}
    return FirewallRule(
        _text(row, "uuid"),
        forwards=False,
        named=fields["description"],
        enabled=fields["enabled"] == "1",
        interface=fields["interface"],
        protocol=fields["protocol"].lower(),
        source=Source(_text(row, "source_net"), _text(row, "source_not") == "1"),
        port=fields["destination_port"],
        to=fields["destination_net"],
        local_port=fields["destination_port"],
        passes=fields["action"] == "pass" and fields["direction"] != "out",
        fields=fields,
    )


def _text(row: dict[str, Any], name: str) -> str:
    """A member as text; flags are "1" and "0" everywhere, though some rows have them as true and false."""
    value = row.get(name, "")
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def _strange(what: str) -> RolloutError:
    return RolloutError(f"the answer of {what} can't be understood")
