"""The two files that `arrowslit setup` writes, from the answers. Text only; it is judged before it is written."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked. `filter_lines` are those of the network `filter`; `doubts` are told and stand as comments."""

    name: str
    domains: tuple[str, ...]
    mail_server: str
    listen: str
    filter_title: str
    filter_lines: tuple[str, ...]
    filter_example: str = ""
    """An address that the filter delivers from, for the expectation; empty where none is known."""
    doubts: tuple[str, ...] = ()
    offices: tuple[str, ...] = ()
    printers: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    relay_server: str = ""


def settings_text(answers: Answers) -> str:
    """arrowslit.toml."""
    return f"""\
# Made by `arrowslit setup`. Every setting is in docs/reference/settings.md.

[node]
name = "{answers.name}"

[[listeners]]
address = "{answers.listen}"
tls = "starttls"
"""


def policy_text(answers: Answers, today: datetime.date) -> str:
    """policy.toml."""
    parts = [_HEAD.format(today=today.isoformat()), _filter(answers)]
    if answers.offices:
        listed = ", ".join(f'"{one}"' for one in answers.offices)
        parts.append(f'[networks.office]\ndescription = "our own networks"\naddresses = [{listed}]\n')
    parts += [_next_hops(answers), *(_domain(name) for name in answers.domains), _server(answers), _expected(answers)]
    return "\n".join(parts)


_HEAD: Final = """\
# Made by `arrowslit setup` on {today}. Every word of it is in docs/reference/policy.md.
# It only watches: look at what would be refused (arrowslit decision list --would-be --by-client), then
# write mode = "enforce" below and: arrowslit policy apply --confirm-within 10m

version = 1
"""


def _filter(answers: Answers) -> str:
    doubts = "".join(f"# {doubt}\n" for doubt in answers.doubts)
    lines = "".join(f"{line}\n" for line in answers.filter_lines)
    return f'{doubts}[networks.filter]\ndescription = "{answers.filter_title}"\n{lines}'


def _next_hops(answers: Answers) -> str:
    text = f'[next_hops.mail_server]\naddress = "smtp://{answers.mail_server}"\ntls = "opportunistic"\n'
    if answers.relay_server:
        text += (
            f'\n[next_hops.outbound]             # where relayed mail goes\naddress = "smtp://{answers.relay_server}"\n'
        )
    return text


def _domain(name: str) -> str:
    return f'[accepted_domains."{name}"]\nnext_hop = "mail_server"\n'


def _server(answers: Answers) -> str:
    relay = "outbound" if answers.relay_server else "mail_server"
    lines = ["[virtual_servers.default]", 'mode = "observe"                 # then "enforce"']
    if answers.printers:
        lines.append(f'relay_next_hop = "{relay}"')
    lines += ["", "[virtual_servers.default.connection_control]", "only_listed = [", '  { network = "filter" },']
    if answers.offices:
        lines.append('  { network = "office" },')
    lines += [
        f"  {_entry(one, 'printer or scanner')}," for one in answers.printers if not _inside(one, answers.offices)
    ]
    lines += [f"  {_entry(one, 'branch')}," for one in answers.branches]
    lines += ["]", "", "[virtual_servers.default.relay_restrictions]", "only_listed = ["]
    lines += [f"  {_entry(one, 'printer or scanner: it mails to outside')}," for one in answers.printers]
    lines += ["]", "allow_authenticated = false", ""]
    return "\n".join(lines)


def _entry(text: str, note: str) -> str:
    kind = "domain" if _NAME.fullmatch(text) and not _is_range(text) else "group" if "/" in text else "computer"
    return f'{{ {kind} = "{text}", note = "{note}" }}'


def _is_range(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _inside(text: str, offices: Sequence[str]) -> bool:
    try:
        one = ip_network(text, strict=False)
    except ValueError:
        return False
    for office in offices:
        other = ip_network(office, strict=False)
        if one.version == other.version and one.subnet_of(other):  # type: ignore[arg-type]
            return True
    return False


def _expected(answers: Answers) -> str:
    to = f"postmaster@{answers.domains[0]}"
    outside = "someone@elsewhere.example"
    statements = []
    if answers.filter_example:
        statements += [
            ("the filter delivers to us", answers.filter_example, to, "permit"),
            ("the filter can't relay through us", answers.filter_example, outside, "reject"),
        ]
    statements.append(("a stranger does not get in", "203.0.113.9", to, "reject"))
    statements += [(f"the printer {one} mails to outside", one, outside, "permit") for one in answers.printers]
    return "\n".join(
        f'[[expectations]]\nthat = "{that}"\nfrom = "{source}"\nto = "{to}"\noutcome = "{outcome}"\n'
        for that, source, to, outcome in statements
    )
