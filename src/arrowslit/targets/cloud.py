"""What the languages of clouds and clusters share: prefixes with their length, a family at a time, and their number.

Most of them have only rules that permit, and take an empty list for "anybody". So a family without addresses is left
out by whoever uses this, with everything that names it.
"""

from __future__ import annotations

from typing import Final

from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.rules import Access
from arrowslit.targets.text import HASH, about

FAMILIES: Final = (4, 6)


def halved(addresses: AddressSet, version: int) -> list[str]:
    """The fewest prefixes of one family, each with its length; two halves for a whole family.

    A prefix of length 0 is refused or read as "any" by some, and two rules that have it come into each other's way.
    """
    found = [str(network) for network in addresses.cidrs() if network.version == version]
    return {"0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"], "::/0": ["::/1", "8000::/1"]}.get("".join(found), found)


def permitted(access: Access, version: int) -> list[str]:
    """Whom a list lets in, for a language that can only permit: comment lines, and prefixes without an end of line.

    Where the list says who may not, everybody else is written out, under the rules that are left out of it.
    """
    if access.only_listed:
        return listed(access, version)
    left_out = [HASH.line(f"not: {about(source)}") for source in access.sources if halved(source.addresses, version)]
    return [*left_out, *halved(access.permitted, version)]


def listed(access: Access, version: int) -> list[str]:
    """The entries of a list as they are, whatever it says of them: comment lines, and prefixes."""
    lines = []
    for source in access.sources:
        own = halved(source.addresses, version)
        lines += [HASH.line(about(source)), *own] if own else []
    return lines


def indented(lines: list[str], before: str, after: str = "") -> str:
    """These lines as text: `before` and `after` go round prefixes, comments are indented as far."""
    blanks = before[: len(before) - len(before.lstrip())]
    return "".join(f"{blanks}{line}" if is_comment(line) else f"{before}{line}{after}\n" for line in lines)


def is_comment(line: str) -> bool:
    """True for a comment line of these lists."""
    return line.startswith(HASH.before)


def count(lines: list[str]) -> int:
    """How many prefixes there are."""
    return sum(not is_comment(line) for line in lines)


def too_many(found: int, most: int, what: str) -> tuple[Gap, ...]:
    """The gap where there are more ranges than the place takes; `what` says how they are counted."""
    if found <= most:
        return ()
    gap = Gap(Term.SIZE.value, f"{GAPS[Term.SIZE.value]} {found} are needed, {most} are possible: {what}.")
    return (gap,)
