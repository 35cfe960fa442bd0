"""Match lists: which domains are handled here, and which clients are in mynetworks.

A list is gone through from the left: `!` makes a pattern one that takes away, `/file` and `type:table` put others in.
`x` also matches what is below x in those lists that parent_domain_matches_subdomains names, else `.x` does. Sources:
postconf(5), ADDRESS_CLASS_README, DATABASE_README.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from arrowslit.imports.imported import AcceptedDomain, Imported, Origin
from arrowslit.imports.postfix.lookups import key_addresses
from arrowslit.imports.postfix.tables import Row, Tables
from arrowslit.imports.postfix.text import Setting
from arrowslit.imports.postfix.values import Values, words
from arrowslit.imports.spaces import EMPTY, Part, first_matches
from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.domain import name_matches, normalise_domain

_LISTS = (
    ("mydestination", "authoritative"),
    ("virtual_alias_domains", "authoritative"),
    ("virtual_mailbox_domains", "authoritative"),
    ("relay_domains", "internal_relay"),
)
_OWN_NETWORKS = "the networks of the machine itself are not told by its settings: only loopback is taken"
_FILES = 10


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    origin: Origin
    negated: bool = False


def _patterns(setting: Setting, tables: Tables, found: Imported, depth: int = 0) -> Iterator[_Pattern]:
    """The elements of a list, files and tables put in; what is not to be had is left."""
    for word in words(setting.value):
        negated, text = word.startswith("!"), word.lstrip("!")
        if text.startswith("/"):
            source = tables.file(text) if depth < _FILES else None
            if source is None:
                _lacks(found, setting, word, negated=negated)
                continue
            for number, line in enumerate(source.text.splitlines(), 1):
                inner = Setting(line.partition("#")[0], Origin(source.name, number, setting.origin.what))
                for one in _patterns(inner, tables, found, depth + 1):
                    yield _Pattern(one.text, one.origin, one.negated is not negated)
        elif ":" in text and not text.startswith("[") and text.partition(":")[0].isalpha() and not _is_ipv6(text):
            yield from _from_table(text, setting, tables, found, negated=negated)
        elif text:
            yield _Pattern(text, setting.origin, negated)


def _is_ipv6(text: str) -> bool:
    try:
        return parse_range(text).first.version == 6
    except ValueError:
        return False


def _from_table(text: str, setting: Setting, tables: Tables, found: Imported, *, negated: bool) -> Iterator[_Pattern]:
    table = tables.table(text, setting.origin)
    if table is None or table.kind == "static":
        _lacks(found, setting, text, negated=negated)
        return
    for row in table.rows:
        origin = Origin(row.origin.file, row.origin.line, setting.origin.what)
        texts = list(_row_texts(row, table.kind))
        if not texts:
            found.leave(origin, f"{row.key} {row.action}", "this row can't be read exactly", widens=negated)
        for one in texts:
            yield _Pattern(one, origin, negated is not row.negated)


def _row_texts(row: Row, kind: str) -> Iterator[str]:
    if kind != "patterns":
        if row.understood:
            yield row.key.removeprefix("!")
        return
    for shape in row.shapes or ():
        if shape.kind == "exact":
            yield shape.text
        elif shape.kind == "ending" and shape.text.startswith("."):
            yield f"*{shape.text}"


def _lacks(found: Imported, setting: Setting, text: str, *, negated: bool) -> None:
    says = "the file was not given, or is of a kind that can't be read"
    found.leave(setting.origin, text, says, "give the file too, or write what is in it", widens=negated)


@dataclass(slots=True)
class Domains:
    """The accepted domains, by pattern, in the order of the lists."""

    found: dict[str, AcceptedDomain] = field(default_factory=dict)
    local: set[str] = field(default_factory=set)
    """Those of mydestination."""

    def resolved(self, address: str) -> str:
        """Where an address that routes goes by its local part, as Postfix takes it apart for mydestination."""
        local, _, domain = address.rpartition("@")
        if domain not in self.local:
            return address
        if "!" in local:
            first, _, rest = local.partition("!")
            return f"{rest}@{first}"
        return "@".join(local.rsplit("%", 1)) if "%" in local else address

    def accepted(self, domain: str) -> bool:
        """Whether a domain, in small letters, is handled here."""
        above = (f"*{domain[at:]}" for at, sign in enumerate(domain) if sign == "." and at)
        return domain in self.found or any(pattern in self.found for pattern in above)


def accepted_domains(values: Values, tables: Tables, found: Imported) -> Domains:
    """Every domain that some list names."""
    made = Domains()
    for name, kind in _LISTS:
        parents = name == "relay_domains" and "relay_domains" in words(
            values.get("parent_domain_matches_subdomains").value
        )
        taken: list[str] = []
        setting = values.get(name)
        of_keys = name in {"virtual_alias_domains", "virtual_mailbox_domains"}
        for one in _patterns(setting, tables, found):
            from_table = one.origin.file != setting.origin.file
            if of_keys and ("@" in one.text or (from_table and "." not in one.text)):
                continue  # an address of virtual_alias_maps, which may stand here for its domains
            for pattern in _domain_patterns(one, found, parents=parents, relay=name == "relay_domains"):
                if one.negated:
                    taken.append(pattern)
                elif not _taken(pattern, taken, one, found):
                    made.found.setdefault(pattern, AcceptedDomain(pattern, kind, one.origin))
                    made.local |= {pattern} if name == "mydestination" else set()
    return made


def _domain_patterns(one: _Pattern, found: Imported, *, parents: bool, relay: bool) -> Iterator[str]:
    text = one.text.lower()
    below = text.startswith(("*.", "."))
    name = text.removeprefix("*").removeprefix(".")
    if text.startswith("[") or (text.startswith(".") and not relay):
        return
    try:
        name = normalise_domain(name)
    except ValueError as error:
        found.leave(one.origin, one.text, str(error), widens=one.negated)
        return
    if below:
        yield f"*.{name}"
    else:
        yield name
        if parents:
            yield f"*.{name}"


def _taken(pattern: str, taken: list[str], one: _Pattern, found: Imported) -> bool:
    """Whether an earlier pattern takes it, or a part of it, away: no policy can subtract, so all of it goes."""
    sample = pattern.removeprefix("*.")
    hits = [each for each in taken if name_matches(sample, each) or each == pattern]
    inside = pattern.startswith("*.") and any(name_matches(each.removeprefix("*."), pattern) for each in taken)
    if inside and not hits:
        says = "a part of it is taken away by an earlier pattern, and no policy can say so"
        found.leave(one.origin, pattern, says, "accept the domains below it one by one")
    return bool(hits) or inside


# Networks.


@dataclass(slots=True)
class Networks:
    """A list of clients: the set and the ranges as written."""

    addresses: AddressSet = EMPTY
    parts: list[Part] = field(default_factory=list)


def mynetworks(values: Values, tables: Tables, found: Imported) -> Networks:
    """Whom permit_mynetworks permits."""
    if values.told("mynetworks"):
        return networks(values.get("mynetworks"), tables, found)
    style = values.get("mynetworks_style")
    found.leave(style.origin, f"mynetworks_style = {style.value}", _OWN_NETWORKS, "write mynetworks")
    loopback = "127.0.0.1/32 [::1]/128" if style.value == "host" else "127.0.0.0/8 [::1]/128"
    return networks(Setting(loopback, Origin("default", 0, "mynetworks")), tables, found)


def networks(setting: Setting, tables: Tables, found: Imported) -> Networks:
    """A list of addresses and prefixes; names in it are left."""
    made = Networks()
    rows: list[tuple[str, AddressSet]] = []
    for one in _patterns(setting, tables, found):
        addresses = _addresses(one, found)
        rows.append(("" if one.negated else "listed", addresses))
        made.parts += [Part(first, last, one.origin) for first, last in addresses.ranges()]
    made.addresses = first_matches(rows).get("listed", EMPTY)
    return made


def _addresses(one: _Pattern, found: Imported) -> AddressSet:
    text = one.text.replace("[", "").replace("]", "")
    try:
        read = parse_range(text)
    except ValueError:
        read = None
    if read is None or "-" in text or read.host_bits:
        said = "Postfix takes only prefixes without bits set behind them" if read else "only addresses can be read here"
        if not key_addresses(one.text.lower()):
            found.leave(one.origin, one.text, said, "list it by hand", widens=one.negated)
        return EMPTY
    return AddressSet.from_ranges([(read.first, read.last)])
