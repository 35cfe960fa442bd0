"""Exim: on its own, as Debian sets it up, and as cPanel does.

Grants: connecting, delivering, relaying, at each RCPT of the given ports. It can say all that a policy says but for
entries by name and by certificate; a relay list that names who may *not* relay is refused its meaning, since Exim has
no second line against that. What the server itself refuses (unknown recipients, spam) it refuses as before, for these
statements stand before its own and accept nothing but what is relayed.

In `exim` and `exim-debian` the text is an ACL file that Exim reads anew for each connection: to replace it is to apply
it, with no moment between, and where the file is missing Exim says 451 to everybody. In `exim-cpanel` it is a part of
the ACL that WHM puts together; no cPanel could be had for a test, so its steps stand on documentation.

Sources: the Exim specification, 44.3 (ACL files), 5 (-bh, -bP, -bV); update-exim4.conf(8) and the README of Debian's
exim4 (MAIN_ACL_CHECK_RCPT); cPanel's documentation of the Exim Configuration Manager.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from arrowslit.targets.exim_acl import MORE_GAPS, TERMS, notes, statements
from arrowslit.targets.recipient import odd_exceptions
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import ALL, Body, Place, Target
from arrowslit.targets.text import HASH

_GOES_ON: Final = "# The server's own ACL.\naccept\n  endpass\n  acl = acl_check_rcpt\n"
_TRY: Final = "BIN -bh ADDRESS and RCPT by hand: a stranger gets 550, a listed client 250; nothing is sent"
_FILE: Final = (
    "cp FILE DIR/arrowslit.acl.new && chmod 644 DIR/arrowslit.acl.new",
    "test ! -e DIR/arrowslit.acl || cp -p DIR/arrowslit.acl DIR/arrowslit.acl.before",
    "mv DIR/arrowslit.acl.new DIR/arrowslit.acl",
)
_AGAIN: Final = "to go back to the text before: mv DIR/arrowslit.acl.before DIR/arrowslit.acl"
_FILE_NOTES: Final = (
    "Exim reads the file for each connection: once it is in place, only the lines with cp and mv are needed",
    "it calls the server's own ACL acl_check_rcpt: where it has another name (-bP acl_smtp_rcpt), change the last line",
    "relay_from_hosts no longer gives the right to relay on these ports; other ports are left as they are",
)


def _steps(lines: tuple[str, ...], program: str, folder: str) -> tuple[str, ...]:
    return tuple(line.replace("BIN", program).replace("DIR", folder) for line in lines)


def _plain(rules: Rules, place: Place) -> Body:
    apply = (
        *_FILE,
        "once: cp -p exim.conf exim.conf.before-arrowslit, where exim.conf is what BIN -bP configure_file says",
        "once: in exim.conf replace acl_smtp_rcpt = acl_check_rcpt by acl_smtp_rcpt = DIR/arrowslit.acl",
        "once: BIN -bV, then the check below; only when a listed client gets 250: systemctl reload exim, or kill -HUP",
    )
    undo = (
        "mv exim.conf.before-arrowslit exim.conf, reload as above, and only then rm DIR/arrowslit.acl",
        _AGAIN,
    )
    check = ("BIN -bP acl_smtp_rcpt says DIR/arrowslit.acl", _TRY)
    return _body(rules, place, _GOES_ON, *(_steps(one, "exim", "/etc/exim") for one in (apply, check, undo)))


def _debian(rules: Rules, place: Place) -> Body:
    macro = "MAIN_ACL_CHECK_RCPT = DIR/arrowslit.acl"
    apply = (
        *_FILE,
        f"echo '{macro}' > DIR/conf.d/main/00_arrowslit",
        f"grep -qsx '{macro}' DIR/exim4.conf.localmacros || echo '{macro}' >> DIR/exim4.conf.localmacros",
        "update-exim4.conf && systemctl reload exim4",
    )
    undo = (
        "rm DIR/conf.d/main/00_arrowslit",
        "sed -i '/arrowslit.acl$/d' DIR/exim4.conf.localmacros",
        "update-exim4.conf && systemctl reload exim4 && rm DIR/arrowslit.acl",
        _AGAIN,
    )
    check = ("BIN -bP acl_smtp_rcpt says DIR/arrowslit.acl", _TRY)
    body = _body(rules, place, _GOES_ON, *(_steps(one, "exim4", "/etc/exim4") for one in (apply, check, undo)))
    more = (
        "the macro is set for both ways of configuration, split and unsplit; only one of the two is read",
        "where there is a /etc/exim4/exim4.conf, Debian reads neither: use the target exim",
        "this stands before Debian's own rules: CHECK_RCPT_LOCAL_ACL_FILE would come too late, behind postmaster",
    )
    return Body(body.text, body.apply, body.check, body.undo, (*body.notes, *more), body.gaps)


_WHM: Final = "WHM, Service Configuration, Exim Configuration Manager, Advanced Editor, box custom_begin_pre_recipient"


_CUSTOM: Final = "/usr/local/cpanel/etc/exim/acls/ACL_PRE_RECIPIENT_BLOCK/custom_begin_pre_recipient"


def _cpanel(rules: Rules, place: Place) -> Body:
    apply = (
        "in the Exim Configuration Manager: Backup; keep it",
        f"{_WHM}: keep a copy of what is in it; put FILE above it, in place of an earlier one; Save",
        f"or at the shell: {_CUSTOM} is that box, and /etc/exim.conf.localopts has a line"
        " acl_custom_begin_pre_recipient=1; then /usr/local/cpanel/scripts/buildeximconf and restartsrv_exim",
        "the text is checked before /etc/exim.conf is replaced; a fault leaves the old one running",
    )
    check = (
        "in the ACL of /etc/exim.conf that exim -bP acl_smtp_rcpt names, only 'hosts = :' is accepted above Arrowslit",
        _TRY.replace("BIN", "exim"),
    )
    undo = (f"{_WHM}: put back what was in it; Save", "or Restore, in the Exim Configuration Manager")
    more = (
        "no address belongs into Trusted SMTP IPs for this: that grants relaying and skips all checks",
        "who is in Trusted SMTP IPs, or has signed in to fetch mail shortly before (antirelayd), relays here no longer",
    )
    return _body(rules, place, "", apply, check, undo, more)


def _body(
    rules: Rules,
    place: Place,
    end: str,
    apply: tuple[str, ...],
    check: tuple[str, ...],
    undo: tuple[str, ...],
    more: tuple[str, ...] = _FILE_NOTES,
) -> Body:
    text = "".join(statements(rules, place.ports)) + end
    return Body(text.rstrip("\n") + "\n", apply, check, undo, (*notes(rules), *more), odd_exceptions(rules))


def _target(name: str, title: str, write: Callable[[Rules, Place], Body]) -> Target:
    return Target(name, title, ALL, TERMS, HASH, "acl", write, MORE_GAPS)


EXIM: Final = _target("exim", "Exim with a configuration file of its own", _plain)
EXIM_DEBIAN: Final = _target("exim-debian", "Exim as Debian and Ubuntu set it up", _debian)
EXIM_CPANEL: Final = _target("exim-cpanel", "Exim under cPanel and WHM", _cpanel)
