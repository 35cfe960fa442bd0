"""The shell script that gives Postfix its lists: what the targets with a Postfix in them have in common.

Terms: a *home* is where a Postfix lives and what its surroundings need: the folder of its files, the places that a
bundle makes these files from, and how its settings are checked. What the lists are: `postfix_lists`. How they come in
and go out: `postfix_shell`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from arrowslit.targets.postfix_lists import lists_of
from arrowslit.targets.postfix_shell import APPLY, BLOCKS, COPY, DOMAINS, END, FUNCTIONS, KEEP, OWN, RELAYS, START
from arrowslit.targets.postfix_tables import Lists
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Body, Place


@dataclass(frozen=True, slots=True)
class Home:
    """One kind of machine.

    The shell of `before` comes first, `own` names the folder of the tables, and `keep` has the functions `kept` and
    `unkept` that put our settings where the bundle makes Postfix's files from, and take them out.
    """

    apply: tuple[str, ...] = ("sh FILE",)
    check: tuple[str, ...] = (
        "postconf -P | grep arrowslit; postconf -n | grep arrowslit",
        "postmap -q ADDRESS cidr:$(postconf -h arrowslit_tables)/connect.cidr",
    )
    undo: tuple[str, ...] = ("sh FILE undo",)
    notes: tuple[str, ...] = ()
    before: str = ""
    own: str = OWN
    keep: str = ""
    compares_domains: bool = True


NAMES: Final = {25: "smtp", 465: "submissions", 587: "submission"}
SERVICE_SETTINGS: Final = (
    *("smtpd_relay_restrictions", "smtpd_client_restrictions", "smtpd_data_restrictions", "smtpd_delay_reject"),
    *("plaintext_reject_code", "unknown_client_reject_code", "mynetworks"),
    *("message_size_limit", "smtpd_recipient_limit"),
)
"""What a service may get of us."""

NOTES: Final = (
    "mynetworks gives no right to connect, deliver or relay on this port any more: programs of this machine that send "
    "by 127.0.0.1:25 must be listed, or use sendmail or submission",
    "sessions that are open when this is applied go on by the lists of before",
    "where a proxy or Docker hides the client's address, everybody looks like one client: list none of those addresses",
    "wide rules beside this one: permit_mynetworks, permit in tables and other inet services, see postconf -n, -P, -M",
)


def body(rules: Rules, place: Place, home: Home) -> Body:
    """The script for one home."""
    lists = lists_of(rules)
    text = "".join(
        (
            home.before,
            START,
            home.own,
            "".join(_names(rules, place, lists)),
            KEEP,
            BLOCKS + home.keep if home.keep else "",
            FUNCTIONS,
            "".join(_tables(lists)),
            COPY if lists.copies else "",
            RELAYS if _relays(lists) else "",
            "".join(_settings(lists)),
            "".join(_probes(lists)),
            APPLY,
            DOMAINS if home.compares_domains else "\ncompare_domains() { :; }\n",
            END,
        )
    )
    copied = (
        f"{setting} of before are copied behind ours: run this again when you change them"
        for setting in lists.copies.values()
    )
    return Body(text, home.apply, home.check, home.undo, (*home.notes, *NOTES, *copied), tuple(lists.gaps))


def _names(rules: Rules, place: Place, lists: Lists) -> Iterator[str]:
    ports = " ".join(f"{port}:{NAMES.get(port, port)}" for port in place.ports)
    yield f"DIGEST={lists.digest}\nPORTS='{ports}'\n"
    yield f"ALL_SERVICE_SETTINGS='{' '.join(SERVICE_SETTINGS)}'\n"
    yield f"ACCEPTED='{' '.join(one.name for one in rules.accepted)}'\n"


def _tables(lists: Lists) -> Iterator[str]:
    """A shell function that writes all tables into a folder."""
    yield "\nwrite_tables() {\n"
    for table in lists.tables:
        yield f"cat >\"$1/{table.name}\" <<'END_OF_TABLE'\n{table.text}END_OF_TABLE\n"
    yield "}\n"


def _relays(lists: Lists) -> bool:
    """True where somebody may relay by his address."""
    return any(table.name == "relay.cidr" and "permit" in table.text for table in lists.tables)


def _settings(lists: Lists) -> Iterator[str]:
    """Shell functions for main.cf and for a service."""
    yield "\nsettings() {\n"
    for name, setting in lists.copies.items():
        yield f"\tcopy_list {name} {setting} $found\n"
    classes = ", ".join((*lists.classes, *lists.copies))
    yield '\tstaged -e "arrowslit_tables = $tables" \\\n'
    yield f'\t\t"smtpd_restriction_classes = ${{old_classes:+$old_classes, }}{classes}"'
    for name, value in {**lists.settings, **lists.classes}.items():
        yield f" \\\n\t\t'{name} = {value}'"
    yield "\n}\n\nservice_values() {\n"
    if _relays(lists):
        yield '\tlet_relay "$1"\n'
    options = " ".join(f"\"$1/\"'{name}={value}'" for name, value in lists.service.items())
    yield f"\tstaged -P {options}\n}}\n"


def _probes(lists: Lists) -> Iterator[str]:
    yield "\nprobes() {\n"
    for probe in lists.probes:
        yield f"\tprobe {probe.table} {probe.address} '{probe.action}'\n"
    yield "\t:\n}\n"
