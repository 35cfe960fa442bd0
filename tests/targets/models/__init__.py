"""What the texts of targets mean, read from their languages' documentation and independent of what wrote them.

`MODELS` has for each target a function from a text to "is this client admitted to the port?". Every module here that
has a dictionary MODELS adds to it. A model raises ValueError for a text that it does not understand: it must never
guess that somebody is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from arrowslit.mail.address import IPAddress

Admits = Callable[[IPAddress], bool]
MODELS: dict[str, Callable[[str], Admits]] = {}

for _module in iter_modules(__path__):
    MODELS.update(getattr(import_module(f"{__name__}.{_module.name}"), "MODELS", {}))
