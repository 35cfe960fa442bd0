"""Domain names in the one form that is compared: A-labels, lower case, no trailing dot (RFC 5890, UTS 46).

`idna` (the package) does the conversion: Python's own codec follows the older IDNA 2003 and turns straße.de into
another domain. Never looks a name up.
"""

from __future__ import annotations

from functools import lru_cache

import idna

_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_NAME_OCTETS = 253
_LABEL_OCTETS = 63


@lru_cache(maxsize=4096)
def normalise_domain(text: str) -> str:
    """`text` in A-label form, lower case, without a trailing dot. An underscore is let pass (it is met in the wild).

    Raises ValueError when it is no domain name (empty, an empty or overlong label, a character that no label has).
    """
    name = text.removesuffix(".")
    name = name.lower() if name.isascii() else _to_ascii(name)
    labels = name.split(".")
    if len(name) > _NAME_OCTETS or not all(_is_label(label) for label in labels):
        raise ValueError(f"not a domain name: {text!r}")
    return name


def _to_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise ValueError(f"not a domain name: {name!r}: {error}") from None


def _is_label(label: str) -> bool:
    return 0 < len(label) <= _LABEL_OCTETS and _LABEL.issuperset(label) and label[0] != "-" and label[-1] != "-"


def name_matches(name: str, pattern: str) -> bool:
    """True where `pattern` is the normalised `name`, or `*.x` and `name` lies at any depth below x (decisions 8)."""
    if pattern.startswith("*."):
        return name.endswith(pattern[1:]) and len(name) > len(pattern) - 1
    return name == pattern
