"""OpenWrt 22.03 and later (fw4): a port forward to the mail server for listed clients, and refusals before all else.

Grants: connecting to the server behind the router. IPv4 is forwarded by a redirect that asks the set; a list of sources
in the redirect itself would make fw4 skip it. IPv6 is accepted by a rule. Before both, at the head of the section list,
stand rules that drop whoever may not: fw4 puts rules before it accepts what was translated, so that a wide redirect of
the router's own may stay. `--interface` names the firewall zone that strangers come in by, else it is "wan". In mode
"observe" there is nothing of ours: fw4 has no rule that only counts. The text is a shell script for the router;
it refuses to start where changes of others wait to be committed, since it could neither leave nor commit those alone.

Sources: OpenWrt's user guide, "Firewall configuration /etc/config/firewall" and "The UCI system"; fw4's own templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.targets.gaps import Term
from arrowslit.targets.observed import observed_or
from arrowslit.targets.outer import outer_interface
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import HASH, SHELL, about, prefixes

ZONE: Final = "wan"
_HALVES: Final = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}

_START: Final = """\
set -eu

[ -x /sbin/fw4 ] || { echo "this router has no fw4: OpenWrt 22.03 or later is needed" >&2; exit 1; }
if [ -n "$(uci changes firewall)" ]; then
	echo "changes to the firewall wait to be committed, see: uci changes firewall" >&2
	exit 1
fi
trap 'uci revert firewall' EXIT
uci show firewall | sed -n 's/^firewall\\.\\(arrowslit[a-z0-9_]*\\)=.*/\\1/p' | while read -r section; do
	uci delete "firewall.$section"
done
"""

_END: Final = """\
fw4 check
uci commit firewall
trap - EXIT
/etc/init.d/firewall reload
"""


def _write(rules: Rules, place: Place) -> Body:
    if not place.server:
        raise PlaceError("the mail server's address is not said: --server, once for IPv4 and once for IPv6")
    return Body(
        f"""{_START}
if [ "${{1:-}}" != undo ]; then
sed '/^#/d' <<'END' | uci batch
{"".join(_made(rules, place))}END
while read -r name; do
	fw4 print </dev/null | grep -qF "!fw4: $name\\"" || {{ echo "fw4 leaves this out: $name" >&2; exit 1; }}
done <<'END'
{"".join(f"{name}{chr(10)}" for name in _names(rules, place))}END
fi

{_END}""",
        apply=("scp FILE root@ROUTER:/tmp/arrowslit.sh && ssh root@ROUTER sh /tmp/arrowslit.sh",),
        check=(
            "uci show firewall | grep arrowslit",
            f"nft list chain inet fw4 dstnat_{_zone(place)}; nft list chain inet fw4 forward_{_zone(place)}",
        ),
        undo=("ssh root@ROUTER sh /tmp/arrowslit.sh undo",),
        notes=tuple(_notes(rules, place)),
    )


def _zone(place: Place) -> str:
    return outer_interface(place) or ZONE


def _of(place: Place, version: int) -> IPAddress | None:
    return next((one for one in place.server if one.version == version), None)


def _notes(rules: Rules, place: Place) -> Iterator[str]:
    yield f"strangers come in by the firewall zone {_zone(place)} (--interface)"
    wider = "a wider redirect or rule of the router's own may stay: these come before it, and undo returns to it"
    yield from observed_or(rules, wider)
    yield "reflection is off: computers inside reach the server by its inner address"
    for version, other in ((4, 6), (6, 4)):
        if _of(place, version) is None:
            yield f"no IPv{version} address of the server is said (--server): only IPv{other} is guarded"


def _made(rules: Rules, place: Place) -> Iterator[str]:
    if not rules.observes:
        yield from _sets(rules, place)
        yield from _ways(rules, place)


def _sets(rules: Rules, place: Place) -> Iterator[str]:
    for server in place.server:
        name = f"firewall.arrowslit{server.version}"
        yield f"set {name}=ipset\nset {name}.name='arrowslit{server.version}'\n"
        yield f"set {name}.family='ipv{server.version}'\nadd_list {name}.match='src_net'\n"
        for source in rules.connect.sources:
            networks = prefixes(source.addresses, server.version)
            own = [half for one in networks for half in _HALVES.get(one, (one,))]
            if own:
                yield HASH.line(about(source))
                yield from (f"add_list {name}.entry='{one}'\n" for one in own)


def _ways(rules: Rules, place: Place) -> Iterator[str]:
    """What lets in, then what refuses: each is put at the head of all sections, so that the refusals end up first."""
    may, may_not = ("", "!") if rules.connect.only_listed else ("!", "")
    for server in place.server:
        if server.version == 4:
            for port in place.ports:
                yield from _redirect(server, port, may, place)
        else:
            yield from _rule("accept", server, may, place)
    for server in place.server:
        yield from _rule("drop", server, may_not, place)


def _redirect(server: IPAddress, port: int, may: str, place: Place) -> Iterator[str]:
    options = {
        "name": f"Arrowslit forward {port}",
        "target": "DNAT",
        "src": _zone(place),
        "proto": "tcp",
        "src_dport": str(port),
        "dest_ip": str(server),
        "dest_port": str(port),
        "ipset": f"{may}arrowslit4",
        "reflection": "0",
    }
    yield from _section(f"arrowslit_forward{port}", "redirect", options)


def _rule(verdict: str, server: IPAddress, who: str, place: Place) -> Iterator[str]:
    """To any zone: what matters is the server's address, which a packet has by then, translated or not."""
    options = {
        "name": f"Arrowslit {verdict} IPv{server.version}",
        "target": verdict.upper(),
        "src": _zone(place),
        "dest": "*",
        "family": f"ipv{server.version}",
        "proto": "tcp",
        "dest_ip": str(server),
        "dest_port": " ".join(map(str, place.ports)),
        "ipset": f"{who}arrowslit{server.version}",
    }
    yield from _section(f"arrowslit_{verdict}{server.version}", "rule", options)


def _section(name: str, kind: str, options: dict[str, str]) -> Iterator[str]:
    yield f"set firewall.{name}={kind}\n"
    yield from (f"set firewall.{name}.{option}='{value}'\n" for option, value in options.items())
    yield f"reorder firewall.{name}=0\n"


def _names(rules: Rules, place: Place) -> list[str]:
    """What fw4 calls its rules; of a section that it can't make sense of it only warns."""
    made = "" if rules.observes else "".join(_ways(rules, place))
    return [line.split("'")[1] for line in made.splitlines() if ".name=" in line]


OPENWRT: Final = Target(
    "openwrt", "an OpenWrt router with the mail server behind it", CONNECT, frozenset({Term.IPV6}), SHELL, "sh", _write
)
