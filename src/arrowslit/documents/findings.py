"""What the findings of this room mean: those about the files themselves, whatever they say about mail.

The other findings are in `policy.findings`. The texts are shown by `arrowslit help` and on the reference page.
"""

from __future__ import annotations

from typing import Final

from arrowslit.policy.finding import Severity
from arrowslit.policy.findings import About


def _keeps_out(doc: str) -> About:
    return About(Severity.ERROR, doc, loads=False)


FINDINGS: Final[dict[str, About]] = {
    "unreadable-file": _keeps_out(
        "A file could not be read: it is not there, the permissions forbid it, it is too large, or it is not UTF-8. "
        "Nothing can be said about its content."
    ),
    "syntax": _keeps_out("The file is not TOML. Nothing behind this place was looked at."),
    "unknown-key": _keeps_out(
        "The file has a key that means nothing here. It is refused and not ignored, because a misspelt setting would "
        "otherwise silently have its default."
    ),
    "missing-key": _keeps_out("A key that has no default, or that goes together with another one, is not there."),
    "duplicate-listener": _keeps_out(
        "Two listeners would listen on the same port of the same address. An unspecified address (0.0.0.0 or [::]) "
        "holds every address of its family, and [::] holds both families."
    ),
    "certificate-without-tls": _keeps_out(
        "A listener asks clients for a certificate, but clients show one only in TLS."
    ),
    "tls-files": _keeps_out(
        "The files of [tls] do not fit: the key belongs to another certificate, is protected by a password, or one of "
        "the files is no PEM."
    ),
    "unknown-virtual-server": _keeps_out(
        "A listener or an expectation names a virtual server that the policy does not have."
    ),
    "unknown-target": _keeps_out("An enforcement point names a target that the policy can't be compiled to."),
    "duplicate-device": _keeps_out(
        "Two enforcement points are for one device over its API, or for one security group. Our lists and rules there "
        "have one name, whatever the interface and the ports, so the two would overwrite each other."
    ),
    "source-missing": About(
        Severity.WARNING,
        "A file that the policy names is not there or cannot be read. The policy is used without it: a network has "
        "its pinned addresses only, a next hop has no recipient list or no password.",
    ),
    "source-broken": _keeps_out(
        "A file that the policy names has a line that cannot be read. It holds the policy up, since half of a list "
        "would silently shut out, or let in, whoever stands on the other half."
    ),
    "host-bits": About(
        Severity.WARNING, "A range has bits set after its prefix. It is read as the whole range, with the bits cleared."
    ),
    "certificate-ends": About(
        Severity.WARNING,
        "A certificate that the files name, or one of its chain, ends within three weeks. Renew it, then reload. "
        "In the last week it is an alarm too.",
    ),
    "certificate-expired": About(
        Severity.WARNING,
        "A certificate that the files name, or one of its chain, has ended. It is used all the same, since mail must "
        "not stop for it, but whoever verifies it will refuse it.",
    ),
    "certificate-not-yet-valid": About(
        Severity.WARNING,
        "A certificate that the files name, or one of its chain, begins only later, or this machine's clock is wrong.",
    ),
    "certificate-unreadable": About(
        Severity.WARNING,
        "The certificate for a next hop is not there or is no PEM. No message can be handed to that next hop.",
    ),
    "alarm-mail-no-way": About(
        Severity.WARNING,
        "Alarms cannot be mailed to an address: its domain is not accepted, and no virtual server has a "
        "`relay_next_hop` for the rest of the world.",
    ),
    "webhook-in-clear": About(
        Severity.WARNING,
        "The web address for alarms is http://: alarms and the address itself can be read on the way.",
    ),
    "secret-open": About(Severity.WARNING, "A password file can be read by other users of this machine."),
}
