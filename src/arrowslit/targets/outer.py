"""The outer interface as Linux firewalls name it: it is written into their texts, so it must be a name and no more."""

from __future__ import annotations

from typing import Final

from arrowslit.targets.target import Place, PlaceError

_LONGEST: Final = 15  # what a Linux kernel takes


def outer_interface(place: Place) -> str:
    """The interface that strangers come in by, or "". Raises PlaceError for what is no name of one."""
    name = place.interface
    plain = name.replace("-", "").replace(".", "").replace("_", "")
    if name and not (plain.isascii() and plain.isalnum() and len(name) <= _LONGEST and not name.startswith("-")):
        raise PlaceError("that is no name of an interface: --interface")
    return name


def known_interface(place: Place) -> str:
    """The same for a target that can't do without. Raises PlaceError where none is said."""
    if not place.interface:
        raise PlaceError("which interface strangers come in by is not said: --interface")
    return outer_interface(place)
