"""What a mapping does, in one sentence with its place. The router's texts stay as they are: escape what is shown."""

from __future__ import annotations

from collections.abc import Sequence

from arrowslit.rollout.mappings.audit import Router
from arrowslit.rollout.mappings.reading import Mapping

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def what(router: Router, mapping: Mapping, ports: Sequence[int]) -> str:
    """`port 25 is also forwarded to 192.168.1.9`."""
    to = mapping.to + (" (this machine)" if mapping.to == str(router.own) else "")
    if mapping.port == 0:
        return f"every port that is not forwarded otherwise is forwarded to {to}"
    if mapping.port not in ports:
        return f"port {mapping.port} is forwarded to port {mapping.to_port} of {to}"
    return f"port {mapping.port} is also forwarded to {_behind(mapping)}{to}"


def place(router: Router, mapping: Mapping) -> str:
    """By which router and for whom it says so, for how long, and under which name."""
    # A remote host in a list is what somebody asked for, not what the router enforces.
    who = f"for {mapping.remote_host} only, which many routers don't enforce" if mapping.key[2] else "for anybody"
    words = [mapping.protocol, who, _lasts(mapping.lease), f'named "{mapping.description}"']
    if not mapping.enabled:
        words.append("switched off")
    return f"router {router.address}: {', '.join(words)}"


def sentence(router: Router, mapping: Mapping, ports: Sequence[int]) -> str:
    """Both, as an enforcement point tells wide rules."""
    return f"{what(router, mapping, ports)} ({place(router, mapping)})"


def _behind(mapping: Mapping) -> str:
    return "" if mapping.to_port == mapping.port else f"port {mapping.to_port} of "


def _lasts(lease: int | None) -> str:
    if lease is None:
        return "until somebody deletes it"
    size, unit = next(one for one in _UNITS if lease >= one[0])
    return f"for {lease // size} {unit}"
