"""An attempt as the facts that `policy.decide` asks for: what the log does not tell is Unknown.

The day is that of the judgement, not of the log: asked is what the policy would do to such traffic now, as it was
asked of the records of the node before (policy-semantics, "Facts that are missing").
"""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Final

from arrowslit.mail.address import IPAddress, parse_address
from arrowslit.mail.domain import normalise_domain
from arrowslit.mail.mailbox import ForwardPath, ReversePath
from arrowslit.mail.mailbox_text import parse_forward_path, parse_reverse_path
from arrowslit.policy.facts import UNKNOWN, Certificate, Facts, Unknown
from arrowslit.traffic.attempt import Attempt

PATH: Final = 1000
"""Characters of an address or a name: no server takes as many, and what is remembered must stay small."""
_ADDRESS: Final = 100


def client_of(attempt: Attempt) -> str:
    """The client's address in its one form; "" where it is not told. Raises ValueError where it is none."""
    return "" if attempt.client_address is None else str(_address(attempt.client_address))


def facts_of(attempt: Attempt, virtual_server: str, date: datetime.date) -> Facts:
    """The facts of one attempt. Raises ValueError where the client address is none, or the recipient is no address."""
    who = attempt.authenticated_as
    return Facts(
        virtual_server=virtual_server,
        client_address=UNKNOWN if attempt.client_address is None else _address(attempt.client_address),
        date=date,
        reverse_name=_name(attempt.reverse_name),
        client_name=_name(attempt.client_name),
        helo_name=UNKNOWN if attempt.helo_name is None else attempt.helo_name or None,
        tls=_tls(attempt),
        certificate=_certificate(attempt),
        authenticated_as=UNKNOWN if who is None else who or None,
        # No log tells which addresses a directory had for whom.
        own_addresses=UNKNOWN,
        reverse_path=UNKNOWN if attempt.reverse_path is None else _reverse_path(attempt.reverse_path),
        message_bytes=attempt.message_bytes,
        forward_path=UNKNOWN if attempt.forward_path is None else _forward_path(attempt.forward_path),
    )


@lru_cache(maxsize=65_536)
def _short_address(text: str) -> IPAddress:
    return parse_address(text)


@lru_cache(maxsize=65_536)
def _short_path(text: str) -> ForwardPath:
    return parse_forward_path(text)


def _address(text: str) -> IPAddress:
    return parse_address(text) if len(text) > _ADDRESS else _short_address(text)


def _forward_path(text: str) -> ForwardPath:
    if len(text) > PATH:
        raise ValueError(f"a recipient of {len(text)} characters is no address")
    return _short_path(text)


def _tls(attempt: Attempt) -> bool | Unknown:
    """A certificate is only shown in TLS."""
    if attempt.tls is None:
        return True if attempt.certificate else UNKNOWN
    return attempt.tls


def _reverse_path(text: str) -> ReversePath | Unknown:
    """A reverse-path that is no address is none of ours: nothing is known of it."""
    try:
        return UNKNOWN if len(text) > PATH else parse_reverse_path(text)
    except ValueError:
        return UNKNOWN


def _name(text: str | None) -> str | Unknown | None:
    if not text:
        return UNKNOWN if text is None else None
    if len(text) > PATH:
        return UNKNOWN
    try:
        return normalise_domain(text)
    except ValueError:
        return UNKNOWN


def _certificate(attempt: Attempt) -> Certificate | Unknown | None:
    if not attempt.certificate:
        nothing_told = attempt.certificate is None and attempt.tls is not False
        return UNKNOWN if nothing_told else None
    if attempt.certificate_names is None:
        return UNKNOWN
    return Certificate(attempt.certificate, frozenset(attempt.certificate_names))
