"""What the targets in nft's language share: a set for each family, and how a refusal is written.

A set may be empty, and then nobody is in it. `auto-merge` is there since overlapping ranges would abort the load.
Sources: nft(8), sections Sets and Verdict statement; wiki.nftables.org on intervals.
"""

from __future__ import annotations

from collections.abc import Iterator

from arrowslit.mail.address_set import AddressSet
from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.rules import Rules, Source
from arrowslit.targets.text import HASH, about, ranges


def sets(rules: Rules, suffix: str = "") -> Iterator[str]:
    """The sets `listed4` and `listed6`, with the rule that each range comes from; `suffix` ends every name."""
    for version in (4, 6):
        yield f"\tset listed{version}{suffix} {{\n\t\ttype ipv{version}_addr\n\t\tflags interval\n\t\tauto-merge\n"
        yield _elements(rules.connect.sources, version)
        yield "\t}\n"


def _elements(sources: tuple[Source, ...], version: int) -> str:
    lines = []
    for source in sources:
        own = [f"\t\t\t{text},\n" for text in _ranges(source.addresses, version)]
        lines += [f"\t\t\t{HASH.line(about(source))}", *own] if own else []
    return f"\t\telements = {{\n{''.join(lines)}\t\t}}\n" if lines else ""


def _ranges(addresses: AddressSet, version: int) -> Iterator[str]:
    for first, last in ranges(addresses, version):
        yield str(first) if first == last else f"{first}-{last}"


def gate(rules: Rules, suffix: str = "") -> Iterator[str]:
    """A listed client returns (only_listed) or is refused (all_except_listed); to observe is to count only."""
    refuse = f"counter name refused{suffix}" + ("" if rules.server.mode == OBSERVE else " drop")
    if rules.connect.only_listed:
        yield f"\t\tip saddr @listed4{suffix} return\n\t\tip6 saddr @listed6{suffix} return\n"
        yield f"\t\t{refuse}\n"
    else:
        yield f"\t\tip saddr @listed4{suffix} {refuse}\n\t\tip6 saddr @listed6{suffix} {refuse}\n"
