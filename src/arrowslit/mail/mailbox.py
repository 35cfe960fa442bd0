"""Mail addresses of the envelope as values (RFC 5321 4.1.2, RFC 6531).

Terms: a *mailbox* is a local part and a domain; the *null reverse-path* `<>` and the bare `<postmaster>` are types of
their own, so that neither can be mistaken for "nothing given". `text` is the address as it was sent, without angle
brackets and without the source route (which is removed, RFC 5321 appendix C), and is what goes on to the next hop.
Never judges whether an address may be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class NullReversePath(Enum):
    """The reverse-path `<>` of bounces."""

    NULL = ""

    @property
    def text(self) -> str:
        """Always empty."""
        return ""


NULL_REVERSE_PATH: Final = NullReversePath.NULL


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`local_part@domain`.

    `local_part` as sent (with its quotes, if any); `domain` as A-labels, lower case, no trailing dot, or the address
    literal with its brackets; `text` the whole as sent. `source_route` is true where `@a,@b:` was removed in front.
    """

    local_part: str
    domain: str
    text: str
    source_route: bool = False

    @property
    def literal(self) -> bool:
        """True where the domain is an address literal, `[192.0.2.1]`."""
        return self.domain.startswith("[")

    @property
    def needs_smtputf8(self) -> bool:
        """True where the address as sent has an octet over 127 (RFC 6531)."""
        return not self.text.isascii()


@dataclass(frozen=True, slots=True)
class Postmaster:
    """`<postmaster>` without a domain (RFC 5321 4.5.1); `text` as sent, in whatever case."""

    text: str


ReversePath = NullReversePath | Mailbox
ForwardPath = Mailbox | Postmaster
