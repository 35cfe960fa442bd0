"""From the parsed document to the policy value: everything wrong is found in one go, with its place.

Files and live sources are not read here: the content of files comes in, sources are followed by the networks room.
What is not there is a finding and the pinned addresses stand (decisions 15). Secrets are only named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.mail.address_set import AddressSet
from arrowslit.policy import parts
from arrowslit.policy.decision import Action, Stage
from arrowslit.policy.finding import Finding, Severity
from arrowslit.policy.model import Policy
from arrowslit.policy.reading import Fields, Reader, dotted
from arrowslit.policy.schema import POLICY, Kind
from arrowslit.policy.tree import Document, Item, Span, Table, Value
from arrowslit.policy.values import WrongValueError, pattern

_NO_FILES: Final[Mapping[str, AddressSet]] = {}
_REFERABLE: Final = (
    (Kind.NETWORK, "networks"),
    (Kind.NEXT_HOP, "next_hops"),
    (Kind.VIRTUAL_SERVER, "virtual_servers"),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The policy, or None where an error keeps the document from loading, and every finding in reading order."""

    policy: Policy | None
    findings: tuple[Finding, ...]


def load_policy(
    document: Document,
    *,
    network_files: Mapping[str, AddressSet] = _NO_FILES,
    revision: int = 0,
    generation: int = 0,
    sources_followed: bool = False,
) -> Loaded:
    """The policy that `document` says.

    `network_files` holds what the files of networks contain, by the name that the document gives them. With
    `sources_followed` somebody else follows the live sources of networks, and no finding says that nobody does.
    """
    reader = Reader(_names(document.root))
    fields = reader.table(document.root, POLICY, "")
    loader = _Loader(reader, network_files, sources_followed)
    made = loader.build(fields)
    findings = tuple(reader.findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Loaded(None, findings)
    return Loaded(Policy(**made, revision=revision, generation=generation, places=reader.places), findings)


def _names(root: Table) -> dict[Kind, frozenset[str]]:
    return {kind: frozenset(_keys(root.items.get(name))) for kind, name in _REFERABLE}


def _keys(item: Item | None) -> list[str]:
    return list(item.value.data.items) if item is not None and isinstance(item.value.data, Table) else []


@dataclass(slots=True)
class _Loader:
    """Makes the parts of a policy from fields; what lacks a required field is left out (and has a finding)."""

    reader: Reader
    network_files: Mapping[str, AddressSet]
    sources_followed: bool

    def build(self, fields: Fields) -> dict[str, Any]:
        if fields.get("version", 1) != 1:
            place = self.reader.places.get("version")
            self.reader.error("unknown-version", "this version of the format is not known", "version", place, "write 1")
        networks = {name: self._network(name, one) for name, one in fields.get("networks", {}).items()}
        next_hops = self._each(fields, "next_hops", self._next_hop)
        servers = self._each(fields, "virtual_servers", self._server)
        self._relay_next_hops(servers, any_next_hop=bool(fields.get("next_hops")))
        return {
            "version": 1,
            "networks": networks,
            "next_hops": next_hops,
            "accepted_domains": self._accepted(fields.get("accepted_domains", {})),
            "virtual_servers": servers,
            "waivers": tuple(self._waivers(fields.get("waivers") or [])),
            "expectations": tuple(self._expectations(fields.get("expectations") or [])),
        }

    def _each(self, fields: Fields, section: str, make: Any) -> dict[str, Any]:
        made = {name: make(name, one, dotted(section, name)) for name, one in fields.get(section, {}).items()}
        return {name: one for name, one in made.items() if one is not None}

    def _place(self, key: str) -> Span | None:
        return self.reader.places.get(key)

    def _network(self, name: str, fields: Fields) -> parts.Network:
        key = dotted("networks", name)
        network = parts.Network(name, **fields)
        found = address_set(parse_range(text) for text in network.pinned)
        if network.file:
            found = found.union(self._file(network, key))
        live = [source for source in ("service", "names", "spf", "url") if getattr(network, source)]
        if live and not self.sources_followed:
            self.reader.warn(
                "network-source-not-followed",
                f"network {name}: {', '.join(live)} is asked once the policy is applied; here only the rest counts",
                key,
                self._place(dotted(key, live[0])),
                "pin the addresses that matter in `addresses`",
            )
        without = address_set(parse_range(text) for text in network.excepted)
        return parts.Network(name, found.subtract(without), **fields)

    def _file(self, network: parts.Network, key: str) -> AddressSet:
        content = self.network_files.get(network.file)
        if content is not None:
            return content
        self.reader.warn(
            "network-file-missing",
            f"network {network.name}: the file {network.file} is not there, only the pinned addresses count",
            dotted(key, "file"),
            self._place(dotted(key, "file")),
            "put the file beside the settings file, or write its whole path",
        )
        return AddressSet()

    def _next_hop(self, name: str, fields: Fields, key: str) -> parts.NextHop | None:
        if "address" not in fields:
            return None
        if fields.get("recipients_ldap") is not None:
            fields["recipients_ldap"] = _ldap(fields["recipients_ldap"])
        made = parts.NextHop(name, **fields)
        if made.tls == "fingerprint" and not made.tls_fingerprints:
            self._lacks(key, "tls_fingerprints", 'tls = "fingerprint" needs the fingerprints')
        if bool(made.tls_certificate) != bool(made.tls_key):
            self._lacks(
                key, "tls_key" if made.tls_certificate else "tls_certificate", "certificate and key go together"
            )
        if made.fallback == name:
            where = dotted(key, "fallback")
            self.reader.error("fallback-to-itself", f"{name} is its own fallback", where, self._place(where))
        return made

    def _lacks(self, key: str, name: str, says: str) -> None:
        self.reader.error("missing-key", says, dotted(key, name), self._place(key), f"write {name}")

    def _accepted(self, found: dict[str, Fields]) -> dict[str, parts.AcceptedDomain]:
        made: dict[str, parts.AcceptedDomain] = {}
        for written, fields in found.items():
            key = dotted("accepted_domains", written)
            place = self._place(key) or Span(1, 1, 1, 1)
            try:
                name = pattern(written, Value(written, place))
            except WrongValueError as error:
                self.reader.error(error.name, str(error), key, place, error.help)
                continue
            if name in made:
                self.reader.error("duplicate-domain", f"{name} is accepted twice", key, place, "leave one of them")
            delivery = fields.pop("delivery", None)
            if delivery is not None:
                fields["delivery"] = self._list(parts.EVERYBODY_LISTED, delivery, dotted(key, "delivery"))
            made[name] = parts.AcceptedDomain(name, **fields)
        return made

    def _server(self, name: str, fields: Fields, key: str) -> parts.VirtualServer:
        if fields.get("authentication") is not None:
            fields["authentication"] = self._authentication(fields["authentication"], dotted(key, "authentication"))
        for grant, left_out in _GRANTS.items():
            if fields.get(grant) is not None:
                fields[grant] = self._list(left_out, fields[grant], dotted(key, grant))
        made = parts.VirtualServer(name, **fields)
        if made.forward == "splice" and made.splice_to is None:
            self._lacks(key, "splice_to", 'forward = "splice" needs to know where to')
        control = made.connection_control
        if control.when_dns_fails == "permit" and control.mode == parts.ONLY_LISTED:
            where = dotted(dotted(key, "connection_control"), "when_dns_fails")
            says = '"permit" goes only with mode = "all_except_listed"'
            self.reader.error("wrong-value", says, where, self._place(where), 'write "defer"')
        return made

    def _authentication(self, fields: Fields, key: str) -> parts.Authentication:
        if fields.get("ldap") is not None:
            fields["ldap"] = _ldap(fields["ldap"])
        made = parts.Authentication(**fields)
        if made.with_ == "ldap" and made.ldap is None:
            self._lacks(key, "ldap", 'with = "ldap" needs the directory')
        return made

    def _list(self, left_out: parts.AccessList, fields: Fields, key: str) -> parts.AccessList:
        for mode in (parts.ONLY_LISTED, parts.ALL_EXCEPT_LISTED):
            if fields.get(mode) is not None:
                fields[mode] = self._entries(fields[mode], dotted(key, mode), mode)
        return type(left_out)(**{"mode": left_out.mode, **fields})

    def _entries(self, found: list[tuple[Fields, Span]], key: str, mode: str) -> tuple[parts.Entry, ...]:
        made: list[parts.Entry] = []
        for number, (fields, span) in enumerate(found):
            entry = self._entry(fields, span, f"{key}[{number}]")
            if entry is not None:
                made.append(entry)
                if mode == parts.ALL_EXCEPT_LISTED:
                    self._not_in_exceptions(entry, f"{key}[{number}]")
        return tuple(made)

    def _entry(self, fields: Fields, span: Span, key: str) -> parts.Entry | None:
        kinds = [kind for kind in parts.ENTRY_KINDS if kind in fields]
        written = [kind for kind in parts.ENTRY_KINDS if f"{key}.{kind}" in self.reader.places]
        if len(written) != 1:
            says = "an entry needs one of " + ", ".join(parts.ENTRY_KINDS)
            self.reader.error("wrong-entry", says, key, span, "write one entry for each")
        if len(kinds) != 1 or len(written) != 1:
            return None
        value = fields.pop(kinds[0])
        return parts.Entry(kinds[0], value, **fields, span=span)

    def _not_in_exceptions(self, entry: parts.Entry, key: str) -> None:
        """What depends on TLS can not take anything away, and nothing is normalised there (decisions 9)."""
        wrong = {"require_tls": entry.require_tls, "certificate": entry.kind == "certificate"}
        wrong["line_ends"] = bool(entry.line_ends)
        for name in (name for name, found in wrong.items() if found):
            says = f"{name} has no meaning in all_except_listed"
            self.reader.error("not-in-exceptions", says, dotted(key, name), entry.span, "leave it out")

    def _relay_next_hops(self, servers: dict[str, parts.VirtualServer], *, any_next_hop: bool) -> None:
        """Somebody may relay and nothing says where to; a site without next hops only compiles (decisions 16)."""
        for name, server in servers.items():
            if any_next_hop and server.forward is None and server.somebody_may_relay and server.relay_next_hop is None:
                key = dotted("virtual_servers", name)
                says = f"somebody may relay through {name}, and relay_next_hop does not say where to"
                help = "write relay_next_hop, or allow_authenticated = false and an empty list"
                self.reader.error("relay-next-hop-missing", says, key, self._place(key), help)

    def _waivers(self, found: list[tuple[Fields, Span]]) -> list[parts.Waiver]:
        made: list[parts.Waiver] = []
        for number, (fields, span) in enumerate(found):
            gap = "gap" in fields and "target" in fields and "finding" not in fields
            finding = "finding" in fields and "gap" not in fields and "target" not in fields
            if gap == finding:
                says = "a waiver names the gap of a target, or a finding"
                self.reader.error("wrong-waiver", says, f"waivers[{number}]", span, "write target and gap, or finding")
            elif "because" in fields:
                made.append(parts.Waiver(**fields))
        return made

    def _expectations(self, found: list[tuple[Fields, Span]]) -> list[parts.Expectation]:
        made: list[parts.Expectation] = []
        names = self.reader.names[Kind.VIRTUAL_SERVER]
        for number, (fields, span) in enumerate(found):
            if fields.get("virtual_server", "default") not in names and names:
                says = 'there is no virtual server "default"'
                key = f"expectations[{number}].virtual_server"
                self.reader.error("unknown-virtual-server", says, key, span, "write virtual_server")
            if not {"that", "from_", "outcome"} <= fields.keys():
                continue
            fields["outcome"] = Action(fields["outcome"])
            if fields.get("at") is not None:
                fields["at"] = Stage[fields["at"].upper()]
            made.append(parts.Expectation(**fields, span=span))
        return made


_GRANTS: Final[dict[str, parts.AccessList]] = {
    "connection_control": parts.ConnectionControl(),
    "delivery": parts.EVERYBODY_LISTED,
    "skip_checks": parts.AccessList(),
    "relay_restrictions": parts.RelayRestrictions(),
}


def _ldap(fields: Fields) -> parts.Ldap | None:
    return parts.Ldap(**fields) if "url" in fields else None
