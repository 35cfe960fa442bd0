"""What somebody must act on: every alarm by name, with what it means and how it ends.

The gateway raises them; this is the list for the reference page, for `arrowslit help` and for whoever sends them on.
An alarm of the same name and subject is sent at most once an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Ends(Enum):
    """How an alarm stops being open; the value is the sentence of the reference page."""

    FORGOTTEN = "Forgotten a day after it was last raised."
    SAID = "Over once its cause is gone, which is sent too."
    SILENT = "Raised again and again while it lasts; over after two minutes without, which is sent too."


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """`sent` is False for what is only shown: nobody could be told."""

    doc: str
    ends: Ends = Ends.FORGOTTEN
    sent: bool = True


ALARMS: Final[dict[str, AlarmKind]] = {
    "next-hop-down": AlarmKind("Three connections in a row to an address of a next hop failed.", Ends.SAID),
    "next-hop-misconfigured": AlarmKind(
        "A next hop refuses us at greeting, EHLO, TLS, AUTH or XCLIENT, or denies relay for an accepted domain: it or "
        "the policy is set up wrongly. Senders are told 451 and try again."
    ),
    "next-hop-garbage": AlarmKind("A next hop gave an answer that is no SMTP, or none that fits."),
    "next-hop-loop": AlarmKind("A next hop greets with our own name: mail would go round in circles."),
    "next-hop-certificate": AlarmKind("The certificate that we show a next hop cannot be used."),
    "fallback-in-use": AlarmKind("A next hop is down and its fallback takes the mail."),
    "outcome-unknown": AlarmKind(
        "A message was handed over and nobody knows whether the next hop took it. The sender tries again, so it may "
        "arrive twice."
    ),
    "spool-full": AlarmKind("The folder of the spool cannot be written, so large messages are deferred."),
    "spool-unreadable": AlarmKind("A message that was written to the spool could not be read back."),
    "intents-full": AlarmKind("Messages are handed over without being noted first; a crash would leave no trace."),
    "intents-unreadable": AlarmKind("What a dead worker was about to hand over could not be read."),
    "intents-torn": AlarmKind("Some of what a dead worker was about to hand over could not be read."),
    "log-decisions": AlarmKind("The decision log cannot be written.", Ends.SILENT),
    "log-journal": AlarmKind(
        "Decision records cannot be kept for the store, or too many wait for it and permits are not recorded.",
        Ends.SILENT,
    ),
    "log-mail": AlarmKind("The mail log cannot be written.", Ends.SILENT),
    "sign-in-unavailable": AlarmKind("Passwords cannot be checked: the directory or the users file is not there."),
    "dns-fault": AlarmKind("A look-up of a client's name failed by a fault of ours."),
    "session-fault": AlarmKind("A session was ended by a fault of ours. The log has more; please report it."),
    "worker-fault": AlarmKind("A worker met a fault of ours and went on. The log has more; please report it."),
    "worker-start": AlarmKind("A worker process could not be started."),
    "worker-hangs": AlarmKind("A worker process was silent for a minute and was ended."),
    "worker-died": AlarmKind("A worker process ended by itself and was started again."),
    "socket-not-used": AlarmKind("A socket was passed on to the node, and no listener has its address."),
    "reload-refused": AlarmKind("The changed files could not be taken up; what was active stays active.", Ends.SAID),
    "restart-needed": AlarmKind("Something was changed that a running node cannot take up."),
    "upgrade-failed": AlarmKind("The next program did not take over; the running one goes on."),
    "store-away": AlarmKind(
        "The store does not answer. The node goes on with the policy that it has; changes reach it when the store is "
        "back.",
        Ends.SAID,
    ),
    "store-fault": AlarmKind("What is done beside the mail met a fault of ours and goes on. Please report it."),
    "copies-not-written": AlarmKind(
        "A new revision could not be written to the state folder, so the node stays with the one it has.", Ends.SAID
    ),
    "decisions-wait": AlarmKind("Decision records cannot be taken into the store; they wait on disk.", Ends.SAID),
    "network-failed": AlarmKind(
        "A source of a network gives nothing that can be used; what it gave last stays.", Ends.SAID
    ),
    "network-unknown": AlarmKind(
        "A network of a new policy has no address yet, so the policy is not taken up: it would refuse those whom it "
        "should let in.",
        Ends.SAID,
    ),
    "network-held": AlarmKind("A change of a network's addresses waits until an administrator accepts it.", Ends.SAID),
    "upkeep-died": AlarmKind("The process beside the workers ended by itself and was started again; mail goes on."),
    "policy-undone": AlarmKind("A policy was not confirmed in time, and the one before it is active again."),
    "undo-failed": AlarmKind("A policy was not confirmed in time, but the one before it can't be taken up.", Ends.SAID),
    "undo-timer-lost": AlarmKind("The file of the undo timer can't be read; the store arms the timer anew."),
    "certificate-ends": AlarmKind("A certificate ends within a week.", Ends.SAID),
    "certificate-expired": AlarmKind(
        "A certificate has ended. It is used all the same, since mail must not stop for it.", Ends.SAID
    ),
    "certificate-not-yet-valid": AlarmKind("A certificate begins only later, or the clock is wrong.", Ends.SAID),
    "certificate-unreadable": AlarmKind("A certificate that is in use can no longer be read.", Ends.SAID),
    "alarm-not-sent": AlarmKind(
        "An alarm could not be sent by mail, webhook or syslog. Shown by `arrowslit status` and never sent itself.",
        Ends.SAID,
        sent=False,
    ),
}
"""Every alarm there is."""
