"""The policy that most tests of a gateway need: one next hop on loopback, one client that may connect."""

from __future__ import annotations


def loopback(
    port: int,
    *,
    client: str = "127.0.0.1",
    mode: str = "enforce",
    next_hop: str = 'tls = "off"',
    server: str = "",
    more: str = "",
) -> str:
    """Mail for example.org goes to 127.0.0.1:`port`; `next_hop`, `server` and `more` are further lines."""
    return f"""\
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{port}"
{next_hop}
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
mode = "{mode}"
{server}
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "{client}" }} ]
{more}"""
