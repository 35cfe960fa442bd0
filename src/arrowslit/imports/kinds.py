"""The kinds of recipients that a source tells apart, made from the domains and addresses that it names.

Domains about which it says the same are one kind. A domain is *accepted* where the source handles it by name; those
that it only mentions may turn out so (`assembling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from arrowslit.imports.asking import ELSEWHERE, Recipient
from arrowslit.imports.imported import Origin
from arrowslit.imports.patterns import shapes
from arrowslit.mail.domain import name_matches, normalise_domain

_ANYBODY: Final = "anybody-at-all"
_BELOW: Final = "unmentioned-below"


def sample(pattern: str) -> str:
    """A domain name that stands for a pattern."""
    return f"{_BELOW}.{pattern[2:]}" if pattern.startswith("*.") else pattern


def is_pattern(pattern: str) -> bool:
    """Whether it is a domain name, or `*.` and one, in its normal form."""
    name = pattern.removeprefix("*.")
    try:
        return normalise_domain(name) == name and "*" not in name
    except ValueError:
        return False


def of_regex(text: str) -> Iterator[str]:
    """The domain patterns and addresses (with "@") that a regular expression matches, as far as it can be said."""
    for shape in shapes(text.removeprefix("(?i)")) or ():
        if shape.kind == "exact":
            yield shape.text
        elif shape.kind == "ending":
            yield f"*{shape.text}" if shape.text.startswith(".") else shape.text[1:]
        elif shape.kind == "beginning" and shape.text.endswith("@"):
            yield shape.text


def recipients(
    accepted: Mapping[str, Origin],
    mentioned: Mapping[str, Origin],
    addresses: Mapping[str, Origin],
    tells_apart: Callable[[str], object],
) -> list[Recipient]:
    """Kinds from patterns. `tells_apart` gives the same for two mail addresses that the source treats the same."""
    found = [*_grouped("accepted", accepted, tells_apart)]
    rest = {pattern: origin for pattern, origin in mentioned.items() if pattern not in accepted}
    for address, origin in addresses.items():
        domain = address.rpartition("@")[2]
        if is_pattern(domain) and not any(name_matches(domain, one) for one in accepted):
            rest.setdefault(domain, origin)
    found += _grouped("other", rest, tells_apart)
    found += _single(addresses, [*accepted, *rest])
    first = next(iter([*accepted, *rest]), None)
    if first is not None:
        found.append(Recipient("routing", f"user%{ELSEWHERE}@{sample(first)}", (first,)))
        found.append(Recipient("routing", f"{ELSEWHERE}!user@{sample(first)}", (first,)))
    return [*found, Recipient("other", f"{_ANYBODY}@{ELSEWHERE}")]


def _grouped(kind: str, patterns: Mapping[str, Origin], tells_apart: Callable[[str], object]) -> Iterator[Recipient]:
    groups: dict[object, list[str]] = {}
    for pattern in patterns:
        groups.setdefault(tells_apart(f"{_ANYBODY}@{sample(pattern)}"), []).append(pattern)
    for members in groups.values():
        yield Recipient(kind, f"{_ANYBODY}@{sample(members[0])}", tuple(members), patterns[members[0]])


def _single(addresses: Mapping[str, Origin], accepted: Iterable[str]) -> Iterator[Recipient]:
    """Addresses, and local parts with their "@" in each accepted domain, that lie in one of the accepted domains."""
    domains = sorted(accepted, key=lambda pattern: (pattern.startswith("*."), -len(pattern)))
    for text, origin in addresses.items():
        whole = [text + one for one in domains[:50] if one[0] != "*"] if text.endswith("@") else [text]
        for address in whole:
            domain = address.rpartition("@")[2]
            owner = next((one for one in domains if name_matches(domain, one)), None)
            if owner is not None:
                yield Recipient("address", address, (owner,), origin)
