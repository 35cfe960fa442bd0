"""Documents for the tests of the policy: TOML to a policy, and a few short ways to facts."""

from __future__ import annotations

import datetime
from typing import Any

from arrowslit.documents.toml import parse
from arrowslit.mail.address import parse_address
from arrowslit.mail.mailbox import NULL_REVERSE_PATH
from arrowslit.mail.mailbox_text import parse_forward_path, parse_reverse_path
from arrowslit.policy.document import Loaded, load_policy
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import Policy
from arrowslit.policy.tree import Document

DATE = datetime.date(2026, 11, 25)


def tree(text: str, name: str = "policy.toml") -> Document:
    """The document in `text`."""
    return parse(text, name)


def load(text: str, **more: Any) -> Loaded:
    return load_policy(tree(text), **more)


def policy(text: str, **more: Any) -> Policy:
    """The policy in `text`, which must load."""
    loaded = load(text, **more)
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def facts(address: str = "203.0.113.9", to: str | None = None, mail_from: str = "", **more: Any) -> Facts:
    """Facts of a plain session without TLS, names or sign-in, save what is said."""
    known: dict[str, Any] = {
        "date": DATE,
        "reverse_name": None,
        "client_name": None,
        "helo_name": "client.example",
        "tls": False,
        "certificate": None,
        "authenticated_as": None,
        "reverse_path": parse_reverse_path(mail_from) if mail_from else NULL_REVERSE_PATH,
        **({} if to is None else {"forward_path": parse_forward_path(to)}),
    }
    return Facts(client_address=parse_address(address), **{**known, **more})
