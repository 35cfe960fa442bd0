"""What lint has to say: named findings with a place and a remedy.

Terms: a *finding* has a stable name in kebab-case (`relay-open`), a severity, a place in the document and a help that
says what to write instead. Errors hold a policy up, warnings do not. Never printed from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from arrowslit.policy.tree import Span


class Severity(Enum):
    """`ERROR` holds up `apply` unless waived; `WARNING` does not, and `INFO` asks for nothing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the document that an excerpt underlines, with what is said there."""

    span: Span
    says: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    `key` is the dotted path of the setting ("virtual_servers.inbound.connection_control.mode"); `example` shows what
    could happen, `help` says what to write instead. `waivable` is False where the document does not even load.
    """

    name: str
    severity: Severity
    message: str
    key: str
    mark: Mark | None = None
    others: tuple[Mark, ...] = ()
    example: str = ""
    help: str = ""
    waivable: bool = True
