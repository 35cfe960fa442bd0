"""Set-ups of Postfix by chance, a real one that runs many of them at once, and what it says to pretended clients.

    with served(setups) as running:
        running.said(number, Session("203.0.113.9", "mx.filter.example", signed_in=False))
        running.sources(number)

Each set-up is one smtpd on a port of its own with its own `-o`; XCLIENT says who the client is. Files of tables lie in
the instance's folder. What is imported is what `postconf -n` and `postconf -M` print.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from arrowslit.imports.imported import Source
from tests.peers import install, postfix, process

DOMAINS = {
    "myhostname": "mx.example.org",
    "mydestination": "$myhostname, example.org, localhost",
    "relay_domains": "example.net, partner.example",
    "virtual_alias_domains": "alias.example",
    "virtual_alias_maps": "inline:{someone@alias.example=someone@example.org}",
    "smtpd_reject_unlisted_recipient": "no",
    "smtpd_error_sleep_time": "0",
    "smtpd_hard_error_limit": "100000",
    "smtpd_junk_command_limit": "100000",
    "smtpd_authorized_xclient_hosts": "static:all",
    "default_process_limit": "300",
}
RECIPIENTS = (
    "anna@example.org",
    "postmaster@example.org",
    "abuse@example.net",
    "carl@sub.example.net",
    "dora@alias.example",
    "emil@partner.example",
    "fred@stranger.example",
    "user%stranger.example@example.org",
    "stranger.example!user@example.net",
)
NETS = (
    "203.0.113.0/24", "203.0.113.0/28", "203.0.113.9", "198.51.100.0/25", "198.51.100.128/26", "192.168.0.0/24",
    "10.1.0.0/16", "2001:db8:25::/48", "2001:db8:25::9", "2001:db8:77::/64", "0.0.0.0/0", "::/0",
)  # fmt: skip
CLIENTS = (
    "203.0.113.1", "203.0.113.9", "203.0.113.200", "198.51.100.5", "198.51.100.130", "198.51.100.250", "192.168.0.7",
    "192.168.1.7", "10.1.2.3", "10.2.0.1", "8.8.8.8", "2001:db8:25::9", "2001:db8:25:3::1", "2001:db8:77::5",
    "2001:db8:99::1", "192.0.2.44",
)  # fmt: skip
NAMES = ("", "mx.filter.example", "a.filter.example", "filter.example", "dyn.bad.example", "other.example")


@dataclass(frozen=True, slots=True)
class Session:
    """One client; `name` "" where it has none."""

    address: str
    name: str = ""
    signed_in: bool = False


@dataclass(slots=True)
class Setup:
    """What one smtpd has, and the tables that it names by file name."""

    options: dict[str, str]
    tables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Running:
    """The Postfix with all of them."""

    server: postfix.Postfix
    setups: Sequence[Setup]
    ports: list[int]
    printed: dict[str, str]

    def said(self, number: int, sessions: Sequence[Session], recipients: Sequence[str] = RECIPIENTS) -> list[list[str]]:
        """The first digit of the reply to each RCPT, for each session; that of the greeting where it ends there."""
        talk = _Talk(self.ports[number])
        try:
            return [talk.session(one, recipients) for one in sessions]
        finally:
            talk.close()

    def sources(self, number: int) -> list[Source]:
        """What an administrator would give for this smtpd, as if it had port 25."""
        mine, keep = [], False
        for line in self.printed["master"].splitlines():
            if not line.startswith((" ", "\t")):
                keep = line.startswith(f"[127.0.0.1]:{self.ports[number]} ")
                line = line.replace(f"[127.0.0.1]:{self.ports[number]}", "smtp", 1)  # noqa: PLW2901
            mine += [line] if keep else []
        tables = [Source(name, text) for name, text in self.setups[number].tables.items()]
        return [Source("main.cf", self.printed["main"]), Source("master.cf", "\n".join(mine)), *tables]


_AUTH = "AUTH PLAIN AGFubmEAc2VjcmV0"


class _Talk:
    """A connection that is used for one client after the other, as long as it lasts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.stream = self.socket.makefile("rb")
        self.heard()

    def heard(self) -> str:
        while True:
            line = self.stream.readline()
            if len(line) < 4 or line[3:4] != b"-":
                return line.decode().rstrip()

    def session(self, one: Session, recipients: Sequence[str]) -> list[str]:
        address = f"IPV6:{one.address}" if ":" in one.address else one.address
        said = f"XCLIENT ADDR={address} NAME={one.name or '[UNAVAILABLE]'} REVERSE_NAME={one.name or '[UNAVAILABLE]'}"
        self.socket.sendall(f"{said}\r\n".encode())
        greeting = self.heard()
        assert "insufficient" not in greeting
        if not greeting.startswith("220"):
            self.close()
            self.open()
            return [greeting[:1]] * len(recipients)
        if one.signed_in:
            said = self._talk(["EHLO client.test", _AUTH])
            assert said[1].startswith("235"), said
        first = ["EHLO client.test", "MAIL FROM:<x@sender.test>"]
        heard = self._talk([*first, *(f"RCPT TO:<{to}>" for to in recipients), "RSET"])
        if one.signed_in:  # nobody signs in twice in one connection
            self.close()
            self.open()
        return [reply[:1] if heard[1].startswith("2") else heard[1][:1] for reply in heard[2:-1]]

    def _talk(self, lines: Sequence[str]) -> list[str]:
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return [self.heard() for _ in lines]

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@contextmanager
def served(setups: Sequence[Setup], settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run them until the end of the block."""
    ports = [process.free_port() for _ in setups]
    with _accounts() as accounts:
        main = {**DOMAINS, "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": f"inet:127.0.0.1:{accounts}"}
        services = "".join(_service(port, setup) for port, setup in zip(ports, setups, strict=True))
        with postfix.instance({**main, **(settings or {})}, services) as server:
            for number, setup in enumerate(setups):
                folder = server.folder / "tables" / str(number)
                folder.mkdir(parents=True)
                for name, text in setup.tables.items():
                    (folder / name).write_text(text)
            inside = f"/instances/{server.folder.name}"
            printed = {name: _printed(option, inside) for name, option in (("main", "-n"), ("master", "-M"))}
            yield Running(server, setups, ports, printed)


def _service(port: int, setup: Setup) -> str:
    options = "".join(f"  -o {{ {name} = {value} }}\n" for name, value in setup.options.items())
    return f"[127.0.0.1]:{port} inet n - n - - smtpd\n{options}"


def _printed(option: str, inside: str) -> str:
    command = process.in_chroot("postfix", "usr/sbin/postconf", option)
    done = process.output(command, extra_environment={"MAIL_CONFIG": f"{inside}/etc"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def _accounts() -> Iterator[int]:
    """Somebody who knows every account (Dovecot's protocol, version 1)."""

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            Thread(target=_account, args=(one,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _account(one: socket.socket) -> None:
    with suppress(OSError), one, one.makefile("rwb", buffering=0) as stream:
        stream.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tc\nDONE\n")
        while line := stream.readline():
            words = line.decode().rstrip("\n").split("\t")
            if words[0] == "AUTH":
                stream.write(f"OK\t{words[1]}\tuser=anna\n".encode())


# Set-ups by chance.


class Chance:
    """Makes a set-up; `number` names its folder of tables. With `plain` it is of the kinds that a policy can say."""

    def __init__(self, seed: int, number: int, *, plain: bool) -> None:
        self.chance, self.plain = random.Random(seed), plain
        self.number, self.tables = number, dict[str, str]()

    def setup(self) -> Setup:
        chance = self.chance
        options = {
            "mynetworks": " ".join(["127.0.0.0/8", *(_bracketed(one) for one in chance.sample(NETS[:10], 2))]),
            "smtpd_sasl_auth_enable": chance.choice(["yes", "no"]),
            "smtpd_client_restrictions": self._clients(),
            "smtpd_relay_restrictions": self._relay(),
            "smtpd_recipient_restrictions": self._recipients(),
        }
        if not self.plain:
            options["smtpd_delay_reject"] = chance.choice(["yes", "yes", "no"])
            if options["smtpd_delay_reject"] == "no":  # it is from there that clients are pretended
                first = "check_client_access inline:{ { 127.0.0.1 = OK } }, "
                options["smtpd_client_restrictions"] = first + options["smtpd_client_restrictions"]
            options["smtpd_sender_restrictions"] = self._some(["permit_mynetworks", self._client_check()], 1)
            if chance.random() < 0.3:
                options["parent_domain_matches_subdomains"] = ""
        return Setup(options, self.tables)

    def _clients(self) -> str:
        """Nothing, refusing some, or letting in only some."""
        kind = self.chance.randrange(3)
        if kind == 0:
            return ""
        if kind == 1:
            return self._client_check(["REJECT", "DUNNO", "554 5.7.1 no"])
        listed = ["permit_mynetworks", self._client_check(["OK", "OK", "DUNNO"])]
        listed += [] if self.plain else [self._client_check(), "permit_sasl_authenticated", self._recipient_check()]
        return ", ".join([*self._some(listed, 2).split(", "), self.chance.choice(["reject", "reject", "defer"])]).strip(
            ", "
        )

    def _relay(self) -> str:
        may = ["permit_mynetworks", "permit_sasl_authenticated"]
        may += [self._client_check(["OK", "DUNNO"])] if self.chance.random() < 0.3 else []
        may += [] if self.plain else [self._recipient_check(), "reject_unknown_client_hostname"]
        last = self.chance.choice(["reject_unauth_destination", "defer_unauth_destination"])
        return ", ".join(one for one in [self._some(may, 2), last] if one)

    def _recipients(self) -> str:
        if self.chance.random() < 0.5:
            return ""
        listed = ["permit_mynetworks", "permit_sasl_authenticated", "warn_if_reject reject"]
        if not self.plain:
            listed += [self._client_check(), self._recipient_check(), "permit_auth_destination"]
            return self._some(listed, 4)
        return f"permit_mynetworks, permit_sasl_authenticated, {self._client_check(['OK'])}, reject"

    def _some(self, found: list[str], most: int) -> str:
        return ", ".join(self.chance.sample(found, self.chance.randrange(min(most, len(found)) + 1)))

    def _client_check(
        self, actions: Sequence[str] = ("OK", "REJECT", "DUNNO", "450 4.7.1 later", "permit_mynetworks, reject")
    ) -> str:
        kind = self.chance.choice(["cidr", "cidr", "texthash", "regexp", "inline"])
        if self.plain:
            kind = self.chance.choice(["cidr", "cidr", "texthash"])
        return f"check_client_access {self._table(kind, _CLIENT_KEYS[kind], list(actions))}"

    def _recipient_check(self) -> str:
        kind = self.chance.choice(["texthash", "regexp"])
        actions = ["OK", "REJECT", "DUNNO", "permit_sasl_authenticated, reject", "reject_unauth_destination, permit"]
        return f"check_recipient_access {self._table(kind, _RECIPIENT_KEYS[kind], actions)}"

    def _table(self, kind: str, keys: Sequence[str], actions: list[str]) -> str:
        if self.plain and kind == "texthash":
            keys = [key for key in keys if key[0].isdigit()]
        chosen = self.chance.sample(keys, self.chance.randrange(1, min(5, len(keys))))
        rows = [(key, self.chance.choice(actions)) for key in chosen]
        if kind == "inline":
            return "inline:{ " + ", ".join(f"{{ {key} = {action} }}" for key, action in rows) + " }"
        name = f"table{len(self.tables)}"
        self.tables[name] = "".join(f"{key}  {action}\n" for key, action in rows)
        return f"{kind}:{folder(self.number)}/{name}"


def folder(number: int) -> str:
    """Where the tables of a set-up lie, as Postfix is told: beside its configuration."""
    return f"$config_directory/../tables/{number}"


def _bracketed(text: str) -> str:
    address, mark, size = text.partition("/")
    return f"[{address}]{mark}{size}" if ":" in text else text


_CLIENT_KEYS = {
    "cidr": NETS,
    "texthash": (
        "203.0.113", "203.0.113.9", "198.51", "10.1", "192.168.0.7", "2001:db8:25", "2001:db8:25::9", "2001:db8:77",
        "filter.example", ".filter.example", "mx.filter.example", "bad.example", "unknown",
    ),
    "inline": ("203.0.113", "203.0.113.9", "filter.example", "example", "10"),
    "regexp": (
        r"/^203\.0\.113\./", r"/^198\.51\./", r"/^10\./", r"/\.filter\.example$/", r"/(^|\.)bad\.example$/",
        r"/^2001:db8:25:/", r"/^unknown$/", "/./", r"!/^203\.0\.113\.9$/",
    ),
}  # fmt: skip
_RECIPIENT_KEYS = {
    "texthash": (
        "postmaster@example.org", "abuse@", "example.net", "partner.example", "stranger.example", ".example.net",
        "alias.example", "org",
    ),
    "regexp": (
        r"/^postmaster@example\.org$/", r"/^(postmaster|abuse)@/", r"/@example\.net$/", r"/[@.]example\.net$/",
        r"/@stranger\.example$/", r"/[%!@].*@[^@]*$/", "/.*/", r"/@.+\.example\.net$/",
    ),
}  # fmt: skip


def instances() -> Path:
    """Where the running ones have their folders."""
    return install.root("postfix") / "instances"
