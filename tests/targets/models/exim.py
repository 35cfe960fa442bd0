"""The Exim specification, chapters 10 (lists) and 44 (ACLs): statements are tried in order, conditions in each until
one fails; the first verb that decides decides. What is handed on to the server's own ACL counts as let in.

Beside the usual model, `Acl.rcpt` says what is done with one recipient, so that it can be held against the real Exim.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from arrowslit.mail.address import IPAddress
from tests.targets.models import Admits

PASSES = "passes"
"""What nothing here decides: the server's own ACL does."""


@dataclass(frozen=True)
class Client:
    """Who talks, and what of. `signed_in` also stands for an encrypted connection only where `tls` says so."""

    address: str
    to: str
    mail_from: str = "x@sender.test"
    tls: bool = False
    signed_in: bool = False
    port: int = 25
    accepted: int = 0


@dataclass
class _Statement:
    verb: str
    lines: list[tuple[str, str]] = field(default_factory=list)


class Acl:
    """One text."""

    def __init__(self, text: str) -> None:
        self.statements = list(_statements(_logical(text)))

    def rcpt(self, client: Client) -> str:
        """The verb that decided and its message: "accept", "deny 550 5.7.1 ...", or PASSES."""
        variables: dict[str, str] = {}
        for one in self.statements:
            message = ""
            for key, value in one.lines:
                if key.startswith("set "):
                    variables[key[4:]] = _expand(value, client, variables)
                elif key in {"message", "log_message"}:
                    message = value
                elif key == "endpass" or (key == "acl" and value == "acl_check_rcpt"):
                    continue
                elif _holds(key, value, client, variables) is False:
                    break
            else:
                if any(key == "acl" for key, _ in one.lines):
                    return PASSES
                if one.verb != "warn":
                    return f"{one.verb} {message}".rstrip()
        return PASSES


def _logical(text: str) -> list[str]:
    """Lines without comments and with what continues them."""
    found: list[str] = []
    continued = False
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("#"):
            continue
        if continued:
            found[-1] += stripped.removesuffix("\\")
        elif stripped:
            found.append(stripped.removesuffix("\\"))
        continued = stripped.endswith("\\")
    return found


def _statements(lines: list[str]) -> list[_Statement]:
    found: list[_Statement] = []
    for line in lines:
        if line in {"warn", "deny", "defer", "accept"}:
            found.append(_Statement(line))
            continue
        key, _, value = line.partition("=")
        found[-1].lines.append((key.strip(), value.strip()))
    return found


def _holds(key: str, value: str, client: Client, variables: dict[str, str]) -> bool:
    if key.startswith("!"):
        return not _holds(key[1:], value, client, variables)
    local, _, domain = client.to.rpartition("@")
    match key:
        case "condition":
            return _condition(value, client, variables)
        case "hosts":
            return _in_list(value, lambda item: _is_host(item, client.address))
        case "domains":
            return _in_list(value, lambda item: _is_domain(item, domain))
        case "sender_domains":
            return _in_list(value, lambda item: _is_domain(item, client.mail_from.rpartition("@")[2]))
        case "recipients":
            return _in_list(value, lambda item: item.lower() == client.to.lower())
        case "local_parts":
            return _in_list(value, lambda item: re.search(_regex(item), local) is not None)
        case "encrypted" if value == "*":
            return client.tls
        case "authenticated" if value == "*":
            return client.signed_in
    raise ValueError(f"{key} = {value}")


def _in_list(text: str, matches: Callable[[str], bool]) -> bool:
    """First match wins; where the last item is negative, whoever reaches the end of the list matches (10.1)."""
    separator = ":"
    if text.startswith("<"):
        separator, text = text[1], text[2:]
    items = [item.strip() for item in text.split(separator)]
    if items[-1] == "":
        items.pop()
    for item in items:
        if matches(item.removeprefix("!").strip()):
            return not item.startswith("!")
    return bool(items) and items[-1].startswith("!")


def _is_host(item: str, address: str) -> bool:
    return item != "" and ip_address(address) in ip_network(item)


def _is_domain(item: str, domain: str) -> bool:
    if item.startswith("*"):
        return domain.endswith(item[1:]) and domain != item[1:]
    if not re.fullmatch(r"[a-z0-9._-]+", item):
        raise ValueError(item)
    return item == domain


def _regex(item: str) -> str:
    if not item.startswith("^"):
        raise ValueError(item)
    return item


def _condition(text: str, client: Client, variables: dict[str, str]) -> bool:
    found = re.fullmatch(r"\$\{if (.*)\}", text)
    if found is None:
        raise ValueError(text)
    return _test(found.group(1), client, variables)


def _test(text: str, client: Client, variables: dict[str, str]) -> bool:
    if text.startswith("!"):
        return not _test(text[1:], client, variables)
    if found := re.fullmatch(r"eq\{\$(\w+)\}\{(\w+)\}", text):
        return variables[found[1]] == found[2]
    if found := re.fullmatch(r"inlist\{\$received_port\}\{([\d:-]+)\}", text):
        return str(client.port) in found[1].split(":")
    if found := re.fullmatch(r">=\{\$recipients_count\}\{(\d+)\}", text):
        return client.accepted >= int(found[1])
    raise ValueError(text)


def _expand(text: str, client: Client, variables: dict[str, str]) -> str:
    if found := re.fullmatch(r"\$\{if def:tls_in_cipher\{(\w+)\}\{(\w+)\}\}", text):
        return found[1] if client.tls else found[2]
    if not re.fullmatch(r"\w+", text):
        raise ValueError(text)
    return text


def rcpt_acl(text: str) -> Admits:
    """Whom the text does not refuse for who he is, in TLS, writing to the first accepted domain that it names."""
    acl = Acl(text)
    domains = [value for one in acl.statements for key, value in one.lines if key == "!domains"]
    to = "anybody@" + next(item.strip() for item in domains[-1].split(":") if not item.strip().startswith("*"))

    def admits(address: IPAddress) -> bool:
        return not acl.rcpt(Client(str(address), to, tls=True)).endswith("may not deliver here")

    return admits


MODELS = {"exim": rcpt_acl, "exim-debian": rcpt_acl, "exim-cpanel": rcpt_acl}
