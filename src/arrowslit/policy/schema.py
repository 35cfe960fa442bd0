"""Every word of the policy document, declared as data: what it is, what it may be, what it means when left out.

The reader (`policy.reading`) and the reference page are both made from this. A key's `default` is what the reference
shows; a test holds it against the default of the value that the key becomes. Never reads anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a value may be; the value is what the reference calls it."""

    TEXT = "text"
    WORD = "one of a few words"
    FLAG = "true or false"
    COUNT = "whole number"
    TIME = "time with unit"
    SHARE = "percentage"
    DATE = "date"
    TEXTS = "array of text"
    RANGES = "array of addresses and ranges"
    ADDRESS = "address"
    NAME = "domain name"
    NAMES = "array of domain names"
    PATTERN = "domain name, or *. and a domain name"
    CERTIFICATE = 'certificate name, or "sha256:" and 64 hexadecimal digits'
    FINGERPRINTS = 'array of "sha256:" and 64 hexadecimal digits'
    GROUP = "address with mask or prefix"
    RANGE = "first and last address, with - between"
    NETWORK = "name of a network"
    NEXT_HOP = "name of a next hop"
    VIRTUAL_SERVER = "name of a virtual server"
    MAILBOX = "mail address"
    MAILBOXES = "array of mail addresses"
    NEXT_HOP_ADDRESSES = "where a next hop is, one or an array"
    SPLICE_ADDRESS = "tcp://HOST:PORT"
    URL = "web or directory address"
    TABLE = "table"
    TABLES = "tables by name"
    LIST = "array of tables"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `attribute` is the field it becomes where that has another name; `section` is for tables."""

    name: str
    kind: Kind
    doc: str
    default: str = ""
    words: tuple[str, ...] = ()
    required: bool = False
    attribute: str = ""
    section: Section | None = None

    @property
    def becomes(self) -> str:
        """The name of the field."""
        return self.attribute or self.name


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the document; `path` names it, with NAME for what the site chooses."""

    path: str
    doc: str
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key | None:
        """The key of that name."""
        return next((key for key in self.keys if key.name == name), None)


_NETWORK: Final = Section(
    "networks.NAME",
    "A named set of addresses: those pinned here and those that its sources give, without the excepted ones.",
    (
        Key("description", Kind.TEXT, "What the network is, in words."),
        Key(
            "addresses", Kind.RANGES, "Addresses that always belong; a refresh never removes them.", attribute="pinned"
        ),
        Key("except", Kind.RANGES, "Addresses that never belong, whatever a source says.", attribute="excepted"),
        Key("service", Kind.TEXT, "A filtering service of the catalogue, by its id."),
        Key("region", Kind.TEXT, "The region of the service."),
        Key("names", Kind.NAMES, "Host names whose addresses belong; resolved beside the mail's path."),
        Key("spf", Kind.NAMES, "Domains whose SPF records list addresses that belong."),
        Key("file", Kind.TEXT, "A file with one address or range a line, relative to the settings file."),
        Key("url", Kind.URL, "A web address that lists addresses that belong."),
        Key("refresh_every", Kind.TIME, "How often the sources are asked.", '"1h"'),
        Key("removal_grace", Kind.TIME, "How long an address stays after its source dropped it.", '"72h"'),
        Key("growth_held_above", Kind.SHARE, "A larger growth waits until somebody accepts it.", '"50%"'),
    ),
)

_LDAP_KEYS: Final = (
    Key(
        "url",
        Kind.URL,
        "The directory: ldaps://HOST, or ldap://HOST with StartTLS (in clear only where HOST is this machine).",
        required=True,
    ),
    Key("bind_name", Kind.TEXT, "The name to bind with; {username} stands for who signs in."),
    Key("base", Kind.TEXT, "Where in the directory to search."),
    Key("filter", Kind.TEXT, "The search filter; {username} or {address} stands for what is looked for."),
    Key("password_file", Kind.TEXT, "A file with the password for searching, relative to the settings file."),
    Key(
        "ca_file",
        Kind.TEXT,
        "The certificates (PEM) that the directory's own is verified against, relative to the settings file; left out, "
        "the system's.",
    ),
)

