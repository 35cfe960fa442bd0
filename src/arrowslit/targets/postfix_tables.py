"""What Postfix reads: tables with their lines, restriction classes, settings. Values only; see `postfix_lists`.

Sources: cidr_table(5), regexp_table(5).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from arrowslit.targets.gaps import Gap
from arrowslit.targets.rules import NotOfAddresses, Source
from arrowslit.targets.text import HASH, about, prefixes


@dataclass(frozen=True, slots=True)
class Table:
    """One file that Postfix looks things up in. `kind` is "cidr" or "regexp"."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One question whose answer is known: what `postmap -q` must say of an address."""

    table: str
    address: str
    action: str


@dataclass(slots=True)
class Lists:
    """All that Postfix needs to be told. `settings` are lines of main.cf, `service` what the smtpd service gets.

    A table is named as `$arrowslit_tables/NAME`. Values of `service` hold no spaces. `copies` are classes that are
    what the service had before in a list that we replace (class -> setting).
    """

    tables: list[Table] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    service: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Names this set of tables: tables of other content never get the same folder. Comments do not count."""
        code = "\n".join(
            line
            for table in self.tables
            for line in (table.name, *table.text.split("\n"))
            if not line.startswith(HASH.before)
        )
        return hashlib.sha256(code.encode()).hexdigest()[:12]


def address_lines(source: Source, action: str) -> str:
    """The lines of a cidr table for one entry."""
    lines = [f"{text:<24} {action}\n" for version in (4, 6) for text in prefixes(source.addresses, version)]
    return HASH.line(about(source)) + "".join(lines) if lines else ""


def name_line(one: NotOfAddresses, action: str) -> str:
    """The lines of a regexp table for one entry by domain."""
    head = HASH.line(f"{one.rule}  {one.entry.note}".rstrip())
    return f"{head}/^{domain(one.entry.value)}$/  {action}\n"


def escaped(text: str) -> str:
    """A normal mail address or domain name as a regular expression. All of its signs but letters are escaped."""
    return "".join(sign if sign.isalnum() or sign in "@-_" else f"\\{sign}" for sign in text)


def domain(name: str) -> str:
    """`*.example.org` is every depth below."""
    return f".+\\.{escaped(name[2:])}" if name.startswith("*.") else escaped(name)
