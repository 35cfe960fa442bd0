"""What an import comes to: the parts of a policy, where each came from, and what could not be carried over.

Terms: an *origin* names the file, the line and the setting that a part came from; it is written as a comment beside
it. *Left* is what the source says and the policy does not, by name: each is a loss that somebody has to look at, and
`widens` says of it that leaving it out lets more in than the source did, so that the import must not be applied
unseen. A *doubt* is something read in one of several possible ways, always the narrower.

An importer never raises for what is in a file, and never makes the policy wider than the source.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

LIST_MODES = ("only_listed", "all_except_listed")


@dataclass(frozen=True, slots=True)
class Origin:
    """`file` as it was named; `line` from 1, 0 where a format has no lines; `what` the setting's own name."""

    file: str
    line: int = 0
    what: str = ""

    @property
    def text(self) -> str:
        """`main.cf:12 mynetworks`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place} {self.what}".rstrip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list: `kind` and `value` as the policy writes them ("group", "192.0.2.0/24")."""

    kind: str
    value: str
    origin: Origin
    note: str = ""
    require_tls: bool = False
    owner: str = ""
    expires: datetime.date | None = None
    """The last day (UTC) on which it matches. Not for entries of a network, which have none."""


@dataclass(slots=True)
class AccessList:
    """One grant. Both lists may hold entries; the mode says which counts. `origin` is where the mode came from."""

    mode: str = "only_listed"
    only_listed: list[Entry] = field(default_factory=list)
    all_except_listed: list[Entry] = field(default_factory=list)
    origin: Origin | None = None


@dataclass(slots=True)
class AcceptedDomain:
    """`kind` is "authoritative", "internal_relay" or "external_relay"."""

    name: str
    kind: str
    origin: Origin
    delivery: AccessList | None = None


@dataclass(slots=True)
class VirtualServer:
    """One listener's settings. A grant that is None is left out, and has the default of the policy format."""

    name: str
    origin: Origin
    connection_control: AccessList = field(default_factory=AccessList)
    relay_restrictions: AccessList | None = None
    delivery: AccessList | None = None
    skip_checks: AccessList | None = None
    allow_authenticated: bool | None = None
    authentication: bool = False
    """Whether clients may sign in here; with what is left to the administrator."""
    authentication_required: bool = False
    require_tls: bool = False
    settings: dict[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict)
    """Further keys of the virtual server as the policy writes them: "message_bytes", "recipient_exceptions", ..."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A statement that is true of the source. `facts` are keys of the format: "from", "to", "tls", ..."""

    that: str
    outcome: str
    origin: Origin
    facts: tuple[tuple[str, str | bool], ...] = ()
    virtual_server: str = "default"


@dataclass(frozen=True, slots=True)
class Left:
    """What is not carried over. `text` is what stands there, unescaped; `because` and `instead` speak to people."""

    origin: Origin
    text: str
    because: str
    instead: str = ""
    widens: bool = False


@dataclass(slots=True)
class Imported:
    """All that was found."""

    servers: list[VirtualServer] = field(default_factory=list)
    accepted_domains: list[AcceptedDomain] = field(default_factory=list)
    networks: dict[str, list[Entry]] = field(default_factory=dict)
    """Named sets of addresses, for lists too long to stand in a grant; an entry of kind "network" names one."""
    next_hop: str = ""
    """`smtp://HOST:PORT` where the source says it; "" leaves a place to fill in."""
    relay_next_hop: str = ""
    expectations: list[Expectation] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    doubts: list[Left] = field(default_factory=list)
    remarks: list[Left] = field(default_factory=list)
    """What is neither, and worth knowing: settings about other things, a trap that was carried over."""

    def leave(self, origin: Origin, text: str, because: str, instead: str = "", *, widens: bool = False) -> None:
        """Put down what is not carried over."""
        self.left.append(Left(origin, text, because, instead, widens))

    def remark(self, origin: Origin, text: str, because: str, instead: str = "") -> None:
        """Put down what somebody should know of the source."""
        self.remarks.append(Left(origin, text, because, instead))

    def doubt(self, origin: Origin, text: str, because: str, instead: str = "") -> None:
        """Put down what was read in the narrower of several ways."""
        self.doubts.append(Left(origin, text, because, instead))


@dataclass(frozen=True, slots=True)
class Source:
    """One file, decoded. `name` is what the administrator called it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of settings that can be read. `recognise` looks at the text of one file and says how sure it is, 0 to
    100; `read` takes all files of the kind together, since settings and their tables come as several.
    """

    name: str
    title: str
    recognise: Callable[[str], int]
    read: Callable[[Sequence[Source]], Imported]


class ImportFailedError(Exception):
    """The files can't be read as that kind at all; says why and what to do, to an administrator."""


def entries(made: Iterable[tuple[str, str]], origin: Origin, note: str = "") -> list[Entry]:
    """Entries of one origin from kinds and values."""
    return [Entry(kind, value, origin, note) for kind, value in made]
