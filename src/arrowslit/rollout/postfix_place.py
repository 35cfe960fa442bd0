"""Reads our part of a Postfix: settings of main.cf, what services of the mail ports have, and tables as sets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from arrowslit.mail.address_range import read_ranges
from arrowslit.mail.address_set import EMPTY, AddressSet
from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.attribution import attributed
from arrowslit.targets.postfix_script import NAMES, SERVICE_SETTINGS
from arrowslit.targets.postfix_tables import Table

OURS: Final = "arrowslit_"
GATE: Final = "smtpd_relay_restrictions"
_BETWEEN: Final = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf that takes mail: "smtp/inet" is its name. `settings` are those of its own."""

    name: str
    program: str
    settings: Mapping[str, str]

    @property
    def gated(self) -> bool:
        """Whether our lists stand before it."""
        return self.settings.get(GATE) == "$arrowslit_gate"


@dataclass(frozen=True, slots=True)
class LivePostfix:
    """What is there. `main` are our settings, `tables` the text of each table by its name."""

    folder: str
    main: Mapping[str, str]
    services: tuple[Service, ...]
    guarded: tuple[Service, ...]
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def there(self) -> bool:
        """Whether anything of ours is."""
        return any(name.startswith(OURS) for name in self.main) or any(one.gated for one in self.services)

    @property
    def holds(self) -> bool:
        """Whether our lists stand before every service of the ports, with a gate in them."""
        gated = bool(self.guarded) and all(one.gated for one in self.guarded)
        return gated and bool(words(self.main.get("arrowslit_gate", "")))

    @property
    def digest(self) -> str:
        """The name of the set of tables that counts."""
        return self.main.get("arrowslit_tables", "").rpartition("/")[2]

    @property
    def listed(self) -> AddressSet:
        """The addresses of the list of who may connect, or who may not."""
        return EMPTY.union(*(one for _, one in actions(self.tables.get("connect.cidr", ""))))

    @property
    def token(self) -> str:
        """Changes with anything of ours."""
        ours = {one.name: {key: one.settings[key] for key in sorted(frozenset(SERVICE_SETTINGS) & set(one.settings))}
                for one in self.guarded}  # fmt: skip
        said = repr((sorted(self.main.items()), sorted(ours.items()), sorted(self.tables.items())))
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def words(value: str) -> list[str]:
    """The words of a list of restrictions."""
    return [word for word in _BETWEEN.split(value) if word]


def read(machine: MailMachine, ports: Sequence[int]) -> LivePostfix:
    """What is there. Raises RolloutError."""
    folder = machine.run("postconf", "-h", "config_directory").strip()
    main = _main(machine.read(f"{folder}/main.cf") or "")
    services = tuple(_services(machine))
    kinds = {name for port in ports for name in (str(port), NAMES.get(port, str(port)))}
    return LivePostfix(folder, main, services, tuple(_guarded(services, kinds)), _tables(machine, main))


def _guarded(services: Sequence[Service], ports: set[str]) -> Iterator[Service]:
    at_port = [one for one in services if one.name.partition("/")[0].rpartition(":")[2] in ports]
    inner = [one for one in services if one.name == "smtpd/pass"]
    for one in at_port:
        if one.program == "smtpd":
            yield one
    if any(one.program == "postscreen" for one in at_port):
        yield from inner


def _services(machine: MailMachine) -> Iterator[Service]:
    own: dict[str, dict[str, str]] = {}
    for line in machine.run("postconf", "-P").splitlines():
        name, _, value = line.partition(" = ") if " = " in line else (line.removesuffix(" ="), "", "")
        service, _, setting = name.strip().rpartition("/")
        own.setdefault(service, {})[setting] = value.strip()
    for line in machine.run("postconf", "-M").splitlines():
        parts = line.split()
        if len(parts) > 7 and parts[7] in {"smtpd", "postscreen"}:
            name = f"{parts[0]}/{parts[1]}"
            yield Service(name, parts[7], own.get(name, {}))


def _main(text: str) -> dict[str, str]:
    """Our settings in main.cf (postconf(5)): a line that begins with a space goes on; the last one counts."""
    joined: list[str] = []
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and joined:
            joined[-1] += line
        else:
            joined.append(line)
    found = {}
    for line in joined:
        name, _, value = line.partition("=")
        if name.strip().startswith(OURS) or name.strip() == "smtpd_restriction_classes":
            found[name.strip()] = " ".join(value.split())
    return found


def _tables(machine: MailMachine, main: Mapping[str, str]) -> dict[str, str]:
    folder = main.get("arrowslit_tables", "")
    if not folder:
        return {}
    try:
        return {one.name: one.read_text("utf-8", "surrogateescape") for one in sorted(machine.path(folder).iterdir())}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RolloutError(f"{folder} can't be read: {error.strerror}") from None


def code(text: str) -> list[str]:
    """The lines of a table that count, with one space between words."""
    return [" ".join(line.split()) for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]


def actions(text: str) -> list[tuple[str, AddressSet]]:
    """What a cidr table says: the addresses of each action. The first line that matches counts (cidr_table(5)).

    A line that is understood otherwise than "PREFIX ACTION" is an action of its own, of no address.
    """
    lines = [line.partition(" ") for line in code(text)]
    prefixes: dict[str, list[str]] = {}
    for prefix, _, action in lines:
        prefixes.setdefault(action, []).append(prefix)
    found: dict[str, AddressSet] = {}
    for action, own in prefixes.items():
        found[action], problems = read_ranges(own)
        found |= {f"? {problem.text} {action}": EMPTY for problem in problems if problem.fatal}
    sets = list(found.values())
    if any(one.overlaps(other) for one, other in combinations(sets, 2)):
        found = _in_order(lines)  # never in ours; somebody has written into it
    return sorted(found.items())


def _in_order(lines: Sequence[tuple[str, str, str]]) -> dict[str, AddressSet]:
    """The same where lines of different actions overlap."""
    sets = [read_ranges([prefix])[0] for prefix, _, _ in lines]
    found: dict[str, AddressSet] = {}
    for (_, _, action), own in zip(lines, attributed(sets), strict=True):
        found[action] = found.get(action, EMPTY).union(own)
    return found


def same(table: Table, text: str) -> bool:
    """Whether a table says what it should; the order and the grouping of prefixes do not count."""
    return actions(table.text) == actions(text) if table.kind == "cidr" else code(table.text) == code(text)
