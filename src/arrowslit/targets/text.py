"""Texts that are safe to put into another language: remarks, comments, quoted words.

A note or a name in the policy can hold anything. In a comment only letters, digits, spaces and harmless punctuation are
kept, so that no language can read an end of the comment, a continuation or a control character into it. Outside of
comments nothing of a policy is written but addresses and normal domain names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_set import AddressSet
from arrowslit.targets.rules import Source

_PUNCTUATION: Final = frozenset(" .,:;()/@_+='\"&!-[]<>*|{}$%#")
"""Harmless behind the sign that begins a comment: neither a line's end nor a backslash nor a back quote."""

_LONGEST: Final = 300
_COMMON_LETTERS: Final = 0x250  # Latin letters with marks; others may run from right to left


_IN_BLOCKS: Final = str.maketrans("-*{}", "~~()")


def remark(text: str) -> str:
    """One line that may stand in a comment of any language that comments to the end of a line."""
    kept = "".join(c if c in _PUNCTUATION or _plain(c) else "?" for c in text[: _LONGEST + 1])
    return kept if len(kept) <= _LONGEST else kept[:_LONGEST] + "..."


def _plain(character: str) -> bool:
    return character.isalnum() and ord(character) < _COMMON_LETTERS


@dataclass(frozen=True, slots=True)
class Comment:
    """How a language comments. `opening` stands before all else, such as the line that names an interpreter.

    `only_ascii`: for what is read in a machine's code page, where a letter of UTF-8 may swallow the end of its line.
    """

    before: str
    after: str = ""
    opening: str = ""
    only_ascii: bool = False

    def line(self, text: str) -> str:
        """One comment with the end of its line. `text` is made harmless here."""
        said = remark(text)
        if self.only_ascii:
            said = "".join(c if c.isascii() else "?" for c in said)
        if self.after:  # a block: its end must not come early, nor a template begin where pages are made from it
            said = said.translate(_IN_BLOCKS)
        return f"{self.before} {said}".rstrip() + f"{' ' if self.after else ''}{self.after}\n"

    def block(self, lines: Iterable[str]) -> str:
        """Some comments and an empty line."""
        return "".join(map(self.line, lines)) + "\n"


HASH: Final = Comment("#")
SHELL: Final = Comment("#", opening="#!/bin/sh\n")
EXCLAMATION: Final = Comment("!")
HTML: Final = Comment("<!--", "-->")


def about(source: Source) -> str:
    """What a comment says of a source: the rule it comes from and its note."""
    return f"{source.rule}  {source.says}".rstrip()


def prefixes(addresses: AddressSet, version: int) -> Iterator[str]:
    """The fewest prefixes of one family, single addresses without a length."""
    for network in addresses.cidrs():
        if network.version == version:
            yield short(network)


def short(network: IPv4Network | IPv6Network) -> str:
    """A prefix as most languages write it: a single address without a length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def ranges(addresses: AddressSet, version: int) -> Iterator[tuple[IPAddress, IPAddress]]:
    """First and last of the ranges of one family."""
    return ((first, last) for first, last in addresses.ranges() if first.version == version)


def powershell(text: str) -> str:
    """A literal string of PowerShell. Raises ValueError for what can't stand in one line."""
    if not text.isprintable():
        raise ValueError("a text with control characters can't be written")
    quotes = "'\u2018\u2019\u201a\u201b"  # PowerShell takes all of these for a single quote
    return "'" + "".join(c * 2 if c in quotes else c for c in text) + "'"
