"""HAProxy in front of the mail server, in TCP mode: a file of its own beside the configuration that is there.

Grants: connecting; a refused client's connection is taken and closed at once, before it hears anything. Terms: both
families, and `observe`, where a table in memory remembers who would have been refused. It never decides on delivering
or relaying: for that the server behind must see the client, which is what the PROXY header is for.

Each family has a frontend of its own, with patterns of that family alone: HAProxy takes an IPv6 client whose address
holds an IPv4 address (mapped, or 2002::/16 of 6to4) for that IPv4 client, and an IPv4 client for an IPv6 one where a
pattern is as wide as ::/0. Sources: HAProxy's Configuration Manual, 4.2 (tcp-request connection, stick-table), 5.1
(v6only), 5.2 (send-proxy-v2), 7.1 (ACL), 7.3.3 (src), and its Management Guide, 3 (several -f).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.fronts import SILENCE, notes, server_behind
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules, Source
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, about, prefixes

PATTERNS: Final = 8
"""Addresses in one line: HAProxy takes 64 words and 2048 characters there, and looks at the lines one by one."""


def _write(rules: Rules, place: Place) -> Body:
    server = server_behind(place)
    shown = f"[{server}]" if server.version == 6 else str(server)
    return Body(
        f"""{"".join(_frontend(rules, place, 4))}
{"".join(_frontend(rules, place, 6))}
backend arrowslit
	mode tcp
	timeout connect 30s
	timeout server {SILENCE}
	server mail {shown} send-proxy-v2
""",
        apply=(
            "haproxy -c -f /etc/haproxy/haproxy.cfg -f FILE",
            "the first time: remove the frontend that has the port now, add -f FILE to HAProxy's command line (Debian: "
            "EXTRAOPTS in /etc/default/haproxy, beside what stands there), systemctl restart haproxy",
            "later: keep FILE as FILE.before, replace it, systemctl reload haproxy",
        ),
        check=(
            f"grep -nE 'bind.*:({'|'.join(map(str, place.ports))})([^0-9]|$)' -r /etc/haproxy FILE",
            *(_seen() if rules.server.mode == OBSERVE else ()),
        ),
        undo=("put FILE.before back, or take -f FILE and put the old frontend back; then check and restart as above",),
        notes=(
            *notes(server, "version 2"),
            "a second bind on the same port, in any file, gets part of the connections: strangers get in by it",
            "on a machine without IPv6, take the frontend arrowslit6 out",
        ),
    )


def _seen() -> tuple[str, ...]:
    """HAProxy's own socket shows the tables."""
    return tuple(
        f"echo 'show table arrowslit{version}' | socat - UNIX-CONNECT:/run/haproxy/admin.sock" for version in (4, 6)
    )


def _frontend(rules: Rules, place: Place, version: int) -> Iterator[str]:
    yield f"frontend arrowslit{version}\n\tmode tcp\n\ttimeout client {SILENCE}\n"
    for port in place.ports:
        yield f"\tbind 0.0.0.0:{port}\n" if version == 4 else f"\tbind [::]:{port} v6only\n"
    patterns = list(_patterns(rules.connect.sources, version))
    yield from patterns
    # A name that no line defines can't stand in a rule, so a family without addresses has a rule without a name.
    listed = " unless listed" if rules.connect.only_listed else " if listed"
    condition = listed if patterns else ""
    if patterns or rules.connect.only_listed:
        if rules.server.mode == OBSERVE:
            kind = "ip" if version == 4 else "ipv6"
            yield f"\tstick-table type {kind} size 100k expire 7d store conn_cnt\n"
            yield f"\ttcp-request connection track-sc0 src{condition}\n"
        else:
            yield f"\ttcp-request connection reject{condition}\n"
    yield "\tdefault_backend arrowslit\n"


def _patterns(sources: tuple[Source, ...], version: int) -> Iterator[str]:
    for source in sources:
        own = list(prefixes(source.addresses, version))
        if own:
            yield f"\t{HASH.line(about(source))}"
        for start in range(0, len(own), PATTERNS):
            yield f"\tacl listed src {' '.join(own[start : start + PATTERNS])}\n"


HAPROXY: Final = Target(
    "haproxy",
    "HAProxy in front of the mail server",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "cfg",
    _write,
)
