"""The live enforcement point AWS: a security group that lets in a managed prefix list of each family.

A group has no rule that refuses: our lists have those who are permitted. A list that is to have no entry has no rule.
Everything new comes before anything old goes. Before a change the versions of the lists are on this machine's disk;
undo restores them. The rules beside ours are left and named, those of all groups of the same interfaces too, since they
add up; only with `close` those of this group go that open just our ports to everybody, and undo brings them back.

Who is connected already stays connected. Tried against moto and a recorded protocol only, never in an account of AWS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arrowslit.policy.parts import OBSERVE
from arrowslit.rollout.aws_api import AT_ONCE, FAMILIES, AwsApi, Data, PrefixList
from arrowslit.rollout.aws_place import Account, opens_to_everybody, read_account, saved, wide_rules
from arrowslit.rollout.edges import written
from arrowslit.rollout.kept import Kept, KeptFile
from arrowslit.rollout.point import ChangedMeanwhileError, Difference, HalfMadeError, RolloutError, Seen
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Place


@dataclass(slots=True)
class AwsPoint:
    """`close`: take away the rules of the group that open just `ports` to everybody."""

    api: AwsApi
    kept: KeptFile
    ports: tuple[int, ...] = (25,)
    close: bool = False
    keeps_time: bool = False
    forgets: bool = False

    def look(self) -> Seen:
        """What is there now."""
        account = self._account()
        holds = any(one is not None for one in account.lists.values())
        wide = tuple(wide_rules(self.api, account, self.ports))
        return Seen(account.token, holds, account.listed(self.ports), None, wide)

    def differs(self, rules: Rules, place: Place) -> Difference:
        """What these rules would change."""
        return self._difference(self._account(), rules, place)

    def apply(self, rules: Rules, place: Place, token: str, seconds: int | None) -> Seen:
        """Put these rules there."""
        if rules.server.mode == OBSERVE:
            raise RolloutError('a security group can\'t only count: mode is "observe"')
        account = self._account()
        if account.token != token:
            raise ChangedMeanwhileError("the group or our lists were changed since they were looked at")
        kept = self.kept.read()
        if kept.before is not None:
            raise RolloutError("a change that nobody confirmed is still there: undo it first")
        original, before = self._as_it_was(account, kept)
        self.kept.write(Kept(original, before))
        try:
            self._change(account, rules, before["closed"])
            self._prove(rules, place)
        except RolloutError as error:
            self._undone(error)
        if seconds is None:
            self.kept.write(Kept(original, None))
        return self.look()

    def load(self, text: str) -> None:  # noqa: ARG002
        """AWS forgets nothing."""
        raise RolloutError("AWS keeps its rules: there is nothing to load again")

    def confirm(self) -> Seen:
        """Let what is pending hold for good."""
        kept = self.kept.read()
        if kept.before is None:
            raise RolloutError("nothing is pending")
        self.kept.write(Kept(kept.original, None))
        return self.look()

    def take_back(self) -> Seen:
        """Go back to the versions before what is pending; where nothing is, leave all as it is."""
        kept = self.kept.read()
        if kept.before is not None:
            self._restore(kept.before)
            if any(one is not None for one in kept.before["lists"].values()):
                closed = [one for one in (kept.original or {}).get("closed", ()) if one not in kept.before["closed"]]
                self.kept.write(Kept({"closed": closed}, None))
            else:
                self.kept.remove()
        return self.look()

    def undo(self) -> Seen:
        """Go back to the versions before what is pending; where nothing is, remove ours."""
        kept = self.kept.read()
        if kept.before is not None:
            return self.take_back()
        if kept.original is not None:
            self._restore({"lists": dict.fromkeys(FAMILIES), "closed": kept.original["closed"]})
            self.kept.remove()
        elif any(one is not None for one in self._account().lists.values()):
            raise RolloutError(f"{self.kept.path} is gone, so nobody knows what was there before: change it there")
        return self.look()

    # --- seeing -------------------------------------------------------------------------------------------------

    def _difference(self, account: Account, rules: Rules, place: Place) -> Difference:
        wanted, there = rules.connect.permitted, account.listed(self.ports)
        if all(one is None for one in account.lists.values()):
            return Difference(wanted, says=("no rule of ours holds",))
        says = [f"our rule for port {port} of IPv{family} is missing" for family, port in self._missing(account)]
        if self.close:
            says += [f"port {rule['FromPort']} is open to everybody" for rule in account.rules if self._closes(rule)]
        if place.ports != self.ports:
            says.append("the ports are others")
        return Difference(wanted.subtract(there), there.subtract(wanted), tuple(says))

    def _missing(self, account: Account) -> Iterator[tuple[str, int]]:
        for family, one in account.lists.items():
            if one is not None and one.entries:
                yield from ((family, port) for port in self.ports if port not in account.own(family))

    def _account(self) -> Account:
        return read_account(self.api, self.ports, close=self.close)

    def _closes(self, rule: Data) -> bool:
        return self.close and opens_to_everybody(rule)

    # --- changing -----------------------------------------------------------------------------------------------

    def _as_it_was(self, account: Account, kept: Kept) -> tuple[Data, Data]:
        """What is kept as the original and as what was before this change."""
        closed = [saved(rule) for rule in account.rules if self._closes(rule)]
        lists = {
            family: None
            if one is None
            else {"id": one.id, "version": one.version, "ports": sorted(account.own(family))}
            for family, one in account.lists.items()
        }
        earlier = [one for one in (kept.original or {}).get("closed", ()) if one not in closed]
        return {"closed": [*earlier, *closed]}, {"lists": lists, "closed": closed}

    def _change(self, account: Account, rules: Rules, closed: list[Data]) -> None:
        prefixes = written(rules.connect.permitted)
        for family in FAMILIES:
            wanted = {text if "/" in text else f"{text}/{32 if family == '4' else 128}" for text in prefixes
                      if (":" in text) is (family == "6")}  # fmt: skip
            if account.lists[family] is None:
                self.api.make_list(family, len(wanted))
            self._fill(self._there(family), wanted)
            self._let_in(family, self.ports if wanted else ())
        for rule in self._account().rules if closed else ():
            if self._closes(rule):
                self.api.revoke(rule)

    def _there(self, family: str) -> PrefixList:
        found = self.api.prefix_list(family)
        if found is None:
            raise RolloutError(f"the prefix list {self.api.name(family)} is gone")
        return found

    def _fill(self, one: PrefixList, wanted: set[str]) -> None:
        """In one change where AWS takes it in one; else all that is new comes before anything goes."""
        new, old = sorted(wanted - set(one.entries)), sorted(set(one.entries) - wanted)
        if not new and not old:
            return
        at_once = len(new) <= AT_ONCE and len(old) <= AT_ONCE
        most = len(wanted) if at_once else len(wanted | set(one.entries))
        if most > one.most:
            self.api.grow(one, most)
        version = one.version
        if at_once:
            self.api.modify(one, version, new, old)
            return
        for add, remove in (*_pieces(new, adding=True), *_pieces(old, adding=False)):
            self.api.modify(one, version, add, remove)
            version += 1

    def _let_in(self, family: str, ports: tuple[int, ...]) -> None:
        """Have rules of ours for these ports and for no others."""
        account = self._account()
        one, own = account.lists[family], account.own(family)
        if one is None:
            return
        for port in ports:
            if port not in own:
                source = {"PrefixListIds": [{"PrefixListId": one.id, "Description": "Arrowslit"}]}
                self.api.authorise(port, source)
        for port, rule in own.items():
            if port not in ports:
                self.api.revoke(rule)

    def _prove(self, rules: Rules, place: Place) -> None:
        difference = self._difference(self._account(), rules, place)
        if difference:
            raise RolloutError(f"what was read back differs: {'; '.join(difference.says) or 'other addresses'}")

    # --- going back ---------------------------------------------------------------------------------------------

    def _undone(self, error: RolloutError) -> None:
        try:
            self.take_back()
        except RolloutError as another:
            raise HalfMadeError(f"{error}; it could not be undone yet: {another}") from error
        raise RolloutError(f"{error}; it was undone at once") from error

    def _restore(self, before: Data) -> None:
        """First who was let in before gets in again, then who was not is kept out."""
        for one in before["closed"]:
            self.api.authorise(one["port"], one["source"])
        for family, was in before["lists"].items():
            found = self.api.prefix_list(family)
            if was is None:
                self._remove(family, found)
                continue
            if found is None or found.id != was["id"]:
                raise RolloutError(f"the prefix list {was['id']} is gone: nobody else knows whom it let in")
            if found.version != was["version"]:
                self.api.restore(found, was["version"])
            self._let_in(family, tuple(was["ports"]))

    def _remove(self, family: str, found: PrefixList | None) -> None:
        if found is not None:
            self._let_in(family, ())
            self.api.delete_list(found)


def _pieces(cidrs: list[str], *, adding: bool) -> Iterator[tuple[list[str], list[str]]]:
    for at in range(0, len(cidrs), AT_ONCE):
        piece = cidrs[at : at + AT_ONCE]
        yield (piece, []) if adding else ([], piece)
