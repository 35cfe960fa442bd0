"""iptables and ipset: a gate for what reaches the host itself, and one for the published ports of Docker.

Grants: connecting. `iptables` guards INPUT, so ports that are forwarded or published by containers pass it by;
`iptables-docker` guards these too, and what Docker's own proxy takes for a container. The text is a shell script. It
fills sets of its own beside those in use and swaps them in, replaces its chains in one transaction a family, and jumps
to them once, so that it can be repeated and is never half there. Each mode of a list has sets of its own: were they
shared, those refused until now would for a moment be those let in. A set may be empty, and then nobody is in it.
What a container sends out is not touched. It never removes a rule of others, and never accepts in place of one.

Sources: ipset(8), sections on swap, restore and hash:net; iptables(8); iptables-restore(8); iptables-extensions(8),
conntrack and set; Docker's manual, "Packet filtering and firewalls" and "Docker with iptables".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.gaps import Term
from arrowslit.targets.outer import outer_interface
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, SHELL, about, prefixes

CHAIN: Final = "ARROWSLIT"
GATE: Final = "ARROWSLIT-GATE"
DOCKER: Final = "ARROWSLIT-DOCKER"
_LEAST: Final = 65_536
_HALVES: Final = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}
_FAMILY: Final = {4: "inet", 6: "inet6"}

_START: Final = """\
set -eu

families=4
if [ -e /proc/net/if_inet6 ]; then families="4 6"; fi

tables() {
	family=$1
	shift
	if [ "$family" = 4 ]; then iptables -w "$@"; else ip6tables -w "$@"; fi
}
"""


def _host(rules: Rules, place: Place) -> Body:
    return _body(
        rules,
        place,
        {CHAIN: "INPUT"},
        "ports that are forwarded or published by containers do not pass INPUT: for those, target iptables-docker",
    )


def _docker(rules: Rules, place: Place) -> Body:
    outer = outer_interface(place)
    return _body(
        rules,
        place,
        {CHAIN: "INPUT", DOCKER: "FORWARD DOCKER-USER"},
        "containers that send to a published port of this host must be listed"
        if not outer
        else f"only what comes in by {outer} is guarded",
        "needs Docker's iptables backend; with its nftables backend, target nftables",
    )


def _body(rules: Rules, place: Place, jumps: dict[str, str], *notes: str) -> Body:
    mode, other = ("only", "but") if rules.connect.only_listed else ("but", "only")
    text = f"""{_START}
{_undo(jumps)}
{_sets(rules, mode)}
{_chains(rules, place, mode, jumps)}
{_jumps(jumps)}
for family in 4 6; do ipset -q destroy "arrowslit-{other}-$family" || :; done
"""
    return Body(
        text,
        apply=("sh FILE",),
        check=(
            f"iptables -S {CHAIN} && iptables -nvL {GATE} && ipset list arrowslit-{mode}-4",
            f"ip6tables -S {CHAIN} && ip6tables -nvL {GATE} && ipset list arrowslit-{mode}-6",
            f"iptables -S INPUT | grep -n -e {CHAIN} -e ACCEPT    (the jump stands before what accepts)",
        ),
        undo=("sh FILE undo",),
        notes=(
            "it only refuses: the firewall's own rule for the port stays, and a wide one may stay as well",
            "it is gone after a restart: run it again at boot, before the network is up",
            *notes,
        ),
    )


def _undo(jumps: dict[str, str]) -> str:
    removals = "".join(
        f"""\
		for chain in {chains}; do
			while tables "$family" -D "$chain" -j {own} 2>/dev/null; do :; done
		done
"""
        for own, chains in jumps.items()
    )
    return f"""\
if [ "${{1:-}}" = undo ]; then
	for family in $families; do
{removals}		for chain in {" ".join(jumps)} {GATE}; do
			tables "$family" -F "$chain" 2>/dev/null || :
			tables "$family" -X "$chain" 2>/dev/null || :
		done
		for mode in only but new; do ipset -q destroy "arrowslit-$mode-$family" || :; done
	done
	exit 0
fi
"""


def _sets(rules: Rules, mode: str) -> str:
    made = "".join("".join(filled(rules, f"arrowslit-new-{version}", version)) for version in (4, 6))
    return f"""\
