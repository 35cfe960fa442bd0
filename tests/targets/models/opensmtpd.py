"""smtpd.conf(5) and table(5): filters of a listener first, then rules in their order, the first that matches.

The conditions of a filter are joined by "or", those of a rule by "and" (lka_filter.c, ruleset.c). `rules` says what is
done with one recipient; what no rule rejects is let in, for the site's own rules follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

PASSES = "passes"


@dataclass(frozen=True)
class Client:
    """Who talks, and what of."""

    address: str
    to: str
    mail_from: str = "x@sender.test"
    signed_in: bool = False


class Conf:
    """One included file."""

    def __init__(self, text: str) -> None:
        text = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
        self._tables: dict[str, list[str]] = {}
        for name, body in re.findall(r"^table (\w+) \{ (.*?) \}$", text, re.S | re.M):
            if not re.fullmatch(r'"[^"\n]+"(\n\s*"[^"\n]+")*', body):
                raise ValueError(f"table {name}: {body}")  # as 6.8 reads them: no comma and line end together
            self._tables[name] = re.findall(r'"([^"]*)"', body)
        rest = re.sub(r"^table \w+ \{ .*? \}$", "", text, flags=re.S | re.M)
        lines = [line for line in rest.split("\n") if line.strip()]
        self._filters = dict(_filter(line) for line in lines if line.startswith("filter "))
        self._matches = [_match(line) for line in lines if line.startswith("match ")]
        if len(self._filters) + len(self._matches) != len(lines):
            raise ValueError(lines)

    def rules(self, client: Client) -> str:
        """`550 5.7.1 ...` of a filter, "reject" of a rule, or PASSES."""
        chain = re.fullmatch(r"chain \{ (.*) \}", self._filters["arrowslit"])
        if chain is None and 'match src "0.0.0.0/32"' not in self._filters["arrowslit"]:
            raise ValueError("no chain")
        for name in chain[1].split(", ") if chain else ():
            found = re.fullmatch(
                r'phase rcpt-to match (!?\w[\w-]*(?: regex)? <\w+>) (bypass|reject "(.*)")', self._filters[name]
            )
            if found is None:
                raise ValueError(self._filters[name])
            if self._holds(found[1], client):
                if found[2] == "bypass":
                    break
                return found[3]
        for conditions in self._matches:
            if all(self._holds(one, client) for one in conditions):
                return "reject"
        return PASSES

    def _holds(self, condition: str, client: Client) -> bool:
        if condition.startswith("!"):
            return not self._holds(condition[1:], client)
        if condition in {'tag "arrowslit"', "for any"}:
            return True
        if condition == "auth":
            return client.signed_in
        found = re.fullmatch(r"((?:from |for )?[\w-]+)( regex)? <(\w+)>", condition)
        if found is None:
            raise ValueError(condition)
        what, regex, table = found.groups()
        key, matches = self._asked(what, bool(regex), client)
        return any(matches(entry, key) for entry in self._tables[table])

    def _asked(self, what: str, regex: bool, client: Client) -> tuple[str, Callable[[str, str], bool]]:
        if what in {"src", "from src"} and not regex:
            return client.address, _is_host
        key = {"rcpt-to": client.to, "mail-from": client.mail_from, "for domain": client.to.rpartition("@")[2]}[what]
        if not regex:
            raise ValueError("names are only read as regular expressions here")
        return key, _fits


def _filter(line: str) -> tuple[str, str]:
    found = re.fullmatch(r'filter "(\w+)" (.*)', line)
    if found is None:
        raise ValueError(line)
    return found[1], found[2]


def _match(line: str) -> list[str]:
    found = re.fullmatch(r"match (.*) reject", line)
    if found is None:
        raise ValueError(line)
    option = r'tag "\w+"|!?from src <\w+>|!?auth|for any|!?for domain regex <\w+>|!?(?:rcpt-to|mail-from) regex <\w+>'
    options = re.findall(option, found[1])
    kinds = [re.sub(r"^!|[ <].*", "", one) for one in options]
    if " ".join(options) != found[1] or len(set(kinds)) != len(kinds) or not {"tag", "from", "for"} <= set(kinds):
        raise ValueError(line)  # without `from` or `for` a rule is for local mail only
    return options


def _is_host(entry: str, address: str) -> bool:
    return entry != "local" and ip_address(address) in ip_network(entry)


def _fits(pattern: str, key: str) -> bool:
    flags = re.IGNORECASE if pattern.startswith("(?i)") else 0
    return re.search(pattern.removeprefix("(?i)"), key, flags) is not None


def included(text: str) -> Admits:
    """Whom the text does not refuse for who he is."""
    conf = Conf(text)

    def admits(address: IPAddress) -> bool:
        return "may not deliver here" not in conf.rules(Client(str(address), "anybody@example.org"))

    return admits


MODELS = {"opensmtpd": included}
