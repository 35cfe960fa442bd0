"""The few expansions in ACL conditions that can be told without running Exim: comparisons of variables.

`${if eq{A}{B}}`, `${if !eq{A}{B}}`, `${if inlist{A}{B:C}}`, with `$acl_m_name` and `$received_port`; words for yes and
no; whether there is TLS, where a variable is set by it. All else is unknown (None). Source: the Exim
specification, chapter 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UNTOLD: Final = "\0"
_YES: Final = frozenset({"yes", "true", "1"})
_NO: Final = frozenset({"no", "false", "0", ""})


def holds(text: str, variables: Mapping[str, str]) -> bool | None:
    """Whether a `condition =` holds."""
    text = text.strip()
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    if not text.startswith("${if ") or not text.endswith("}"):
        return None
    inner = text[5:-1].strip()
    negated = inner.startswith("!")
    name, _, rest = inner.lstrip("!").partition("{")
    first, _, rest = rest.partition("}")
    between, _, rest = rest.partition("{")
    other, mark, end = rest.partition("}")
    if not mark or between.strip() or end.strip() or "{" in first + other:
        return None
    value = _value(first, variables)
    if value is None or name.strip() not in {"eq", "inlist"}:
        return None
    hit = value == other if name.strip() == "eq" else value in other.split(":")
    return hit is not negated


def set_to(text: str, *, tls: bool) -> str:
    """What a variable is set to; UNTOLD where only a running Exim knows."""
    inner = text.strip().removeprefix("${if def:tls_in_cipher{")
    if inner != text.strip():
        yes, _, rest = inner.partition("}{")
        text = yes if tls else rest.partition("}")[0]
    return UNTOLD if "$" in text else text.strip()


def _value(text: str, variables: Mapping[str, str]) -> str | None:
    if not text.startswith("$"):
        return None if "$" in text else text
    found = variables.get(text[1:], "" if text.startswith("$acl_") else None)
    return None if found == UNTOLD else found