for family in 4 6; do ipset -q destroy "arrowslit-new-$family" || :; done
ipset restore <<'END'
{made}END
for family in 4 6; do
	if ipset -q list -n "arrowslit-{mode}-$family" >/dev/null; then
		ipset swap "arrowslit-new-$family" "arrowslit-{mode}-$family"
		ipset destroy "arrowslit-new-$family"
	else
		ipset rename "arrowslit-new-$family" "arrowslit-{mode}-$family"
	fi
done
"""


def filled(rules: Rules, name: str, version: int) -> Iterator[str]:
    """A set that is filled beside the one in use; it must take all, since a full set aborts the load."""
    lines = []
    for source in rules.connect.sources:
        own = [f"add {name} {one}\n" for one in _networks(source.addresses, version)]
        lines += [HASH.line(about(source)), *own] if own else []
    yield f"create {name} hash:net family {_FAMILY[version]} maxelem {max(_LEAST, len(lines))}\n"
    yield from lines


def _networks(addresses: AddressSet, version: int) -> Iterator[str]:
    for prefix in prefixes(addresses, version):
        yield from _HALVES.get(prefix, (prefix,))  # a set takes no prefix of length 0


def _chains(rules: Rules, place: Place, mode: str, jumps: dict[str, str]) -> str:
    four, six = ("".join(_chain(rules, place, f"arrowslit-{mode}-{version}", jumps)) for version in (4, 6))
    return f"""\
iptables-restore --noflush <<'END'
{four}END
if [ "$families" = "4 6" ]; then
ip6tables-restore --noflush <<'END'
{six}END
fi
"""


def _chain(rules: Rules, place: Place, set_: str, jumps: dict[str, str]) -> Iterator[str]:
    yield "*filter\n"
    yield from (f":{name} - [0:0]\n" for name in (*jumps, GATE))
    outer = _outer(place)
    yield from (f"{rule}\n" for rule in entry(place, CHAIN, GATE))
    if DOCKER in jumps:
        # What a container sends out has the same port: without an interface, only what was translated is meant.
        where = outer or "-m conntrack --ctstate DNAT "
        for port in place.ports:
            asked = f"-m conntrack --ctorigdstport {port} --ctdir ORIGINAL"
            yield f"-A {DOCKER} -p tcp {where}{asked} -j {GATE}\n"
    yield from (f"{rule}\n" for rule in gate(rules, GATE, set_))
    yield "COMMIT\n"


def entry(place: Place, chain: str, gate_: str) -> Iterator[str]:
    """The rules of a chain that lead what is for the mail ports to a gate, as `iptables-save` says them too."""
    yield from (f"-A {chain} {_outer(place)}-p tcp -m tcp --dport {port} -j {gate_}" for port in place.ports)


def gate(rules: Rules, chain: str, set_: str) -> Iterator[str]:
    """The rules of a chain that refuse whom the list does not permit, as `iptables-save` says them too."""
    yield f"-A {chain} -i lo -j RETURN"
    refuse = "" if rules.server.mode == OBSERVE else " -j DROP"  # a rule without a verdict counts
    listed = f"-A {chain} -m set --match-set {set_} src"
    yield from (f"{listed} -j RETURN", f"-A {chain}{refuse}") if rules.connect.only_listed else (f"{listed}{refuse}",)


def _outer(place: Place) -> str:
    return f"-i {name} " if (name := outer_interface(place)) else ""


def _jumps(jumps: dict[str, str]) -> str:
    """Each once, before all that accepts. Docker takes a DOCKER-USER for its own that was there before it."""
    made = ""
    if DOCKER in jumps:
        made = '\ttables "$family" -n -L DOCKER-USER >/dev/null 2>&1 || tables "$family" -N DOCKER-USER\n'
    for own, chains in jumps.items():
        made += f"""\
	for chain in {chains}; do
		tables "$family" -C "$chain" -j {own} 2>/dev/null || tables "$family" -I "$chain" 1 -j {own}
	done
"""
    return f"for family in $families; do\n{made}done\n"


_TERMS: Final = frozenset({Term.IPV6, Term.OBSERVE})
IPTABLES: Final = Target(
    "iptables", "iptables and ipset on the mail server itself", CONNECT, _TERMS, SHELL, "sh", _host
)
IPTABLES_DOCKER: Final = Target(
    "iptables-docker", "iptables and ipset on a host with Docker", CONNECT, _TERMS, SHELL, "sh", _docker
)
