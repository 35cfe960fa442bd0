"""MikroTik RouterOS (6.36 and later): a rule in the raw table that drops strangers before any NAT.

Grants: connecting. The rule stands before connection tracking and dst-nat, so forwards, and services of the router
itself, are behind it, and no rule of the administrator has to be changed. Terms: IPv6 apart, observe as a rule that
only counts. An import never empties what a rule refers to: it makes the list again under a second name, puts a rule for
that beside the old one, and only then makes the first anew; so it can be repeated, and stopping half-way opens nothing.
It never touches rules and lists without our comment or name. There is nothing to run it in: see the model. Sources:
help.mikrotik.com: RAW, Address-lists, Scripting, Configuration Management (import).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.edge import INSIDE, by_source, interface_of, server_of
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, short

OURS: Final = "arrowslit"
NEXT: Final = "arrowslit next"
_PATHS: Final = {4: "/ip firewall", 6: "/ipv6 firewall"}


def _write(rules: Rules, place: Place) -> Body:
    return Body(
        "".join(line for version in (4, 6) for line in _family(rules, place, version)),
        apply=(
            "/export file=before-arrowslit",
            "upload FILE to the router, then: /import file-name=FILE verbose=yes dry-run (where RouterOS has it)",
            "/import file-name=FILE verbose=yes (in safe mode: Ctrl-X before it, and again to keep it)",
        ),
        check=tuple(f'{path} raw print stats where comment="{OURS}"' for path in _PATHS.values()),
        undo=tuple(_undo()),
        notes=tuple(_notes(place)),
    )


def _undo() -> Iterator[str]:
    for version, path in _PATHS.items():
        for comment in (OURS, NEXT):
            yield f'{path} raw remove [find comment="{comment}"]'
        for name in _lists(version):
            yield f'{path} address-list remove [find list="{name}"]'


def _notes(place: Place) -> Iterator[str]:
    yield "a rule above ours in the raw table that accepts passes it by: look at raw print"
    yield "dst-nat rules that forward the port stay as they are, and are behind this; find them with nat print"
    yield "what fasttrack has taken over stays open until it ends: see /ip firewall connection print"
    yield "without the IPv6 package (RouterOS 6) the import stops at its second half; the first holds by then"
    if not place.interface:
        yield "no interface is given: the interface list WAN of the default configuration is used"
    if server_of(place, 6) is None:
        yield "no IPv6 address of the mail server is given: for IPv6 this holds for every server behind the router"


def _interrupted(path: str) -> str:
    """Nothing is emptied while a rule that an interrupted import left may be all that stands."""
    error = "an import was interrupted: see undo, then import again"
    return f':if ([:len [{path} raw find comment="{NEXT}"]] > 0) do={{ :error "{error}" }}\n'


def _lists(version: int) -> tuple[str, str]:
    return f"{OURS}{version}", f"{OURS}{version}-next"


def _family(rules: Rules, place: Place, version: int) -> Iterator[str]:
    path, (ours, following) = _PATHS[version], _lists(version)
    lists, raw = f"{path} address-list\n", f"{path} raw\n"
    yield _interrupted(path)
    yield f'{lists}remove [find list="{following}"]\n'
    yield from by_source(rules.connect, version, HASH, lambda prefix: f'add list="{following}" address={short(prefix)}')
    yield f'{raw}{_rule(rules, place, version, following)} comment="{NEXT}"\n'
    yield f'remove [find comment="{OURS}"]\n'
    yield f'{lists}remove [find list="{ours}"]\n'
    yield f':foreach entry in=[find list="{following}"] do={{ add list="{ours}" address=[get $entry address] }}\n'
    yield f'{raw}{_rule(rules, place, version, ours)} comment="{OURS}"\n'
    yield f'remove [find comment="{NEXT}"]\n'
    yield f'{lists}remove [find list="{following}"]\n\n'


def _rule(rules: Rules, place: Place, version: int, name: str) -> str:
    """A list without entries matches nobody, so its negation matches everybody."""
    action = "passthrough" if rules.server.mode == OBSERVE else "drop"
    source = f"{'!' if rules.connect.only_listed else ''}{name}"
    ports = ",".join(map(str, place.ports))
    words = ["add chain=prerouting", f"action={action}", _incoming(place), "protocol=tcp", f"dst-port={ports}"]
    return " ".join((*words, *_destination(place, version), f"src-address-list={source}"))


def _incoming(place: Place) -> str:
    return f'in-interface="{interface_of(place, "")}"' if place.interface else "in-interface-list=WAN"


def _destination(place: Place, version: int) -> Iterator[str]:
    """Before NAT: a server with an address from inside is reached by the router's own."""
    server = server_of(place, version)
    if server is not None and server not in INSIDE:
        yield f"dst-address={server}"
    elif version == 4:
        yield "dst-address-type=local"


MIKROTIK: Final = Target(
    "mikrotik",
    "MikroTik RouterOS",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "rsc",
    _write,
)
