"""Lists of addresses and domains as rulesets of Sendmail.

Sendmail knows no prefixes: it compares whole tokens, the octets of IPv4 and the groups of IPv6. A prefix that ends
within one is written as all octets that it holds; within a group of IPv6, as a regular expression. IPv6 groups come
without leading zeros and, since 8.15, uncompressed ("IPv6:2001:db8:0:0:0:0:0:5").

The text goes through m4, which here knows no comments but dnl: what comes from a policy is quoted, or behind a dnl.
Sources: the Sendmail Installation and Operation Guide, 5.1 to 5.4 and 5.9; cf/README, "Local_check_rcpt".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from arrowslit.targets.rules import Access, Source
from arrowslit.targets.text import Comment, about

DNL: Final = Comment("dnl #")


def rule(left: str, right: str) -> str:
    """A rule; the two sides stand apart by a tab."""
    return f"R{left}\t{right}\n"


def quoted(text: str) -> str:
    """A text that m4 leaves alone. Raises ValueError for what can't be quoted."""
    if "`" in text or "'" in text or not text.isprintable():
        raise ValueError("not to be quoted for m4")
    return f"`{text}'"


def tokens(network: IPv4Network | IPv6Network) -> list[str]:
    """A prefix as the whole tokens that addresses in it begin with; none where it ends within a group of IPv6."""
    size = 8 if network.version == 4 else 16
    count = -(-network.prefixlen // size)
    if network.version == 6 and network.prefixlen % size:
        return []
    if network.version == 4:
        count = max(count, 1)
    step = 1 << (network.max_prefixlen - count * size)
    first = int(network.network_address)
    return [_begins(network.version, first + number * step, count) for number in range(network.num_addresses // step)]


def _begins(version: int, value: int, count: int) -> str:
    if version == 4:
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0)[:count])
    return ":".join(["IPv6", *(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)[:count])])


def pattern(network: IPv6Network) -> str:
    """The regular expression of a prefix that ends within a group; what it is asked for ends in a colon."""
    whole, rest = divmod(network.prefixlen, 16)
    first = int(network.network_address)
    value = first >> (112 - 16 * whole) & 0xFFFF
    return f"^{_begins(6, first, whole)}:{_group(value, 16 - rest)}:"


def _group(first: int, free: int) -> str:
    """A group whose last `free` bits are any, in hexadecimal without leading zeros."""
    digits, bits = divmod(free, 4)
    before = f"{first >> 4 * (digits + 1):x}".lstrip("0") if first >> 4 * (digits + 1) else ""
    low = first >> 4 * digits & 15
    own = "".join(f"{digit:x}" for digit in range(low, low + (1 << bits)))
    any_digit = "[0-9a-f]"
    if before or low:
        return f"{before}[{own}]" + any_digit * digits
    longer = [f"[{own[1:]}]" + any_digit * digits] if own[1:] else []
    return f"({'|'.join([*longer, *_shorter(digits)])})"


def _shorter(digits: int) -> list[str]:
    """All values of at most so many digits, without leading zeros; with none, zero itself."""
    return ["0", *("[1-9a-f]" + "[0-9a-f]" * count for count in range(digits))]


class List:
    """One list under a name: `config` are its classes and maps, `ruleset` answers YES, NO or TLS for an address."""

    def __init__(self, name: str, access: Access) -> None:
        self.name, self.access = f"Arrowslit{name}", access
        self._maps: list[tuple[str, bool]] = []
        self.config = "".join(self._config())

    def _config(self) -> Iterator[str]:
        for source in self.access.sources:
            kind = "Tls" if source.entry.require_tls else "Listed"
            lines = list(self._source(source, f"{self.name}{kind}"))
            if lines:
                yield DNL.line(about(source))
                yield from lines

    def _source(self, source: Source, name: str) -> Iterator[str]:
        for network in source.addresses.cidrs():
            found = tokens(network)
            for text in found:
                yield f"C{{{name}}}{quoted(text)}\n"
            if not found and isinstance(network, IPv6Network):
                self._maps.append((f"{self.name.lower()}{len(self._maps)}", source.entry.require_tls))
                yield f"K{self._maps[-1][0]} regex -aIN {quoted(pattern(network))}\n"

    @property
    def ruleset(self) -> str:
        """Asked with the address, as ${client_addr} has it."""
        return "".join([f"S{self.name}\n", *self._rules()])

    def _rules(self) -> Iterator[str]:
        listed, end = ("YES", "NO") if self.access.only_listed else ("NO", "YES")
        yield from self._matches(f"{self.name}Listed", listed, in_tls=False)
        if any(source.entry.require_tls for source in self.access.sources):
            yield from self._matches(f"{self.name}Tls", "$>ArrowslitTls TLS", in_tls=True)
        yield rule("$*", f"$@ {end}")

    def _matches(self, name: str, says: str, *, in_tls: bool) -> Iterator[str]:
        for left in (f"$={{{name}}}", f"$={{{name}}} . $*", f"$={{{name}}} : $*"):
            yield rule(left, f"$@ {says}")
        for one, tls in self._maps:
            if tls is in_tls:
                yield rule("$+", f"$: $1 $| $({one} $1: $: OUT $)")
                yield rule("$* $| IN", f"$@ {says}")
                yield rule("$* $| $*", "$: $1")


def domain(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """For each accepted domain the left side of a rule for its addresses, and itself."""
    for name in names:
        yield quoted(f"$* @ $+ {name[1:]}" if name.startswith("*.") else f"$* @ {name}"), name
