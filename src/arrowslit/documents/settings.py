"""The settings of one node (`arrowslit.toml`), every one declared here with its kind, its default and its meaning.

The reader (`documents.reader`), the nearest-key suggestions and the reference page all come from these declarations.
Paths are resolved, times are seconds, sizes are octets.
Never reads a file: that is `documents.settings_file`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Literal

from arrowslit.documents import kinds
from arrowslit.documents.declare import declared
from arrowslit.documents.endpoint import Endpoint
from arrowslit.mail.address_set import EMPTY, AddressSet

ListenerTls = Literal["off", "starttls", "implicit"]
_MIB = 1024 * 1024
_GIB = 1024 * _MIB


def own_name() -> str:
    """The machine's own name as it calls itself; no look-up is made."""
    return socket.gethostname().lower()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What this node is called, where it keeps things and how many processes it runs."""

    name: str = field(
        default_factory=own_name,
        metadata=declared(
            kinds.NAME, "the name in the greeting, in EHLO to next hops and in Received", "the machine's own name"
        ),
    )
    state: Path = field(
        default=Path("state"),
        metadata=declared(
            kinds.PATH,
            "the folder for what the node keeps: own users, the certificate it made itself, the control socket",
        ),
    )
    store: str = field(
        default="",
        metadata=declared(
            kinds.STORE,
            "the database with revisions and decisions: `postgresql://USER@HOST/NAME` for one that several nodes share "
            "(its password in `~/.pgpass` or in the file that `PGPASSFILE` names), or the path of an SQLite file",
            "`store.sqlite` in the state folder",
        ),
    )
    workers: int = field(
        default_factory=cores,
        metadata=declared(kinds.whole_number(1, 256), "processes that talk to clients", "one a core"),
    )


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One address and port that clients connect to."""

    address: Endpoint = field(
        default=Endpoint(IPv4Address("127.0.0.1"), 2525),
        metadata=declared(kinds.ENDPOINT, 'where to listen; `"[::]:25"` listens on both families', required=True),
    )
    virtual_server: str = field(
        default="default", metadata=declared(kinds.TEXT, "the virtual server of the policy whose rules hold here")
    )
    tls: ListenerTls = field(
        default="off",
        metadata=declared(
            kinds.one_of("off", "starttls", "implicit"),
            "whether STARTTLS is offered, or TLS begins with the connection",
        ),
    )
    proxy_protocol_from: AddressSet = field(
        default=EMPTY,
        metadata=declared(
            kinds.ADDRESSES,
            "balancers whose PROXY header is believed; once set, whoever is not among them is dropped",
            "nobody",
        ),
    )
    ask_certificate: bool = field(
        default=False,
        metadata=declared(
            kinds.FLAG, "ask for a client certificate, for certificate entries; not on a port that strangers use"
        ),
    )
    xclient_from: AddressSet = field(
        default=EMPTY, metadata=declared(kinds.ADDRESSES, "who may say by XCLIENT whom it speaks for", "nobody")
    )


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The certificate that the listeners show. With none, a self-signed one is made on first start, and reported."""

    certificate: Path | None = field(
        default=None,
        metadata=declared(kinds.PATH, "the certificate and its chain, PEM", "a self-signed one, in the state folder"),
    )
    key: Path | None = field(
        default=None, metadata=declared(kinds.PATH, "the key that belongs to it, PEM", "made with the certificate")
    )
    client_ca: Path | None = field(
        default=None,
        metadata=declared(
            kinds.PATH,
            "certificates of the authorities that client certificates are verified against, PEM",
            "the system's own",
        ),
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much is taken in, from one client and from all."""

    message_bytes: int = field(
        default=36 * _MIB,
        metadata=declared(kinds.octets(65_536, 2 * _GIB), "the largest message, said in EHLO SIZE"),
    )
    recipients_a_message: int = field(
        default=200,
        metadata=declared(kinds.whole_number(100, 100_000), "recipients of one message (RFC 5321: 100 at the least)"),
    )
    text_line_bytes: int = field(
        default=65_536, metadata=declared(kinds.octets(1000, _MIB), "the longest line of a message")
    )
    sessions: int = field(
        default=5000, metadata=declared(kinds.whole_number(1, 1_000_000), "connections open at once on the whole node")
    )
    spool: Path = field(
        default=Path("state/spool"),
        metadata=declared(
            kinds.PATH,
            "the folder for the unlinked files of messages that are too large for memory",
            "`spool` in the state folder",
        ),
    )
    spool_bytes: int = field(
        default=_GIB,
        metadata=declared(kinds.octets(_MIB, 2**50), "what all messages now under way may take; over it 452 at MAIL"),
    )
    spool_memory_bytes: int = field(
        default=262_144,
        metadata=declared(kinds.octets(0, 16 * _MIB), "how much of a message stays in memory before it goes to a file"),
    )
    sign_in_failures: int = field(
        default=5,
        metadata=declared(
            kinds.whole_number(1, 1000),
            "failed sign-ins of one login, or from one source, within 10 to 20 minutes, after which nothing is "
            "checked; keep it below the directory's own lock-out",
        ),
    )


