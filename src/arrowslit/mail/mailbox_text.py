"""Mail addresses as an administrator writes them, for policies and commands (not the paths of the wire)."""

from __future__ import annotations

from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import NULL_REVERSE_PATH, ForwardPath, Mailbox, Postmaster, ReversePath


def parse_mailbox(text: str) -> Mailbox:
    """`local-part@domain`, or with an address literal in brackets, without angle brackets.

    Raises ValueError when it is none.
    """
    local_part, at, domain = text.rpartition("@")
    plain = local_part.startswith('"') or not any(c.isspace() or c in '<>()[],;:"' for c in local_part)
    if not at or not local_part or not plain or not local_part.isprintable():
        raise ValueError(f"not a mail address: {text!r}")
    literal = domain.startswith("[") and domain.endswith("]")
    return Mailbox(local_part, domain.lower() if literal else normalise_domain(domain), text)


def parse_forward_path(text: str) -> ForwardPath:
    """A recipient: a mail address, or `postmaster` alone. Raises ValueError when it is neither."""
    return Postmaster(text) if text.lower() == "postmaster" else parse_mailbox(text)


def parse_reverse_path(text: str) -> ReversePath:
    """A reverse-path: a mail address, or nothing (or `<>`) for the null one. Raises ValueError when it is neither."""
    return NULL_REVERSE_PATH if text in {"", "<>"} else parse_mailbox(text)
