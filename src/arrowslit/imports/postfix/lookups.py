"""What a table says of a client or a recipient, in the order in which Postfix looks.

A client: its name first, then its address; the first row found is the answer, DUNNO too. In an indexed table a name is
looked up whole and then without its first labels (with a leading dot where parent domains do not match), an address
whole and then without its last octets; "unknown" is the name of who has none. Patterns and prefixes are gone through
from the top, with the whole name and then with the whole address. Sources: access(5), cidr_table(5), regexp_table(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from arrowslit.imports.postfix.tables import Row, Table
from arrowslit.imports.spaces import EMPTY, EVERYBODY, first_matches
from arrowslit.mail.address_set import AddressSet

UNKNOWN_NAME = "unknown"


def of_name(table: Table, name: str, *, parents: bool) -> Row | None:
    """The row for a client name, in small letters; "unknown" where it has none."""
    if table.kind == "static":
        return table.rows[0]
    if table.kind == "indexed":
        return next((table.keys[key] for key in name_keys(name, parents=parents) if key in table.keys), None)
    return None if table.kind == "cidr" else _matching(table, name)


def name_keys(name: str, *, parents: bool) -> Iterator[str]:
    """What a name is looked up as."""
    yield name
    for at, sign in enumerate(name):
        if sign == "." and at:
            yield name[at + 1 if parents else at :]


def of_addresses(table: Table) -> list[tuple[Row, AddressSet]]:
    """Actions, each by a row that has it, with the addresses that it is the answer for; no address has two."""
    if table.partition is None:
        rows = [(row, addresses) for row, addresses in _address_rows(table) if addresses]
        by_meaning = {meaning(row.action): row for row, _ in reversed(rows)}
        sets = first_matches([(meaning(row.action), addresses) for row, addresses in rows])
        table.partition = [(by_meaning[action], addresses) for action, addresses in sets.items()]
    return table.partition


def meaning(action: str) -> str:
    """The action without the words for the client: "reject", "defer", "ok", "dunno", or the whole text."""
    word = action.split(None, 1)[0].rstrip(",").lower() if action.split() else ""
    code = len(word) == 3 and word.isascii() and word.isdigit()
    if word == "ok" or (action.strip().isascii() and action.strip().isdigit()):
        return "ok"
    if word == "reject" or (code and word[0] == "5"):
        return "reject"
    if word in {"defer", "defer_if_permit"} or (code and word[0] == "4"):
        return "defer"
    return "dunno" if word in {"dunno", "defer_if_reject", "warn", "info"} else action.strip()


def _address_rows(table: Table) -> Iterator[tuple[Row, AddressSet]]:
    if table.kind == "static":
        yield table.rows[0], EVERYBODY
    elif table.kind == "indexed":
        found = [(row, key_addresses(row.key)) for row in table.keys.values()]
        listed = [(row, addresses) for row, addresses in found if addresses]
        yield from sorted(listed, key=lambda one: -_octets(one[0].key))
    else:
        for row in table.rows:
            if row.understood:
                addresses = row.addresses if table.kind == "cidr" else _shape_addresses(row)
                yield row, EVERYBODY.subtract(addresses) if row.negated else addresses


def _octets(key: str) -> int:
    return len([part for part in key.replace(":", ".").split(".") if part])


def key_addresses(key: str) -> AddressSet:
    """The addresses that a key of an indexed table stands for: an address, or its first octets; none for a name.

    Of IPv6 only whole addresses and keys without zeros, since an address is looked up as it is written, and then a
    run of zeros is not there.
    """
    if ":" in key:
        return _ipv6_key(key)
    parts = key.split(".")
    if len(parts) > 4 or not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        return EMPTY
    numbers = [int(part) for part in parts]
    if max(numbers) > 255 or any(str(number) != part for number, part in zip(numbers, parts, strict=True)):
        return EMPTY
    first = 0
    for number in numbers:
        first = first << 8 | number
    shift = 8 * (4 - len(numbers))
    low = first << shift
    return AddressSet.from_ranges([(IPv4Address(low), IPv4Address(low | (1 << shift) - 1))])


def _ipv6_key(key: str) -> AddressSet:
    try:
        whole = IPv6Address(key)
    except ValueError:
        pass
    else:
        return AddressSet.from_ranges([(whole, whole)]) if str(whole) == key else EMPTY
    parts = key.split(":")
    plain = all(part and len(part) < 5 and set(part) <= set("0123456789abcdef") and part[0] != "0" for part in parts)
    if len(parts) > 7 or not plain:
        return EMPTY
    shift = 16 * (8 - len(parts))
    low = int("".join(part.zfill(4) for part in parts), 16) << shift
    return AddressSet.from_ranges([(IPv6Address(low), IPv6Address(low | (1 << shift) - 1))])


def _shape_addresses(row: Row) -> AddressSet:
    found = EMPTY
    for shape in row.shapes or ():
        if shape.kind == "everything":
            return EVERYBODY
        if shape.kind == "exact" or (shape.kind == "beginning" and shape.text[-1:] in {".", ":"}):
            found = found.union(key_addresses(shape.text.rstrip(".:") if shape.kind == "beginning" else shape.text))
    return found


def _matching(table: Table, text: str) -> Row | None:
    for row in table.rows:
        if row.understood and any(shape.matches(text) for shape in row.shapes or ()) is not row.negated:
            return row
    return None


def of_recipient(table: Table, address: str, *, parents: bool) -> Row | None:
    """The row for a recipient, in small letters: whole, its domain and what is above it, its local part with "@"."""
    if table.kind == "static":
        return table.rows[0]
    if table.kind == "patterns":
        return _matching(table, address)
    if table.kind == "cidr":
        return None
    local, _, domain = address.rpartition("@")
    keys = (address, *name_keys(domain, parents=parents), f"{local}@")
    return next((table.keys[key] for key in keys if key in table.keys), None)