_NEXT_HOP: Final = Section(
    "next_hops.NAME",
    "A server or Maildir that mail is handed to.",
    (
        Key(
            "address",
            Kind.NEXT_HOP_ADDRESSES,
            "Where it is: smtp://HOST:PORT, lmtp://HOST:PORT, lmtp+unix:PATH, maildir:PATH; several are tried in turn.",
            required=True,
        ),
        Key(
            "tls",
            Kind.WORD,
            "How far TLS towards it is demanded.",
            '"opportunistic"',
            ("off", "opportunistic", "required", "verify", "fingerprint"),
        ),
        Key("tls_fingerprints", Kind.FINGERPRINTS, 'The certificates that tls = "fingerprint" takes.'),
        Key(
            "tls_profile",
            Kind.WORD,
            '"legacy" speaks TLS 1.0, for Exchange 2003 to 2010.',
            '"modern"',
            ("modern", "legacy"),
        ),
        Key(
            "tls_certificate", Kind.TEXT, "A file with the certificate that we show it, relative to the settings file."
        ),
        Key("tls_key", Kind.TEXT, "The file with the key of that certificate."),
        Key(
            "identify_client",
            Kind.WORD,
            "How it is told who the client is.",
            '"none"',
            ("none", "xforward", "xclient", "proxy-v2"),
        ),
        Key(
            "recipient_check",
            Kind.WORD,
            "When it can tell that a recipient does not exist.",
            '"at_recipient"',
            ("at_recipient", "at_data", "never"),
        ),
        Key("recipients_file", Kind.TEXT, "A file with its recipients, one a line, relative to the settings file."),
        Key(
            "recipients_ldap",
            Kind.TABLE,
            "A directory that knows its recipients.",
            section=Section("next_hops.NAME.recipients_ldap", "A directory that knows the recipients.", _LDAP_KEYS),
        ),
        Key("reply_text", Kind.WORD, "Whose words the client gets with its verdicts.", '"own"', ("own", "pass")),
        Key("pass_8bit", Kind.FLAG, "Hand it 8-bit mail although it does not offer 8BITMIME.", "false"),
        Key("connections", Kind.COUNT, "The most connections a node holds to it.", "15"),
        Key("fallback", Kind.NEXT_HOP, "A server with a queue, used when this one is down."),
        Key("username", Kind.TEXT, "The name that we sign in with."),
        Key("password_file", Kind.TEXT, "A file with the password, relative to the settings file."),
    ),
)

_ENTRY: Final = Section(
    "entry",
    "One line of a list: one of network, computer, group, range, domain or certificate, and what is said of it.",
    (
        Key("network", Kind.NETWORK, "The addresses of a named network."),
        Key("computer", Kind.ADDRESS, "One address."),
        Key("group", Kind.GROUP, "The addresses under a mask or prefix."),
        Key("range", Kind.RANGE, "The addresses from the first to the last."),
        Key("domain", Kind.PATTERN, "A forward-confirmed client name; *.NAME is every depth below."),
        Key("certificate", Kind.CERTIFICATE, "A client certificate, by a verified name or by its digest."),
        Key("note", Kind.TEXT, "What it is there for."),
        Key("owner", Kind.TEXT, "Whom to ask about it."),
        Key("expires", Kind.DATE, "The last day (UTC) on which it matches."),
        Key("require_tls", Kind.FLAG, "It matches only in TLS.", "false"),
        Key("line_ends", Kind.WORD, '"normalise" turns a lone LF of this client into CR LF.', words=("normalise",)),
    ),
)

_MODES: Final = ("only_listed", "all_except_listed")


def _list_keys(default: str) -> tuple[Key, ...]:
    return (
        Key("mode", Kind.WORD, "Which of the two lists counts.", f'"{default}"', _MODES),
        Key("only_listed", Kind.LIST, "Those who may, in the mode of that name.", "[]", section=_ENTRY),
        Key("all_except_listed", Kind.LIST, "Those who may not, in the mode of that name.", "[]", section=_ENTRY),
    )


_DELIVERY_KEYS: Final = _list_keys("all_except_listed")