@dataclass(frozen=True, slots=True)
class TimeoutSettings:
    """How long clients are waited for."""

    command: float = field(default=300.0, metadata=declared(kinds.DURATION, "for the next command", "300s"))
    data_block: float = field(
        default=180.0, metadata=declared(kinds.DURATION, "for the next octets of a message", "180s")
    )
    minimum_rate: int = field(
        default=500, metadata=declared(kinds.octets(0, _MIB), "octets a second that a message must come in with")
    )
    handshake: float = field(default=60.0, metadata=declared(kinds.DURATION, "for the TLS handshake", "60s"))
    proxy_header: float = field(default=5.0, metadata=declared(kinds.DURATION, "for the PROXY header", "5s"))
    drain: float = field(
        default=660.0,
        metadata=declared(kinds.DURATION, "for sessions to end when a worker is replaced or stopped", "660s"),
    )


@dataclass(frozen=True, slots=True)
class NextHopSettings:
    """How long next hops are waited for, and how long their connections are kept."""

    connect: float = field(default=10.0, metadata=declared(kinds.DURATION, "for a connection to one address", "10s"))
    command: float = field(default=120.0, metadata=declared(kinds.DURATION, "for the reply to a command", "120s"))
    data: float = field(default=120.0, metadata=declared(kinds.DURATION, "for the reply to DATA", "120s"))
    block: float = field(default=180.0, metadata=declared(kinds.DURATION, "for a block of the message to go", "180s"))
    dot: float = field(
        default=600.0,
        metadata=declared(kinds.DURATION, "for the reply to the final dot, the spool's age included", "600s"),
    )
    verdict: float = field(
        default=270.0,
        metadata=declared(kinds.DURATION, "from connecting to the verdict on a recipient, in all", "270s"),
    )
    wait: float = field(
        default=30.0,
        metadata=declared(kinds.DURATION, "for a free connection where the next hop's cap is reached", "30s"),
    )
    idle: float = field(default=2.0, metadata=declared(kinds.DURATION, "that an unused connection is kept", "2s"))
    age: float = field(
        default=300.0, metadata=declared(kinds.DURATION, "after which a connection is not used again", "300s")
    )


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Who is asked for names."""

    servers: tuple[str, ...] = field(
        default=(),
        metadata=declared(
            kinds.SERVERS, "addresses of the DNS servers, with a port where it is not 53", "those of the system"
        ),
    )
    timeout: float = field(default=5.0, metadata=declared(kinds.DURATION, "for all the answers about one client", "5s"))


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where it is written what was decided."""

    decisions: Path | None = field(
        default=Path("state/decisions.jsonl"),
        metadata=declared(
            kinds.or_off(kinds.PATH),
            "the file of decision records, one JSON object a line",
            "`decisions.jsonl` in the state folder",
        ),
    )
    mail: Literal["stderr", "syslog"] | Path | None = field(
        default="stderr",
        metadata=declared(
            kinds.or_off(kinds.or_words(kinds.PATH, "stderr", "syslog")),
            "where the lines in Postfix's shape go, which log tools and fail2ban read",
        ),
    )

    keep: float = field(
        default=2_592_000.0,
        metadata=declared(kinds.DURATION, "how long decisions stay in the store, by whole days", "30d"),
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """The page for Prometheus, with `/live` and `/ready`.

    Off unless asked for: a node opens no port that nobody named, and two nodes on one machine do not collide.
    """

    address: Endpoint | None = field(
        default=None,
        metadata=declared(kinds.or_off(kinds.ENDPOINT), 'where it is served, for example `"127.0.0.1:9625"`', "off"),
    )


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """Whom to tell when somebody must act (`alarms.md` has all alarms). The same alarm is told at most once an hour.

    What cannot be sent is tried again for about an hour, then given up and logged. Mail goes the way that all mail
    goes: while the only next hop is down, no alarm by mail says so. Use a webhook or the system's log beside it.
    """

    mail: tuple[str, ...] = field(
        default=(),
        metadata=declared(
            kinds.MAILBOXES,
            "who gets a mail, through the next hop of the accepted domain, else through a `relay_next_hop`",
            "nobody",
        ),
    )
    webhook: str | None = field(
        default=None,
        metadata=declared(
            kinds.or_off(kinds.WEB_ADDRESS),
            "a web address that gets a POST with JSON; its certificate is verified, redirections are not followed, "
            "and the proxy of the environment (`https_proxy`) is used",
            "none",
        ),
    )
    syslog: Path | Endpoint | None = field(
        default=None,
        metadata=declared(
            kinds.SYSTEM_LOG,
            'lines in the system\'s log: `true` for `/dev/log`, a path for another such socket, `"192.0.2.1:514"` for '
            "a log server by UDP",
            "`false`",
        ),
    )


COUNTERS_SOCKET: Final = "counters.sock"
"""Beside the agent's own socket: what its followers have counted, for everybody on the machine to read."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The agent, which changes live enforcement points on this machine: `arrowslit agent`."""

    state: Path = field(
        default=Path("agent"),
        metadata=declared(
            kinds.PATH, "the folder for its socket and for what it remembers; the agent's account owns it"
        ),
    )


@dataclass(frozen=True, slots=True)
class EnforcementPoint:
    """A place where the policy is enforced too: `arrowslit target compile NAME`."""

    target: str = field(default="", metadata=declared(kinds.TEXT, "the language that the policy is compiled to"))
    virtual_server: str = field(
        default="default", metadata=declared(kinds.TEXT, "the virtual server whose rules go there")
    )
    ports: tuple[int, ...] = field(default=(25,), metadata=declared(kinds.PORTS, "the ports that it guards", "[25]"))
    interface: str = field(default="", metadata=declared(kinds.TEXT, "the interface that strangers come in by"))
    addresses: AddressSet = field(
        default=EMPTY,
        metadata=declared(
            kinds.ADDRESSES,
            "the mail server's addresses as seen there; for `inner-...` the gateway's, as the mail server sees them",
            "none",
        ),
    )
    follow: bool = field(
        default=False,
        metadata=declared(kinds.FLAG, "the agent puts every revision and every refresh there by itself", "false"),
    )
    url: str = field(
        default="",
        metadata=declared(
            kinds.API_ADDRESS,
            "where the API of a firewall is reached, `https://` (`http://` only on this machine); `aws` needs none",
            "none",
        ),
    )
    ca_file: Path | None = field(
        default=None,
        metadata=declared(
            kinds.PATH, "the authority that the certificate of the API is verified against, PEM", "the system's own"
        ),
    )
    fingerprint: str = field(
        default="",
        metadata=declared(
            kinds.FINGERPRINT,
            "the SHA-256 of the one certificate that the API may show, such as one that it signed itself",
            "any that is verified",
        ),
    )
    credentials_file: Path | None = field(
        default=None,
        metadata=declared(
            kinds.PATH,
            "the file of the agent's account, mode 0600, with `key=` and `secret=` (`opnsense`, as it offers them), "
            "`user=` and `password=` (`mikrotik`), or `aws_access_key_id=` and `aws_secret_access_key=` (`aws`)",
            "none; `aws`: whatever boto3 finds",
        ),
    )
    rule: str = field(
        default="",
        metadata=declared(
            kinds.TEXT, "`opnsense`: the description of those of your rules whose source becomes our list", "none"
        ),
    )
    group: str = field(default="", metadata=declared(kinds.TEXT, "`aws`: the id of the security group", "none"))
    region: str = field(
        default="", metadata=declared(kinds.TEXT, "`aws`: the region of the security group", "that of boto3")
    )
    close: bool = field(
        default=False,
        metadata=declared(
            kinds.FLAG,
            "`aws`: take away the rules of the group that open just these ports to everybody; undo brings them back",
            "false",
        ),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one node. Each field is a table of the file."""

    node: NodeSettings = field(default_factory=NodeSettings)
    listeners: tuple[ListenerSettings, ...] = ()
    tls: TlsSettings = field(default_factory=TlsSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    timeouts: TimeoutSettings = field(default_factory=TimeoutSettings)
    next_hops: NextHopSettings = field(default_factory=NextHopSettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    enforcement_points: Mapping[str, EnforcementPoint] = field(default_factory=dict)

    @property
    def control_socket(self) -> Path:
        """The Unix socket that `status` asks; its folder is the state folder (may be longer than the 107 octets
        that a socket's path can have)."""
        return self.node.state / "control.sock"

    @property
    def store(self) -> str:
        """Where the store is: an address as `node.store` has it, or the path of the SQLite file."""
        return self.node.store or str(self.node.state.absolute() / "store.sqlite")

    @property
    def users_file(self) -> Path:
        """Own users for AUTH with their Argon2id hashes."""
        return self.node.state / "users"


TABLES: Final = (
    ("node", NodeSettings),
    ("tls", TlsSettings),
    ("limits", LimitSettings),
    ("timeouts", TimeoutSettings),
    ("next_hops", NextHopSettings),
    ("dns", DnsSettings),
    ("log", LogSettings),
    ("metrics", MetricsSettings),
    ("alarms", AlarmSettings),
    ("agent", AgentSettings),
)
"""The tables that a file has once at the most: `[node]`."""
