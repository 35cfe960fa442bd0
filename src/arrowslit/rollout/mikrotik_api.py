"""The REST API of RouterOS 7: raw rules, address lists and NAT rules of both families.

Sources: MikroTik's manual, "REST API", "RAW", "Address-lists". GET reads with a query, PUT adds, PATCH sets, DELETE
removes, and every value is a text. A request is cut off by the router after 60 seconds, so that lists grow entry by
entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from arrowslit.mail.address_range import parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.rollout.edges import read_set
from arrowslit.rollout.point import RolloutError
from arrowslit.rollout.web_api import AnswerError, WebApi

FAMILIES: Final = (4, 6)
_PATHS: Final = {4: "/rest/ip/firewall", 6: "/rest/ipv6/firewall"}

Rule = dict[str, str]


@dataclass(slots=True)
class MikrotikApi:
    """Calls by what they are for. Every one raises RolloutError."""

    web: WebApi

    def raw(self, family: int) -> list[Rule]:
        """The raw rules in their order."""
        return self._found(f"{_PATHS[family]}/raw")

    def forwards(self) -> list[Rule]:
        """The dst-nat rules of IPv4."""
        return [rule for rule in self._found(f"{_PATHS[4]}/nat") if rule.get("action") in {"dst-nat", "netmap"}]

    def add_rule(self, family: int, rule: Rule, before: str | None) -> None:
        """Add a raw rule, in front of another one."""
        place = {} if before is None else {"place-before": before}
        self.web.ask("PUT", f"{_PATHS[family]}/raw", {**rule, **place})

    def enable(self, family: int, rule: Rule, *, enabled: bool) -> None:
        """Let a raw rule hold, or not."""
        self.web.ask("PATCH", f"{_PATHS[family]}/raw/{rule['.id']}", {"disabled": "false" if enabled else "true"})

    def remove_rule(self, family: int, rule: Rule) -> None:
        """Remove a raw rule; that it is gone already is as good."""
        self._gone(f"{_PATHS[family]}/raw/{rule['.id']}")

    def entries(self, family: int, name: str) -> list[Rule]:
        """The entries of an address list."""
        asked = {"list": name, ".proplist": ".id,address,disabled"}
        return self._found(f"{_PATHS[family]}/address-list", asked)

    def add_entry(self, family: int, name: str, prefix: str) -> None:
        """Add an entry to an address list."""
        self.web.ask("PUT", f"{_PATHS[family]}/address-list", {"list": name, "address": prefix})

    def remove_entry(self, family: int, entry: Rule) -> None:
        """Remove an entry of an address list."""
        self._gone(f"{_PATHS[family]}/address-list/{entry['.id']}")

    # --- inside -------------------------------------------------------------------------------------------------

    def _found(self, path: str, query: dict[str, str] | None = None) -> list[Rule]:
        found = self.web.ask("GET", path, query=query)
        if not isinstance(found, list) or not all(isinstance(one, dict) and ".id" in one for one in found):
            raise RolloutError(f"the answer of {path.removeprefix('/rest/')} can't be understood")
        return [{str(key): _text(value) for key, value in one.items()} for one in found]

    def _gone(self, path: str) -> None:
        try:
            self.web.ask("DELETE", path)
        except AnswerError as error:
            if error.status != 404:
                raise


def in_force(entries: Iterable[Rule], where: str) -> AddressSet:
    """What the entries of an address list come to."""
    return read_set([entry.get("address", "") for entry in entries if not flag(entry, "disabled")], where)


def normal(prefix: str) -> str:
    """A prefix in one form, whether a single address is written with its length or not."""
    return parse_range(prefix).text


def flag(rule: Rule, name: str) -> bool:
    """A flag of a rule; RouterOS leaves out those that are not set."""
    return rule.get(name, "false") in {"true", "yes"}


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
