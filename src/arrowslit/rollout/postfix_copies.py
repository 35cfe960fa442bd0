"""Lists of others that stand behind ours in Postfix as copies: whether they still are what they were copied from.

Where our list takes the place of one that a service had, the script puts a copy of that one behind ours, as a class.
What an administrator changes in his own list later does not reach the copy, so it is drift: applying copies it anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.postfix_place import LivePostfix, words


def stale_copies(machine: MailMachine, live: LivePostfix, copies: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each class that is no copy any more. `copies` are classes and the settings that they are of."""
    if not copies or not live.guarded:
        return
    had = _saved(machine.read(f"{live.folder}/arrowslit/saved/services") or "")
    first = min(one.name for one in live.guarded)  # the one that the script copies from
    for name, setting in copies.items():
        own = had.get((first, setting), "") or machine.run("postconf", "-h", setting)
        if words(live.main.get(name, "")) != [*words(own), "permit"]:
            yield f"{setting} was changed since it was copied behind ours (to {name}): apply again"


def _saved(text: str) -> dict[tuple[str, str], str]:
    """What services had of a setting before ours: lines of service, setting and value."""
    lines = [line.split(" ", 2) for line in text.splitlines() if line.count(" ") > 1]
    return {(service, setting): value for service, setting, value in lines}
