"""Postfix's restriction lists: postconf(5), access(5), cidr_table(5), regexp_table(5), RESTRICTION_CLASS_README.

A list is gone through in order until an element permits or rejects; its end is neither. A table's answer is a list of
its own, or the name of one (a restriction class). `warn_if_reject` turns the rejection of the element behind it into a
line of the log. What Postfix does not know is refused with 451, here a ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits


@dataclass(frozen=True)
class Client:
    """Who comes: by which address and name, to whom, in TLS or not; nobody has signed in."""

    address: IPAddress
    to: str
    tls: bool = True
    name: str = "unknown"


@dataclass(frozen=True)
class Postfix:
    """What one smtpd service is set to. `handles` are the domains that Postfix itself takes for its own."""

    settings: Mapping[str, str]
    service: Mapping[str, str]
    tables: Mapping[str, str]
    handles: frozenset[str] = frozenset()
    classes: Mapping[str, str] = field(default_factory=dict)

    def permits(self, client: Client) -> bool:
        """Whether a recipient of this client is taken, as far as our list goes."""
        gate = self.service["smtpd_relay_restrictions"]
        if not gate.startswith("$arrowslit_"):
            raise ValueError(gate)
        return self._list(self.settings[gate[1:]], client, warns=False) != "reject"

    def _list(self, text: str, client: Client, *, warns: bool) -> str:
        elements = re.split(r"[,\s]+", text)
        only_next = False
        while elements:
            element = elements.pop(0)
            if element == "warn_if_reject":
                only_next = True
                continue
            argument = elements.pop(0) if element.startswith("check_") else ""
            said = self._element(element, argument, client, warns=warns or only_next)
            if said == "reject" and (warns or only_next):
                said = ""
            only_next = False
            if said:
                return said
        return ""

    def _element(self, element: str, argument: str, client: Client, *, warns: bool) -> str:
        if element in self.classes:
            return self._list(self.classes[element], client, warns=warns)
        if element.startswith("check_"):
            answer = self._look(argument, element, client)
            return "" if answer in {"", "DUNNO"} else self._list(answer, client, warns=warns)
        known = {
            "permit": "permit",
            "reject": "reject",
            "defer": "reject",
            "permit_sasl_authenticated": "",
            "reject_plaintext_session": "" if client.tls else "reject",
            "reject_unauth_destination": "" if client.to.partition("@")[2] in self.handles else "reject",
            "reject_unknown_client_hostname": "reject" if client.name == "unknown" else "",
        }
        if element not in known:
            raise ValueError(f"no such restriction: {element}")
        return known[element]

    def _look(self, table: str, how: str, client: Client) -> str:
        kind, _, name = table.partition(":$arrowslit_tables/")
        lines = [line for line in self.tables[name].splitlines() if line and not line.startswith("#")]
        keys = {"check_client_access": [client.name, str(client.address)], "check_recipient_access": [client.to]}[how]
        look = {"cidr": _cidr, "regexp": _regexp}[kind]
        return next((answer for key in keys if (answer := look(lines, key)) is not None), "")


def _cidr(lines: Sequence[str], key: str) -> str | None:
    if not re.fullmatch(r"[0-9a-f.:]*[.:][0-9a-f.:]*", key) or re.search(r"[g-z]", key):
        return None
    for line in lines:
        pattern, _, answer = line.partition(" ")
        network, address = (
            ip_network(pattern),
            ip_network(key),
        )  # ip_network wants host bits to be zero, as Postfix does
        if network.version == address.version and network.overlaps(address):
            return answer.strip()
    return None


def _regexp(lines: Sequence[str], key: str) -> str | None:
    for line in lines:
        found = re.fullmatch(r"/((?:[^/\\]|\\.)*)/ +(\S.*)", line)
        if found is None:
            raise ValueError(line)
        if re.search(found.group(1), key, re.I):
            return found.group(2)
    return None


def of_script(text: str) -> Postfix:
    """What the shell script of the target postfix sets."""
    tables = dict(re.findall(r"^cat >\"\$1/([\w.-]+)\" <<'END_OF_TABLE'\n(.*?)^END_OF_TABLE$", text, re.S | re.M))
    settings = dict(re.findall(r"^\t\t'(\w+) = (.*)'(?: \\)?$", text, re.M))
    service = dict(re.findall(r"\"\$1/\"'(\w+)=([^']*)'", text))
    (named,) = re.findall(r'^\t\t"smtpd_restriction_classes = \$\{old_classes:\+\$old_classes, \}(.*?)"', text, re.M)
    (accepted,) = re.findall(r"^ACCEPTED='(.*)'$", text, re.M)
    copies = re.findall(r"^\tcopy_list (\w+) ", text, re.M)
    classes = {name: settings.get(name, "permit") for name in named.split(", ") if name in settings or name in copies}
    if len(classes) != len(named.split(", ")):
        raise ValueError(named)
    return Postfix(settings, service, tables, frozenset(accepted.split()), classes)


def admits(text: str) -> Admits:
    """Whether a client may write to somebody, in TLS and without a name: the gate has nothing else to refuse then."""
    found = of_script(text)
    domain = next(one for one in sorted(found.handles) if not one.startswith("*"))
    return lambda address: found.permits(Client(address, f"anybody@{domain}"))


MODELS = dict.fromkeys(["postfix", "mailcow", "docker-mailserver", "zimbra", "mail-in-a-box"], admits)
