"""HAProxy's frontends (Configuration Manual 4.2, 7.1) and nginx's stream server (ngx_stream_access_module).

Of HAProxy one frontend listens to each family; in it the first tcp-request rule whose condition holds decides, lines of
one ACL name add up, and the end lets in. A pattern that would match the other family is an error here: a frontend of
IPv6 must not name IPv4 (HAProxy looks into mapped and 6to4 addresses). nginx tries allow and deny in order, and lets in
whom none of them names.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

BINDS = {"0.0.0.0:25": 4, "[::]:25 v6only": 6}


def haproxy(text: str) -> Admits:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in re.sub(r"(?m)^\s*#.*$", "", text).splitlines():
        if line and not line[0].isspace():
            lines = sections.setdefault(line, [])
        elif line.strip():
            lines.append(" ".join(line.split()))
    gates = {}
    for name, lines in sections.items():
        if name == "backend arrowslit":
            if not any(re.fullmatch(r"server mail \S+ send-proxy-v2", line) for line in lines):
                raise ValueError("nothing behind")
            continue
        version, gate = _frontend(name, lines)
        gates[version] = gate
    if set(gates) != {4, 6}:
        raise ValueError(f"frontends of {sorted(gates)}")
    return lambda address: gates[address.version](address)


def _frontend(name: str, lines: list[str]) -> tuple[int, Admits]:
    (version,) = [BINDS[line.removeprefix("bind ")] for line in lines if line.startswith("bind ")]
    listed = [ip_network(one) for line in lines if line.startswith("acl listed src ") for one in line.split()[3:]]
    if any(one.version != version for one in listed):
        raise ValueError(f"{name} has patterns of the other family")
    rules = [line.removeprefix("tcp-request connection ") for line in lines if line.startswith("tcp-request")]
    for line in lines:
        if len(line) > 2000 or len(line.split()) > 60:
            raise ValueError("a line that is too long")
        if not line.startswith(("bind ", "acl ", "tcp-request ", "mode tcp", "timeout client ", "default_", "stick-")):
            raise ValueError(line)

    def admits(address: IPAddress) -> bool:
        is_listed = any(address in one for one in listed)
        for rule in rules:
            action, _, condition = rule.partition(" unless " if " unless " in rule else " if ")
            if condition and (condition != "listed" or not listed):
                raise ValueError(rule)
            holds = not condition or is_listed is (" if " in rule)
            if action == "reject" and holds:
                return False
            if action not in {"reject", "track-sc0 src"}:
                raise ValueError(rule)
        return True

    return version, admits


def nginx(text: str) -> Admits:
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    (server,) = re.findall(r"(?ms)^server \{(.*?)^\}", text)
    said = [one.strip() for one in server.split(";") if one.strip()]
    rest = [one for one in said if not re.fullmatch(r"proxy_timeout \S+|access_log \S+ arrowslit if=\$\w+", one)]
    for needed in ("listen 25", "listen [::]:25 ipv6only=on", "proxy_protocol on"):
        rest.remove(needed)
    rest = [one for one in rest if not re.fullmatch(r"proxy_pass \S+:\$server_port", one)]
    rules = [(verb, rule) for verb, rule in (one.split() for one in rest)]
    if any(verb not in {"allow", "deny"} for verb, _ in rules):
        raise ValueError(server)
    nets = [(verb == "allow", None if rule == "all" else ip_network(rule)) for verb, rule in rules]

    def admits(address: IPAddress) -> bool:
        return next((verdict for verdict, net in nets if net is None or address in net), True)

    return admits


MODELS = {"haproxy": haproxy, "nginx": nginx}
