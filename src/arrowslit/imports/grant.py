"""One grant while it is being made: a set of addresses in one of the two modes, and the names that count beside it.

In `only_listed` a name lets in from everywhere; in `all_except_listed` it keeps out from everywhere. `extra` are the
addresses that need TLS. A wildcard is only taken where everything below it that the source tells apart is to have the
same: else it is left out, which is the narrower side of `only_listed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from arrowslit.imports.asking import OTHER_NAME, Name
from arrowslit.imports.imported import AccessList, Entry, Origin
from arrowslit.imports.spaces import EMPTY, EVERYBODY, Part, common, entries_of
from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.domain import name_matches

Sets = Callable[[bool, str], AddressSet]
"""The permitted addresses, by TLS and client name."""


@dataclass(slots=True)
class Grant:
    """`addresses` are those who may, in either mode."""

    only_listed: bool
    addresses: AddressSet
    extra: AddressSet = EMPTY
    names: dict[str, tuple[Name, bool]] = field(default_factory=dict)
    """Pattern -> what it was made from, and whether it needs TLS."""

    def permits(self, tls: bool, name: str) -> AddressSet:
        """Who may, of all clients with that name."""
        hit = [needs for pattern, (_, needs) in self.names.items() if name_matches(name, pattern)]
        if not self.only_listed:
            return EMPTY if hit else self.addresses
        if any(tls or not needs for needs in hit):
            return EVERYBODY
        return self.addresses.union(self.extra) if tls else self.addresses

    @property
    def everybody(self) -> bool:
        """True where nobody is kept out."""
        return self.addresses == EVERYBODY and (self.only_listed or not self.names)

    def access(self, parts: Sequence[Part], origin: Origin) -> AccessList:
        """The list as the policy has it."""
        named = [Entry("domain", pattern, name.origin, "", needs) for pattern, (name, needs) in self.names.items()]
        if not self.only_listed:
            kept_out = entries_of(EVERYBODY.subtract(self.addresses), parts, origin)
            return AccessList("all_except_listed", [], kept_out + named, origin)
        listed = entries_of(self.addresses, parts, origin)
        listed += entries_of(self.extra, parts, origin, require_tls=True)
        return AccessList("only_listed", listed + named, [], origin)


def granted(
    sets: Sets,
    within: Sets,
    tls: tuple[bool, ...],
    names: Sequence[Name],
    strangers: AddressSet,
    *,
    only_listed: bool = False,
) -> Grant:
    """The grant that comes nearest to `sets`, from the narrower side.

    `within` is what limits it anyway (for delivering and relaying: who may connect). `strangers` are the addresses
    that the source names nowhere: whoever lets them in has a list of exceptions, unless it has to be `only_listed`.
    """
    low, high = sets(tls[0], OTHER_NAME), sets(tls[-1], OTHER_NAME)
    plain = common(low, high) if len(tls) > 1 else low
    extra = high.subtract(plain)
    outer = within(tls[-1], OTHER_NAME)
    refused = outer.subtract(plain)
    open_to_all = bool(strangers) and not strangers.subtract(plain)
    fewer = outer != EVERYBODY and len(refused) < len(plain) + len(extra)
    if (open_to_all or fewer or not refused) and not extra and not only_listed:
        found = Grant(False, EVERYBODY.subtract(refused))
    else:
        found = Grant(True, plain, extra)
    _add_names(found, sets, within, tls, names)
    return found


def _add_names(found: Grant, sets: Sets, within: Sets, tls: tuple[bool, ...], names: Sequence[Name]) -> None:
    for name in names:
        if all(sets(one, name.text) == common(found.permits(one, name.text), within(one, name.text)) for one in tls):
            continue
        if not found.only_listed:
            if all(not sets(one, name.text) for one in tls):
                found.names[name.pattern] = (name, False)
            continue
        whole = [one for one in tls if not within(one, name.text).subtract(sets(one, name.text))]
        if len(whole) == len(tls):
            found.names[name.pattern] = (name, False)
        elif tls[-1] in whole:
            found.names[name.pattern] = (name, True)
    _without_too_wide(found, sets, within, tls, names)


def _without_too_wide(found: Grant, sets: Sets, within: Sets, tls: tuple[bool, ...], names: Sequence[Name]) -> None:
    """A wildcard over a name that is to have less goes, until none is left that gives too much."""
    for pattern in [one for one in found.names if one.startswith("*.") and found.only_listed]:
        below = [name for name in names if name.pattern != pattern and name_matches(name.text, pattern)]
        if any(
            common(found.permits(one, name.text), within(one, name.text)).subtract(sets(one, name.text))
            for one in tls
            for name in below
        ):
            del found.names[pattern]
