"""Every finding by name: how severe it is, and one sentence of documentation. A page for each is made from this.

Findings of the first group keep a document from loading or are made while it loads; lint makes the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from arrowslit.policy.finding import Finding, Mark, Severity
from arrowslit.policy.model import Policy
from arrowslit.policy.tree import Span


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a finding of this name. `loads` is False where the document does not load with it."""

    severity: Severity
    doc: str
    loads: bool = True


def _keeps_out(doc: str) -> About:
    return About(Severity.ERROR, doc, loads=False)


def _error(doc: str) -> About:
    return About(Severity.ERROR, doc)


def _warning(doc: str) -> About:
    return About(Severity.WARNING, doc)


FINDINGS: Final[dict[str, About]] = {
    # --- while the document loads
    "unknown-key": _keeps_out("The table has no key of this name; nothing is ignored in silence."),
    "missing-key": _keeps_out("A key that the table needs is not there."),
    "wrong-type": _keeps_out("The value is of another type than the key takes."),
    "wrong-value": _keeps_out("The key can not have this value."),
    "wrong-name": _keeps_out("The name holds a character that names can not have, since rule ids are made from them."),
    "wrong-entry": _keeps_out("An entry says exactly one of network, computer, group, range, domain, certificate."),
    "wrong-waiver": _keeps_out("A waiver names either the gap of a target or a finding."),
    "unknown-version": _keeps_out("The document is written in a version of the format that is not known."),
    "unknown-network": _keeps_out("An entry names a network that the document does not have."),
    "unknown-next-hop": _keeps_out("A setting names a next hop that the document does not have."),
    "unknown-virtual-server": _keeps_out("An expectation names a virtual server that the document does not have."),
    "not-an-address": _keeps_out("The text is no address, range, prefix or mask."),
    "not-a-domain": _keeps_out("The text is no domain name."),
    "not-a-mail-address": _keeps_out("The text is no mail address."),
    "not-a-next-hop": _keeps_out("The text does not say where a next hop is."),
    "duplicate-domain": _keeps_out("Two accepted domains are the same once they are written in their normal form."),
    "fallback-to-itself": _keeps_out("A next hop names itself as its fallback."),
    "not-in-exceptions": _keeps_out(
        "require_tls, certificate and line_ends have no meaning in all_except_listed: leaving TLS out would let a"
        " client in."
    ),
    "relay-next-hop-missing": _keeps_out("Somebody may relay, and no setting says where relayed mail goes."),
    "host-bits": _warning("A group has bits set after its prefix; they are cleared."),
    "network-source-not-followed": _warning(
        "A source of a network was not asked, so only pinned addresses counted here."
    ),
    "network-file-missing": _warning("The file of a network is not there, so only pinned addresses count."),
    # --- lint: relay
    "relay-open": _error("Whoever is not listed may relay: strangers could send anywhere through this server."),
    "relay-range-wide": _error("The relay list holds a public range wider than /16 (IPv6: /32)."),
    "relay-shares-next-hop": _warning(
        "Inbound and relayed mail go to the same server and we do not sign in, so it must let the gateway's address"
        " relay: any hole in the gateway would then relay too."
    ),
    "relay-without-sign-in": _warning(
        "allow_authenticated is written, but the virtual server has no authentication, so it has no effect."
    ),
    # --- lint: lists
    "nobody-may-connect": _warning("Connection control is only_listed with an empty list."),
    "list-of-other-mode": _warning(
        "Only the list of the other mode is written, and no mode: it has no effect. For delivery the mode is "
        "all_except_listed unless one is written, and everybody may deliver."
    ),
    "everybody-listed": _warning("An entry of only_listed covers all of IPv4 or IPv6, so the list lists everybody."),
    "entry-covered": _warning("Another entry of the same list covers this one, so it has no effect."),
    "entry-expired": _warning("The entry's last day is over, so it no longer matches."),
    "entry-expired-alone": _error("The only entry for a network in use has expired."),
    "entry-expires-soon": _warning("The entry stops matching within 14 days."),
    "ipv6-covers-ipv4": _warning(
        "The entry overlaps ::ffff:0:0/96 or 64:ff9b::/96, where IPv4 clients appear as IPv6; write IPv4 ranges."
    ),
    "ipv6-narrow": _warning("The entry is narrower than an IPv6 /64, within which clients change their address."),
    "domain-in-exceptions": _warning(
        "A domain entry in all_except_listed is avoided by whoever has no reverse name: refuse by address."
    ),
    "network-empty": _warning("A network that an entry names holds no address."),
    # --- lint: settings that work against each other
    "connect-defeats-setting": _warning(
        'refuse_at = "connect" decides before TLS and recipient are known, so this setting has no effect there.'
    ),
    "filter-cannot-sign-in": _warning(
        "Everybody has to sign in on a virtual server that lists a network: a filtering service does not sign in, so"
        " its mail fails too."
    ),
    "recipients-unchecked": _warning(
        "The next hop tells too late that a recipient does not exist, and there is no recipient list: unknown"
        " recipients are bounced instead of refused."
    ),
    "postmaster-unclear": _warning(
        "Accepted domains have several next hops and postmaster_next_hop does not say where <postmaster> goes."
    ),
    "next-hop-missing": _warning("An accepted domain has no next hop, so its mail can only be refused for now."),
    # --- lint: what is not there
    "domain-not-accepted": _warning(
        "A mail address of this policy lies in a domain that is not accepted: mail for an undeclared alias is relay."
    ),
    "filter-not-expected": _warning("No expectation says that the filter delivers, so nothing keeps it from breaking."),
    "network-unused": _warning("No entry names this network."),
    "next-hop-unused": _warning("Nothing goes to this next hop."),
    "waiver-unused": _warning("The waiver names a finding that is not there."),
}


def finding(
    policy: Policy, name: str, key: str, message: str, *, span: Span | None = None, help: str = "", example: str = ""
) -> Finding:
    """A finding of the register, with the place of `key` unless `span` says a better one."""
    about = FINDINGS[name]
    place = span or policy.places.get(key)
    mark = None if place is None else Mark(place)
    return Finding(name, about.severity, message, key, mark, example=example, help=help, waivable=about.loads)
