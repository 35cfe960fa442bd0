"""Networks and their changes as JSON and as lines. What sources said is escaped."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from arrowslit.cli.output import escaped
from arrowslit.cli.times import shown as _time

if TYPE_CHECKING:
    from arrowslit.networks.guards import Contents
    from arrowslit.policy.parts import Network
    from arrowslit.store.values import NetworkChange


def row_of(network: Network, contents: Contents, failure: NetworkChange | None) -> dict[str, Any]:
    """All of one network in the types that JSON has; `failure` is its last."""
    from arrowslit.networks.guards import texts  # noqa: PLC0415
    from arrowslit.upkeep.living import effective  # noqa: PLC0415

    ranges = list(effective(network, contents.accepted).ranges())
    return {
        "network": network.name,
        "ranges": len(ranges),
        "ipv4_addresses": sum(int(last) - int(first) + 1 for first, last in ranges if isinstance(first, IPv4Address)),
        "ipv6_networks_of_64_bits": sum(
            max(int(last) - int(first) + 1 >> 64, 1) for first, last in ranges if not isinstance(first, IPv4Address)
        ),
        "pinned": len(network.pinned),
        "sources": _sources(network, contents),
        "last_failure": None if failure is None else {"at": failure.at, "because": failure.because},
        "held": list(texts(contents.held)),
        "held_because": contents.held_because,
        "held_since": contents.held_since or None,
        "leaving": [{"since": one.since, "ranges": list(texts(one.addresses))} for one in contents.leaving],
        "warnings": list(contents.warnings),
    }


def _sources(network: Network, contents: Contents) -> list[dict[str, Any]]:
    """Each that the policy names, with what it gave last; one that was not asked yet has no time."""
    from arrowslit.networks.ask import described  # noqa: PLC0415
    from arrowslit.networks.guards import Source  # noqa: PLC0415

    names = ["names"] if network.names else []
    names += [f"spf:{domain}" for domain in network.spf]
    names += [name for name in ("file", "url", "service") if getattr(network, name)]
    known = contents.sources if contents.described == described(network) else {}
    found = {name: known.get(name, Source()) for name in names}
    return [
        {"source": name, "ranges": len(one.addresses), "at": one.at or None, "problem": one.problem}
        for name, one in found.items()
    ]


def row_text(row: dict[str, Any]) -> list[str]:
    """The lines of what `row_of` gives."""
    size = f"{row['ranges']} ranges, {row['pinned']} pinned, {row['ipv4_addresses']} addresses"
    if row["ipv6_networks_of_64_bits"]:
        size += f", {row['ipv6_networks_of_64_bits']} IPv6 networks of 64 bits"
    lines = [f"{row['network']:<16}  {size}"]
    for one in row["sources"]:
        at = "not asked yet" if one["at"] is None else _time(one["at"])
        state = f"{one['ranges']} ranges" + (f"; now: {escaped(one['problem'])}" if one["problem"] else "")
        lines.append(f"  {escaped(one['source']):<24}  {at:<19}  {state}")
    if row["last_failure"]:
        lines.append(f"  failed    {_time(row['last_failure']['at'])}  {escaped(row['last_failure']['because'])}")
    lines += [f"  warning   {escaped(warning)}" for warning in row["warnings"]]
    if row["held_because"]:
        lines.append(f"  held      {escaped(row['held_because'])}: {', '.join(row['held'])}")
        lines.append(f"            take it: arrowslit network accept {row['network']}")
    lines += [f"  leaving   since {_time(one['since'])}: {', '.join(one['ranges'])}" for one in row["leaving"]]
    return lines


def change_members(one: NetworkChange) -> dict[str, Any]:
    """One change in the types that JSON has."""
    return {
        "network": one.network,
        "at": one.at,
        "generation": one.generation,
        "kind": one.kind,
        "added": list(one.added),
        "removed": list(one.removed),
        "because": one.because,
    }


def change_text(one: NetworkChange) -> list[str]:
    """The lines of one change."""
    lines = [
        f"{_time(one.at)}  {one.network}  {one.kind}  generation {one.generation}  {escaped(one.because)}".rstrip()
    ]
    lines += [f"  + {escaped(text)}" for text in one.added]
    return lines + [f"  - {escaped(text)}" for text in one.removed]
