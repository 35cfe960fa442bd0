"""Junos (SRX and others): a stateless filter on the interface that strangers come in by.

Grants: connecting. Terms: both families and `observe` (counting). A filter is looked at before any NAT and before the
security policies of an SRX, and its one term only refuses: whom it lets go on still needs what let him in before. So
nothing is opened, and the term can also be the first of a filter that is there already. A zone policy would have to
name the zones and addresses of a rule that only the administrator knows, and would come behind it.

Everybody but the listed is 0.0.0.0/0 with exceptions, so an empty list is everybody refused, not a condition less.
Sources: Junos, Routing Policies, Firewall Filters, and Traffic Policers User Guide: address match conditions (longest
match, except), filter lists on interfaces; CLI User Guide: load replace, commit confirmed, comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.cloud import FAMILIES, indented, listed
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, PlaceError, Target
from arrowslit.targets.text import HASH

_NAMES: Final = {4: ("inet", "protocol", "0.0.0.0/0", "0.0.0.0/32"), 6: ("inet6", "next-header", "::/0", "::/128")}
"""Name of the family, of the condition on the protocol; everybody; an address that no client has."""


def _write(rules: Rules, place: Place) -> Body:
    if not place.interface:
        raise PlaceError("Junos needs the interface that strangers come in by: give it with --interface")
    filters = "".join("".join(_filter(rules, place, version)) for version in FAMILIES)
    name, _, unit = place.interface.partition(".")
    attached = "".join(
        f"{' ' * 12}family {_NAMES[version][0]} {{\n{' ' * 16}filter {{\n"
        f"{' ' * 20}input-list arrowslit{version};\n{' ' * 16}}}\n{' ' * 12}}}\n"
        for version in FAMILIES
    )
    return Body(
        f"""firewall {{
{filters}}}
interfaces {{
    {name} {{
        unit {unit or 0} {{
{attached}        }}
    }}
}}
""",
        apply=(
            "copy FILE to /var/tmp on the device, there: configure exclusive",
            "load replace /var/tmp/FILE, then show | compare",
            "commit confirmed 5, look whether mail still comes, then commit; without it all is undone after 5 minutes",
        ),
        check=("show firewall   (counts who is refused)", "show configuration firewall"),
        undo=("rollback 1, show | compare, commit   (a higher number after further commits)",),
        notes=(
            "an interface takes a filter or a list of filters: where it has its own, leave the interfaces part out, "
            "and give that filter the term arrowslit of each family as its first",
            "where the interface has no IPv6, take its family inet6 out: naming it would turn it on",
            "what comes in by other interfaces is not looked at, what passes to other mail servers is",
        ),
    )


def _filter(rules: Rules, place: Place, version: int) -> Iterator[str]:
    family, protocol, everybody, nobody = _NAMES[version]
    ports = " ".join(map(str, place.ports))
    refuse = "accept" if rules.server.mode == OBSERVE else "discard"
    yield f"    family {family} {{\n        replace: filter arrowslit{version} {{\n            term arrowslit {{\n"
    yield "                from {\n                    source-address {\n"
    blank = " " * 24
    own = listed(rules.connect, version)
    if rules.connect.only_listed:
        yield f"{blank}{everybody};\n{indented(own, blank, ' except;')}"
    else:
        yield indented(own, blank, ";") or f"{blank}{nobody};\n"
    yield f"""                    }}
                    {protocol} tcp;
                    destination-port [ {ports} ];
                }}
                then {{
                    count arrowslit-refused;
                    {refuse};
                }}
            }}
            term rest {{
                then accept;
            }}
        }}
    }}
"""


JUNIPER: Final = Target(
    "juniper",
    "Junos (SRX and others)",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "conf",
    _write,
)
