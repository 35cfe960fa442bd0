"""Exim behind the gateway: an ACL file for the recipients that the gateway brings, and lines of the main part.

- Relaying: the gateway brings mail for the accepted domains of the policy and for no others, whatever relay_from_hosts
  says; who has signed in through it goes on to the server's own ACL.
- Greylisting, SPF, DNS lists and delays of the server's own ACL for recipients do not count for the gateway, since it
  has an ACL of its own there; recipients are verified. All later ACLs count, that for the message among them.
- Limits per host, and of commands without purpose, leave the gateway out.
- The PROXY header, where the policy says so. Exim takes neither XFORWARD nor (before 4.98) XCLIENT.

Exim has no setting for bare newlines that could exempt anybody: a version with the correction (4.97.1, or Debian's
4.96-15+deb12u4) never ends a message at one. Sources: the Exim specification, 14 (main options), 44 (ACLs), 59 (PROXY).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.inner import SCOPE, TERMS, gateway, identities
from arrowslit.targets.recipient import by_rank
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Body, Place, Target
from arrowslit.targets.text import HASH

_INNER: Final = "acl_check_rcpt"
_WIDTH: Final = 100
LIMIT: Final = "LIMIT"
MAIN: Final = "in the main part, in place of a line of that name: "
_NOTES: Final = (
    "what acl_check_rcpt refuses besides, such as single recipients, has to be written into this file too",
    f"smtp_accept_max_per_host is for others than the gateway: {LIMIT} is what was there, 0 for no limit",
    "smtp_accept_max is 20 where nothing is set: less than the gateway and others may need together",
    "checks in acl_smtp_connect, acl_smtp_helo, acl_smtp_mail and acl_smtp_data (SPF, greylisting): put !hosts with "
    "the gateway's address into them",
    "fail2ban: ignoreip of jail.local must name the gateway's address",
    "the audit of Arrowslit tries to relay from the gateway's address: run it afterwards",
)


def _body(rules: Rules, place: Place) -> Body:
    apply = (
        "cp FILE DIR/arrowslit-inner.acl, where DIR is the folder of the configuration (exim -bP configure_file)",
        *(f"{MAIN}{line}" for line in _main(rules, place)),
        "Debian: MAIN_ACL_CHECK_RCPT instead of acl_smtp_rcpt, all lines in /etc/exim4/conf.d/main/00_arrowslit_inner"
        " and in exim4.conf.localmacros, DIR = /etc/exim4, then update-exim4.conf",
        "exim -bV, then the check below, then systemctl reload exim, or exim4",
    )
    check = (
        "exim -bh GATEWAY and RCPT by hand: a foreign domain gets 550, one of yours 250; nothing is sent",
        "exim -bP acl_smtp_rcpt smtp_accept_max_per_host smtp_accept_max_nonmail_hosts hosts_proxy",
    )
    undo = (
        "bring back the lines of before, at least acl_smtp_rcpt; reload as above",
        "rm DIR/arrowslit-inner.acl",
    )
    return Body("".join(_statements(rules)), apply, check, undo, (*_NOTES, *_identity_notes(rules)))


def _main(rules: Rules, place: Place) -> Iterator[str]:
    found = " ; ".join(map(str, gateway(place)))
    who = f"match_ip{{$sender_host_address}}{{<; {found}}}"
    if "proxy-v2" in identities(rules):
        yield f"hosts_proxy = <; {found}"
        # Behind the header the client has an address of its own.
        who = f"or{{{{{who}}}{{bool{{$proxy_session}}}}}}"
    yield f"acl_smtp_rcpt = ${{if {who}{{DIR/arrowslit-inner.acl}}{{{_INNER}}}}}"
    yield "smtp_accept_max = 200"
    yield f"smtp_accept_max_per_host = ${{if match_ip{{$sender_host_address}}{{<; {found}}}{{0}}{{{LIMIT}}}}}"
    yield f"smtp_accept_max_nonmail_hosts = <; {' ; '.join(f'!{one}' for one in gateway(place))} ; *"


def _statements(rules: Rules) -> Iterator[str]:
    yield HASH.line("Who has signed in through the gateway is the server's own business.")
    yield f"accept\n  authenticated = *\n  endpass\n  acl = {_INNER}\n\n"
    yield HASH.line("The gateway has no right to relay.")
    message = "550 5.7.1 the gateway may not relay"
    yield f"deny\n  local_parts = ^.*[%!@]\n  message = {message}: no routing in the local part\n\n"
    names = by_rank(rules)
    line = " : ".join(names)
    listed = line if len(line) <= _WIDTH else " : \\\n    ".join(names)
    yield f"deny\n  !domains = {listed}\n  message = {message}\n\n"
    yield HASH.line("It asks for each recipient, and answers the client by what is said here.")
    yield "require\n  verify = recipient\n\naccept\n"


def _identity_notes(rules: Rules) -> Iterator[str]:
    told = identities(rules)
    if told & {"xforward", "xclient"}:
        yield 'Exim takes no XFORWARD: identify_client must be "proxy-v2" or "none" here'
    if "proxy-v2" in told:
        yield "with hosts_proxy the gateway must send the PROXY header each time: change both sides together"


INNER_EXIM: Final = Target("inner-exim", "Exim behind the gateway", SCOPE, TERMS, HASH, "acl", _body)
