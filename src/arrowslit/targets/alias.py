"""What OPNsense and pfSense have in common: one alias of both families, and where it becomes a source by hand.

A table of pf without entries holds nobody, and its inversion everybody, as the policy means it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.edge import by_source, interface_of
from arrowslit.targets.observed import leave
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place
from arrowslit.targets.text import Comment

NAME: Final = "arrowslit"


def entries(rules: Rules, comment: Comment, before: str = "") -> Iterator[str]:
    """The prefixes of both families, each line after `before`."""
    for version in (4, 6):
        yield from by_source(rules.connect, version, comment, lambda prefix: f"{before}{prefix}")


def rules_by_hand(rules: Rules, place: Place, forwards: str) -> Iterator[str]:
    """Where the alias is put. `forwards` is the screen of the port forwards."""
    if rules.observes:
        yield from leave("rules")
        return
    ports, invert = ", ".join(map(str, place.ports)), "off" if rules.connect.only_listed else "on"
    wan = interface_of(place, "WAN")
    yield f"{forwards}, the rule for port {ports}: Source {NAME}, Invert {invert}; save"
    yield (
        f"Firewall > Rules > {wan}, the rule that permits port {ports} to the mail server: Source {NAME}, Invert "
        f"{invert}"
    )
    yield "the same in the rule that permits it to the mail server's IPv6 address, if there is one; then Apply changes"


def back_by_hand(forwards: str) -> Iterator[str]:
    """How the rules become what they were."""
    yield f"{forwards} and Firewall > Rules: the source of before (any), Invert off; Apply changes"
    yield f"Firewall > Aliases: delete {NAME}, once no rule has it"


def notes_by_hand(wan: str) -> Iterator[str]:
    """What stays to be looked at."""
    yield (
        f"each other rule on {wan}, and each floating rule, that permits the port or everything has to be narrowed, too"
    )
    yield "open connections have states that go on: reset those of the mail server (States, Actions)"
    yield "nothing takes a wrong rule back by itself: keep another way to the firewall open, and note the old sources"