_ACCEPTED_DOMAIN: Final = Section(
    "accepted_domains.NAME",
    "A domain that mail is taken for; *.NAME is every depth below.",
    (
        Key(
            "kind",
            Kind.WORD,
            "Where its mailboxes are: all here, some here, none here.",
            '"authoritative"',
            ("authoritative", "internal_relay", "external_relay"),
        ),
        Key("next_hop", Kind.NEXT_HOP, "Where its mail goes; may be left out where the policy is only compiled."),
        Key(
            "delivery",
            Kind.TABLE,
            "Who may deliver to it, instead of the virtual server's list.",
            section=Section("accepted_domains.NAME.delivery", "Who may deliver to this domain.", _DELIVERY_KEYS),
        ),
    ),
)

_AUTHENTICATION: Final = Section(
    "virtual_servers.NAME.authentication",
    "Signing in; without this table it is not offered.",
    (
        Key("required", Kind.FLAG, "Everybody has to sign in.", "false"),
        Key("with", Kind.WORD, "Who checks.", '"users"', ("users", "ldap", "next_hop"), attribute="with_"),
        Key("mechanisms", Kind.TEXTS, "The mechanisms that are offered.", '["PLAIN", "LOGIN"]', ("PLAIN", "LOGIN")),
        Key(
            "sender_addresses",
            Kind.WORD,
            '"own" takes only the sender addresses that the directory lists for who signed in.',
            '"any"',
            ("any", "own"),
        ),
        Key(
            "ldap",
            Kind.TABLE,
            "The directory.",
            section=Section("virtual_servers.NAME.authentication.ldap", "The directory that is asked.", _LDAP_KEYS),
        ),
    ),
)

_VIRTUAL_SERVER: Final = Section(
    "virtual_servers.NAME",
    "One set of access settings, bound to one or more listeners.",
    (
        Key(
            "mode",
            Kind.WORD,
            '"observe" only records refusals of connecting and delivering, "defer" answers them 4yz.',
            '"enforce"',
            ("enforce", "defer", "observe"),
        ),
        Key(
            "refuse_at",
            Kind.WORD,
            "When a client that may not connect hears of it.",
            '"recipient"',
            ("recipient", "connect"),
        ),
        Key("relay_next_hop", Kind.NEXT_HOP, "Where the mail of those who may relay goes: a server that queues."),
        Key("postmaster_next_hop", Kind.NEXT_HOP, "Where <postmaster> without a domain goes."),
        Key("recipient_exceptions", Kind.MAILBOXES, "Recipients that even those may write to who are refused.", "[]"),
        Key("greeting", Kind.TEXT, "The text of the greeting behind 220."),
        Key("tarpit", Kind.TIME, "How long a refusal is held back.", '"0s"'),
        Key("message_bytes", Kind.COUNT, "The largest message; left out, the node's limit stands."),
        Key("recipients_a_message", Kind.COUNT, "The most recipients; left out, the node's limit stands."),
        Key(
            "connections_a_source", Kind.COUNT, "The most connections of one address; listed entries are exempt.", "50"
        ),
        Key("require_tls", Kind.FLAG, "Everybody has to start TLS.", "false"),
        Key(
            "own_domains_from_outside",
            Kind.WORD,
            '"reject" refuses an accepted domain in the reverse-path of a stranger.',
            '"permit"',
            ("permit", "reject"),
        ),
        Key("forward", Kind.WORD, '"splice" passes plain TCP on after connection control.', words=("splice",)),
        Key("splice_to", Kind.SPLICE_ADDRESS, "Where a splice goes."),
        Key(
            "splice_identify_client",
            Kind.WORD,
            "How that server is told who the client is.",
            '"none"',
            ("none", "proxy-v2"),
        ),
        Key("authentication", Kind.TABLE, "Signing in.", section=_AUTHENTICATION),
        Key(
            "connection_control",
            Kind.TABLE,
            "Who may connect; left out, nobody.",
            section=Section(
                "virtual_servers.NAME.connection_control",
                "Who may connect.",
                (
                    *_list_keys("only_listed"),
                    Key(
                        "when_dns_fails",
                        Kind.WORD,
                        "What a failed look-up comes to for domain entries of all_except_listed.",
                        '"defer"',
                        ("defer", "permit"),
                    ),
                ),
            ),
        ),
        Key(
            "delivery",
            Kind.TABLE,
            "Who may send to accepted domains; left out, whoever may connect.",
            section=Section("virtual_servers.NAME.delivery", "Who may send to accepted domains.", _DELIVERY_KEYS),
        ),
        Key(
            "skip_checks",
            Kind.TABLE,
            "Who is not checked for spam; left out, nobody.",
            section=Section(
                "virtual_servers.NAME.skip_checks", "Who is not checked for spam.", _list_keys("only_listed")
            ),
        ),
        Key(
            "relay_restrictions",
            Kind.TABLE,
            "Who may send to domains that are not accepted; left out, whoever signs in.",
            section=Section(
                "virtual_servers.NAME.relay_restrictions",
                "Who may relay.",
                (
                    *_list_keys("only_listed"),
                    Key(
                        "allow_authenticated",
                        Kind.FLAG,
                        "Whoever signs in may relay, regardless of the list.",
                        "true",
                    ),
                ),
            ),
        ),
    ),
)

