"""Ranges of addresses as entries of a policy, in the shortest words for them."""

from __future__ import annotations

import datetime

from arrowslit.imports.imported import Entry, Origin
from arrowslit.mail.address import IPAddress
from arrowslit.mail.address_range import AddressRange


def entry_of(
    first: IPAddress,
    last: IPAddress,
    origin: Origin,
    note: str = "",
    *,
    owner: str = "",
    expires: datetime.date | None = None,
) -> Entry:
    """A computer, a group of computers or a range, from the first to the last address, both included."""
    one = AddressRange(first, last)
    kind = "computer" if one.single else "range" if one.prefix is None else "group"
    return Entry(kind, one.text, origin, note, owner=owner, expires=expires)
