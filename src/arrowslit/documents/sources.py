"""The files that a policy names: ranges of networks, recipient lists, passwords (decisions 15).

Names are relative to the node's settings file. A file that is not there is a warning, and the pinned addresses hold;
a file that is there but broken is an error, since half a list is no list. Secrets are kept apart from the policy and
never shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from arrowslit.documents.files import read_text, why
from arrowslit.mail.address_range import read_ranges
from arrowslit.mail.address_set import AddressSet
from arrowslit.mail.mailbox_text import parse_mailbox
from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.tree import Table, Value

_SECRET_OCTETS = 4096
_SHOWN = 5
_LOWEST_PERMISSIONS = 0o077


@dataclass(frozen=True, slots=True)
class Sources:
    """What the files hold, by name as the policy writes it.

    `recipients` holds addresses in the form that `normalise_address` gives. `secrets` is empty unless asked for.
    """

    networks: Mapping[str, AddressSet] = field(default_factory=dict)
    recipients: Mapping[str, frozenset[str]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    findings: tuple[Finding, ...] = ()

    def digest(self, *, secrets: bool) -> str:
        """SHA-256 (hex) of what the files hold: two are equal where the files say the same.

        With `secrets` passwords count too; such a digest must not be stored or shown.
        """
        hashed = hashlib.sha256()
        for name, ranges in sorted(self.networks.items()):
            hashed.update(f"network {name!r} ".encode() + ranges.to_bytes())
        for name, addresses in sorted(self.recipients.items()):
            hashed.update(f"recipients {name!r} {sorted(addresses)!r}".encode())
        if secrets:
            hashed.update(repr(sorted(self.secrets.items())).encode())
        return hashed.hexdigest()


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    key: str
    value: Value


def normalise_address(text: str) -> str:
    """A mail address in the form that recipient lists are compared in: lower case, the domain as A-labels.

    Raises ValueError where it is none.
    """
    mailbox = parse_mailbox(text)
    return f"{mailbox.local_part.lower()}@{mailbox.domain}"


def read_sources(root: Table, base: Path, *, secrets: bool, packed: Container[str] = ()) -> Sources:
    """Read every file that the policy in `root` names. With `secrets` false, password files are not opened.

    The file of a network that is in `packed` (by the network's name) is not read: its addresses are known already.
    """
    findings: list[Finding] = []
    networks: dict[str, AddressSet] = {}
    recipients: dict[str, frozenset[str]] = {}
    kept: dict[str, str] = {}
    for named in _named(root, "networks", "file"):
        if named.key.removeprefix("networks.").removesuffix(".file") in packed:
            continue
        text = _read(named, base, findings)
        if text is not None:
            networks[named.name] = _ranges(named, text, findings)
    for named in _named(root, "next_hops", "recipients_file"):
        text = _read(named, base, findings)
        if text is not None:
            recipients[named.name] = _recipients(named, text, findings)
    for named in _password_files(root):
        _secret(named, base, secrets, kept, findings)
    return Sources(networks, recipients, kept, tuple(findings))


def _tables(root: Table, name: str) -> Iterator[tuple[str, Table]]:
    item = root.items.get(name)
    if item is not None and isinstance(item.value.data, Table):
        for inner in item.value.data.items.values():
            if isinstance(inner.value.data, Table):
                yield f"{name}.{inner.key}", inner.value.data


def _text(table: Table, key: str, prefix: str) -> Iterator[_Named]:
    item = table.items.get(key)
    if item is not None and isinstance(item.value.data, str) and item.value.data:
        yield _Named(item.value.data, f"{prefix}.{key}", item.value)


def _inner(table: Table, name: str) -> Table | None:
    item = table.items.get(name)
    return item.value.data if item is not None and isinstance(item.value.data, Table) else None


def _named(root: Table, tables: str, key: str) -> Iterator[_Named]:
    for prefix, table in _tables(root, tables):
        yield from _text(table, key, prefix)


def _password_files(root: Table) -> Iterator[_Named]:
    for prefix, table in _tables(root, "next_hops"):
        yield from _text(table, "password_file", prefix)
        directory = _inner(table, "recipients_ldap")
        if directory is not None:
            yield from _text(directory, "password_file", f"{prefix}.recipients_ldap")
    for prefix, table in _tables(root, "virtual_servers"):
        authentication = _inner(table, "authentication")
        directory = None if authentication is None else _inner(authentication, "ldap")
        if directory is not None:
            yield from _text(directory, "password_file", f"{prefix}.authentication.ldap")


def _finding(named: _Named, name: str, severity: Severity, message: str, help: str = "") -> Finding:
    mark, waivable = Mark(named.value.span, "named here"), severity is not Severity.ERROR
    return Finding(name, severity, message, named.key, mark, help=help, waivable=waivable)


def _read(named: _Named, base: Path, findings: list[Finding]) -> str | None:
    try:
        return read_text(base / named.name)
    except OSError as error:
        # Of a network's file that is not there the policy itself says so.
        if not isinstance(error, FileNotFoundError) or not named.key.endswith(".file"):
            message = f"cannot read {base / named.name}: {why(error)}"
            findings.append(_finding(named, "source-missing", Severity.WARNING, message))
    except ValueError as error:
        message = f"cannot read {base / named.name}: {error}"
        findings.append(_finding(named, "source-broken", Severity.ERROR, message))
    return None


def _ranges(named: _Named, text: str, findings: list[Finding]) -> AddressSet:
    ranges, problems = read_ranges(text.split("\n"))
    fatal = [f"{named.name}:{problem.line}: {problem.says}" for problem in problems if problem.fatal]
    mild = [f"{named.name}:{problem.line}: {problem.says}" for problem in problems if not problem.fatal]
    _report(named, "source-broken", Severity.ERROR, fatal, findings)
    _report(named, "host-bits", Severity.WARNING, mild, findings)
    return ranges


def _report(named: _Named, name: str, severity: Severity, lines: list[str], findings: list[Finding]) -> None:
    findings.extend(_finding(named, name, severity, line) for line in lines[:_SHOWN])
    if len(lines) > _SHOWN:
        findings.append(_finding(named, name, severity, f"{named.name}: and {len(lines) - _SHOWN} or more like these"))


def _recipients(named: _Named, text: str, findings: list[Finding]) -> frozenset[str]:
    found: set[str] = set()
    wrong: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        address = line.partition("#")[0].strip()
        if not address:
            continue
        try:
            found.add(normalise_address(address))
        except ValueError as error:
            wrong.append(f"{named.name}:{number}: {error}")
    _report(named, "source-broken", Severity.ERROR, wrong, findings)
    return frozenset(found)


def _secret(named: _Named, base: Path, wanted: bool, kept: dict[str, str], findings: list[Finding]) -> None:
    path = base / named.name
    try:
        if path.stat().st_mode & _LOWEST_PERMISSIONS:
            message = f"{path} can be read by other users of this machine"
            findings.append(_finding(named, "secret-open", Severity.WARNING, message, f"chmod 600 {path}"))
        if wanted:
            kept[named.name] = read_text(path, _SECRET_OCTETS).removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        message = f"cannot read {path}: {why(error)}"
        findings.append(_finding(named, "source-missing", Severity.WARNING, message))
