"""All kinds of settings that can be imported, and how the kind of a file is found."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from arrowslit.imports.imported import Kind

MODULES: Final[dict[str, str]] = {
    "iptables": "iptables.kind:IPTABLES",
    "nftables": "nft.kind:NFTABLES",
    "csv": "csv:CSV",
    "exchange": "exchange:EXCHANGE",
    "exchange-online": "inbound_connectors:EXCHANGE_ONLINE",
    "postfix": "postfix.reader:POSTFIX",
    "smtp-service": "smtp_service:SMTP_SERVICE",
    "opensmtpd": "opensmtpd.reader:OPENSMTPD",
    "exim": "exim.reader:EXIM",
}
"""Name -> module in this package and the name of the `Kind` there."""


def kind_of(name: str) -> Kind:
    """The kind of that name. Raises KeyError."""
    module, _, attribute = MODULES[name].partition(":")
    found: Kind = getattr(import_module(f"arrowslit.imports.{module}"), attribute)
    return found


def kinds() -> list[Kind]:
    """All of them."""
    return [kind_of(name) for name in MODULES]


def recognised(text: str) -> Kind | None:
    """The kind that is surest of `text`; None where none is."""
    sure = [(kind.recognise(text), kind) for kind in kinds()]
    best = max(sure, key=lambda one: one[0], default=(0, None))
    return best[1] if best[0] > 0 else None
