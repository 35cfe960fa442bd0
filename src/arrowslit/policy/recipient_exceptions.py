"""Recipients that even those may write to who may not connect or deliver. Part of `decide`."""

from __future__ import annotations

from arrowslit.mail.mailbox import ForwardPath, Mailbox
from arrowslit.policy.compiled import CompiledServer
from arrowslit.policy.model import AcceptedDomain


def lifts(server: CompiledServer) -> bool:
    """True where the virtual server has exceptions that can count (decisions 12)."""
    return bool(server.exceptions) and not server.at_connect


def is_exception(server: CompiledServer, path: ForwardPath, accepted: AcceptedDomain) -> bool:
    """True where everybody may write to this recipient; the local part in whatever case."""
    if not lifts(server):
        return False
    if isinstance(path, Mailbox):
        return f"{path.local_part}@{path.domain}".lower() in server.exceptions
    return f"postmaster@{accepted.name}" in server.exceptions
