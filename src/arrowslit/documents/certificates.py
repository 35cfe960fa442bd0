"""How long the certificates that the files name are valid: those of `[tls]`, and those that we show next hops.

Terms: a certificate in use has a *purpose*, "listeners" or "next hop NAME"; its *term* is the time in which all
certificates of the file are valid, since a chain with one that has ended is no better. A certificate that has ended
is a warning and never an error: mail must not stop for it. Authorities (`client_ca`) are not looked at, for of a
bundle some have always ended. Times are Unix seconds.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arrowslit.documents.files import why
from arrowslit.documents.settings import Settings
from arrowslit.policy.model import Policy

DAY: Final = 86_400.0
WARNED: Final = 21 * DAY
ALARMED: Final = 7 * DAY

LISTENERS: Final = "listeners"


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A certificate (PEM) and what it is for."""

    purpose: str
    path: Path


@dataclass(frozen=True, slots=True)
class Term:
    """When a certificate begins and ends; `problem` says why that is not known."""

    use: CertificateUse
    begins: float = 0.0
    ends: float = 0.0
    problem: str = ""

    def state(self, now: float, early: float = WARNED) -> str:
        """The name of what is wrong with it, as findings and alarms have it; empty where nothing is.

        `early` is how many seconds before its end that is something wrong.
        """
        if self.problem:
            return "certificate-unreadable"
        if now > self.ends:
            return "certificate-expired"
        if now < self.begins:
            return "certificate-not-yet-valid"
        return "certificate-ends" if self.ends - now < early else ""

    def says(self, now: float) -> str:
        """It in one sentence."""
        file, state = f"the certificate for {self.use.purpose} ({self.use.path})", self.state(now, float("inf"))
        if state == "certificate-unreadable":
            return f"{file} cannot be read: {self.problem}"
        if state == "certificate-not-yet-valid":
            return f"{file} is valid from {_day(self.begins)} on"
        return f"{file} {'ended' if state == 'certificate-expired' else 'ends'} on {_day(self.ends)}"


def named_in(settings: Settings | None, policy: Policy | None, base: Path) -> Iterator[CertificateUse]:
    """The certificates that settings and policy name; `base` is the folder that the policy's files are relative to."""
    if settings is not None and settings.tls.certificate is not None:
        yield CertificateUse(LISTENERS, settings.tls.certificate)
    for hop in policy.next_hops.values() if policy is not None else ():
        if hop.tls_certificate:
            yield CertificateUse(f"next hop {hop.name}", base / hop.tls_certificate)


def term(use: CertificateUse) -> Term:
    """Read the file. Never raises for what is in it, or that it is not there."""
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - 50 ms that most commands need not pay

    try:
        chain = load_pem_x509_certificates(use.path.read_bytes())
        begins = max(certificate.not_valid_before_utc for certificate in chain)
        ends = min(certificate.not_valid_after_utc for certificate in chain)
    except OSError as error:
        return Term(use, problem=why(error))
    except ValueError:
        return Term(use, problem="it is no certificate in PEM")
    return Term(use, begins.timestamp(), ends.timestamp())


def _day(unix: float) -> str:
    return datetime.datetime.fromtimestamp(unix, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