_WAIVER: Final = Section(
    "waivers",
    "A gap of a target, or a finding, that is accepted by name.",
    (
        Key("target", Kind.TEXT, "The target that has the gap."),
        Key("gap", Kind.TEXT, "The name of the gap."),
        Key("finding", Kind.TEXT, "The name of the finding."),
        Key("key", Kind.TEXT, "Only where it concerns this setting or one below it."),
        Key("because", Kind.TEXT, "Why it is accepted.", required=True),
    ),
)

_EXPECTATION: Final = Section(
    "expectations",
    "A statement that must stay true; a policy that breaks one is not applied.",
    (
        Key("that", Kind.TEXT, "The statement in words.", required=True),
        Key("virtual_server", Kind.VIRTUAL_SERVER, "The virtual server that is asked.", '"default"'),
        Key("from", Kind.ADDRESS, "The client address.", required=True, attribute="from_"),
        Key("reverse_name", Kind.NAME, "The client's forward-confirmed name; left out, none."),
        Key("helo", Kind.TEXT, "The HELO name; left out, none."),
        Key(
            "tls", Kind.FLAG, "Whether the session is in TLS; left out, only where it signs in or shows a certificate."
        ),
        Key("certificate", Kind.CERTIFICATE, "The certificate that the client shows; left out, none."),
        Key("authenticated_as", Kind.TEXT, "Who signed in; left out, nobody."),
        Key("mail_from", Kind.MAILBOX, 'The reverse-path; "" and left out are the null reverse-path.'),
        Key("to", Kind.MAILBOX, "The recipient; left out, the statement is about connecting."),
        Key("on", Kind.DATE, "The day (UTC) that is asked about; left out, the day of asking."),
        Key("outcome", Kind.WORD, "What must come out.", words=("permit", "reject", "defer", "drop"), required=True),
        Key(
            "at",
            Kind.WORD,
            "The stage that must have decided, where it matters.",
            words=("connect", "helo", "mail", "recipient", "data"),
        ),
    ),
)

POLICY: Final = Section(
    "",
    "The policy of a site.",
    (
        Key("version", Kind.COUNT, "The version of the format: 1.", required=True),
        Key("networks", Kind.TABLES, "Named sets of addresses.", section=_NETWORK),
        Key("next_hops", Kind.TABLES, "Where mail goes.", section=_NEXT_HOP),
        Key("accepted_domains", Kind.TABLES, "The domains that mail is taken for.", section=_ACCEPTED_DOMAIN),
        Key("virtual_servers", Kind.TABLES, "Who may.", section=_VIRTUAL_SERVER),
        Key("waivers", Kind.LIST, "What is accepted by name.", section=_WAIVER),
        Key("expectations", Kind.LIST, "What must stay true.", section=_EXPECTATION),
    ),
)


def sections() -> tuple[Section, ...]:
    """Every section once, in the order of the document."""
    found: dict[str, Section] = {}
    _collect(POLICY, found)
    return tuple(found.values())


def _collect(section: Section, found: dict[str, Section]) -> None:
    if section.path not in found:
        found[section.path] = section
        for key in section.keys:
            if key.section is not None:
                _collect(key.section, found)
