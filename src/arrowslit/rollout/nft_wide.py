"""Others' rules in nftables that bring strangers to the mail port: accepted, forwarded or redirected there.

Only named, never removed: they may be right. A gate of ours stands before all of them on this machine; a forward that
another machine makes is not seen from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arrowslit.rollout.nft_program import Objects


def wide_rules(ruleset: Objects, own_table: str, ports: Sequence[int]) -> Iterator[str]:
    """A line for each rule outside of our table that mentions one of the ports and lets it in from anywhere."""
    for one in ruleset:
        rule = one.get("rule")
        if rule is None or rule["table"] == own_table:
            continue
        port = _port(rule["expr"], ports)
        does = "" if port is None else _does(rule["expr"])
        if does and not _narrowed(rule["expr"]):
            where = f"table {rule['family']} {rule['table']}, chain {rule['chain']}, handle {rule['handle']}"
            yield f"port {port} is {does} ({where})"


def _port(expressions: Sequence[Any], ports: Sequence[int]) -> int | None:
    for one in expressions:
        match = one.get("match") if isinstance(one, dict) else None
        if not match or _field(match["left"]) not in {("tcp", "dport"), ("th", "dport")} or match["op"] != "==":
            continue
        return next((port for port in ports if _holds(match["right"], port)), None)
    return None


def _field(left: Any) -> tuple[str, str]:
    payload = left.get("payload", {}) if isinstance(left, dict) else {}
    return payload.get("protocol", ""), payload.get("field", "")


def _holds(right: Any, port: int) -> bool:
    if isinstance(right, int):
        return right == port
    if isinstance(right, dict) and "range" in right:
        return bool(right["range"][0] <= port <= right["range"][1])
    return isinstance(right, dict) and any(_holds(one, port) for one in right.get("set", []))


def _does(expressions: Sequence[Any]) -> str:
    for one in expressions:
        if "accept" in one:
            return "accepted from anywhere"
        if "redirect" in one:
            return "redirected on this machine"
        if "dnat" in one:
            to = one["dnat"] or {}
            address = to.get("addr", "another port")
            return f"also forwarded to {address if isinstance(address, str) else 'a map of addresses'}"
    return ""


def _narrowed(expressions: Sequence[Any]) -> bool:
    """Whether it looks at who the client is."""
    return any(
        isinstance(one, dict) and one.get("match") and _field(one["match"]["left"])[1] == "saddr" for one in expressions
    )
