"""Sendmail 8.15 and later: a file that sendmail.mc includes, with rulesets behind its hook Local_check_rcpt.

Grants: connecting, delivering, relaying, at RCPT of the given ports. There is no list in Sendmail that refuses whoever
is not in it (an empty `Connect:` in the access database is ignored), so the rulesets end in a refusal of their own.
Who may relay is answered with OK, which skips Sendmail's own checks of the recipient; all others go on to those.

Sources: cf/README (Local_check_rcpt, LOCAL_CONFIG, LOCAL_RULESETS); the Installation and Operation Guide (5.1 rules,
5.2 macros, 5.9 maps of the types regex and syslog).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.targets.gaps import Term
from arrowslit.targets.recipient import by_rank, connecting, exceptions, odd_exceptions, sign_in_notes
from arrowslit.targets.rules import Access, Rules
from arrowslit.targets.sendmail_rules import DNL, List, domain, quoted, rule
from arrowslit.targets.target import ALL, Body, Place, Target

_FILE: Final = "/etc/mail/arrowslit.m4"
_CF: Final = "/etc/mail/sendmail.cf"
_CONNECT: Final = "You may not deliver here"
_DELIVER: Final = "You may not deliver to this domain"
_RELAY: Final = "You may not relay: this server takes no mail for that domain"
_TLS: Final = "You must issue STARTTLS before sending mail here"


def _write(rules: Rules, place: Place) -> Body:
    lists = _lists(rules)
    config = "" if rules.server.recipients_a_message is None else _COUNT
    config += "".join(one.config for one in lists.values())
    text = [f"LOCAL_CONFIG\n{_CONFIG}{config}\nLOCAL_RULESETS\n", *(one.ruleset for one in lists.values())]
    text += [*_helpers(rules, place), "SLocal_check_rcpt\n", *_hook(rules)]
    return Body(
        "".join(text),
        apply=(
            f"test ! -e {_FILE} || cp -p {_FILE} {_FILE}.before",
            f"test -e {_CF}.before-arrowslit || cp -p {_CF} {_CF}.before-arrowslit",
            f"cp FILE {_FILE}",
            f"once, as the last line of /etc/mail/sendmail.mc, behind all MAILER lines: include({_FILE})",
            f"m4 /etc/mail/sendmail.mc > {_CF}.new, then the check below with {_CF}.new",
            f"mv {_CF}.new {_CF} and restart Sendmail; on Debian: sendmailconfig",
        ),
        check=(
            f"sendmail -C {_CF} -bt prints no line with a fault; there:",
            ".D{daemon_port}25",
            ".D{client_addr}192.0.2.1 with the address to be tried",
            "Local_check_rcpt <a@DOMAIN> ends in error for a stranger, not for a listed client",
        ),
        undo=(
            "take the include out of /etc/mail/sendmail.mc",
            f"mv {_CF}.before-arrowslit {_CF} and restart Sendmail",
            f"to go back to the text before: mv {_FILE}.before {_FILE}, m4 and restart as above",
        ),
        notes=(*_notes(rules), *sign_in_notes(rules)),
        gaps=odd_exceptions(rules),
    )


_FEW: Final = "$>ArrowslitFew"
_COUNT: Final = "Karrowslit_count arith\n"
_CONFIG: Final = "Karrowslit_routing regex -aROUTES [%!@].*@\nKarrowslit_log syslog -LNOTICE\n"


def _notes(rules: Rules) -> Iterator[str]:
    if rules.server.recipients_a_message is not None:
        yield "a recipient that is said twice counts once toward recipients_a_message"
    yield "the access database stays as it is; what it refuses is still refused, but RELAY in it counts no more"
    yield "an own Local_check_rcpt in sendmail.mc is run before this one, whose rules are added to it"
    yield "addresses of IPv6 are compared as Sendmail writes them with UseCompressedIPv6Addresses false, the default"


def _lists(rules: Rules) -> dict[str, List]:
    """All lists under the names of their rulesets. Who may relay is never told by who may not."""
    relay = rules.relay if rules.relay.only_listed else Access(rules.relay.rule)
    found = {"Connect": connecting(rules), "Relay": relay}
    if not rules.delivers_by_default:
        found["Deliver0"] = rules.deliver
        found |= {f"Deliver{number + 1}": one for number, one in enumerate(rules.deliver_to.values())}
    return {name: List(name, access) for name, access in found.items()}


def _helpers(rules: Rules, place: Place) -> Iterator[str]:
    yield DNL.line("Mail of this machine itself and of other ports is left alone")
    yield "SArrowslitOurs\n"
    for local in ("$@", "0", "127 . $*", "IPv6:0:0:0:0:0:0:0:1", "IPv6: : 1"):
        yield rule(local, "$@ NO")
    yield rule("$*", "$: $&{daemon_port}")
    yield from (rule(str(port), "$@ YES") for port in place.ports)
    yield from (rule("smtp", "$@ YES") for port in place.ports if port == 25)
    yield rule("$+", "$@ NO") + rule("$*", "$@ YES")
    yield "SArrowslitTls\n" + rule("$*", "$: $1 $&{tls_version}") + rule("TLS $+", "$@ YES") + rule("$*", "$@ TLS")
    yield DNL.line("The accepted domains")
    yield "SArrowslitWhere\n"
    yield from (rule(left, "$@ HERE") for left, _ in domain(by_rank(rules)))
    yield rule("postmaster", "$@ HERE")
    yield rule("$*", "$@ ELSEWHERE")
    yield DNL.line("Recipients that everybody may write to")
    yield "SArrowslitException\n"
    yield from (rule(quoted(one), "$@ YES") for one in exceptions(rules))
    yield rule("$*", "$@ NO")
    if not rules.delivers_by_default:
        yield from _deliveries(rules)
    if rules.server.recipients_a_message is not None:
        yield from _few(rules.server.name, rules.server.recipients_a_message)


def _few(server: str, most: int) -> Iterator[str]:
    """What it is asked with comes back, unless there are as many recipients already."""
    yield DNL.line(f"{server}/recipients_a_message")
    yield "SArrowslitFew\n"
    yield rule("$*", f"$: $1 $| $(arrowslit_count l $@ $&{{nrcpts}} $@ {most} $)")
    yield rule("$* $| TRUE", "$@ $1")
    yield rule("$*", '$#error $@ 4.5.3 $: "452 too many recipients in one message"')


def _deliveries(rules: Rules) -> Iterator[str]:
    yield DNL.line("Who may deliver, by domain")
    yield "SArrowslitDelivers\n"
    number = {name: number + 1 for number, name in enumerate(rules.deliver_to)}
    for left, name in domain(by_rank(rules)):
        yield rule(left, f"$@ $>ArrowslitDeliver{number.get(name, 0)} $&{{client_addr}}")
    yield rule("$*", "$@ NO")


def _hook(rules: Rules) -> Iterator[str]:
    yield rule("$*", "$: $1 $| $>ArrowslitOurs $&{client_addr}")
    yield rule("$* $| NO", "$@ LEFT") + rule("$* $| $*", "$: $1")
    yield rule("$* < $* > $*", "$: $2") + rule("$* .", "$1")
    yield from _connect(rules)
    yield from _demands(rules)
    yield from _relay(rules)
    yield from _deliver(rules)
    if rules.server.recipients_a_message is not None:
        yield rule("$*", f"$: {_FEW} $1")


def _connect(rules: Rules) -> Iterator[str]:
    yield DNL.line(f"Who may connect: {rules.connect.rule}")
    yield rule("$*", "$: $1 $| $>ArrowslitConnect $&{client_addr}")
    yield rule("$* $| YES", "$: $1")
    yield rule("$* $| $-", "$: $1 $| $2 $| $>ArrowslitException $1")
    yield rule("$* $| $- $| YES", "$: $1") + rule("$* $| $- $| $*", "$: $1 $| $2")
    yield from _refusals(rules, _CONNECT, "connection_control")


def _refusals(rules: Rules, message: str, grant: str) -> Iterator[str]:
    """What NO and TLS behind an address come to in each mode; nothing is left behind it then."""
    mode = rules.server.mode
    if mode == OBSERVE:
        says = f"$: $1 $(arrowslit_log Arrowslit would refuse $&{{client_addr}} : {grant} $)"
        yield rule("$* $| $-", says)
    elif mode == DEFER:
        yield rule("$* $| $-", f'$#error $@ 4.7.1 $: "450 {message} for now, try again later"')
    else:
        yield rule("$* $| TLS", f'$#error $@ 5.7.0 $: "530 {_TLS}"')
        yield rule("$* $| $-", f'$#error $@ 5.7.1 $: "550 {message}"')


def _demands(rules: Rules) -> Iterator[str]:
    server = rules.server
    if server.require_tls:
        yield DNL.line(f"{server.name}/require_tls")
        yield rule("$*", "$: $1 $| $>ArrowslitTls TLS")
        yield rule("$* $| TLS", f'$#error $@ 5.7.0 $: "530 {_TLS}"') + rule("$* $| $*", "$: $1")
    if server.authentication is not None and server.authentication.required:
        yield DNL.line(f"{server.name}/authentication: everybody signs in")
        yield rule("$*", "$: $1 $| $&{auth_type}")
        yield rule("$* $|", '$#error $@ 5.7.0 $: "530 Authentication required"') + rule("$* $| $*", "$: $1")


def _relay(rules: Rules) -> Iterator[str]:
    yield DNL.line(f"Who may relay: {rules.relay.rule}")
    yield rule("$*", "$: $1 $| $>ArrowslitRelay $&{client_addr}")
    if rules.server.signs_in:
        yield rule("$* $| $-", "$: $1 $| $2 $| $&{auth_type}")
        yield rule("$* $| $- $|", "$: $1 $| $2") + rule("$* $| $- $| $+", "$: $1 $| YES")
    if rules.server.own_domains_from_outside == "reject":
        yield from _own_domains(rules)
    yield rule("$* $| $-", "$: $1 $| $2 $| $(arrowslit_routing $1 $: NO $)")
    yield rule("$* $| $- $| NO", "$: $1 $| $2") + rule("$* $| YES $| $*", "$: $1 $| YES")
    yield rule("$* $| $- $| $*", '$#error $@ 5.7.1 $: "550 You may not relay: no routing in the local part"')
    yield rule("$* $| $-", "$: $1 $| $2 $| $>ArrowslitWhere $1")
    if rules.server.recipients_a_message is not None:
        yield rule("$* $| YES $| ELSEWHERE", f"$: {_FEW} $1 $| YES $| ELSEWHERE")
    yield rule("$* $| YES $| ELSEWHERE", "$#OK")
    yield rule("$* $| TLS $| ELSEWHERE", f'$#error $@ 5.7.0 $: "530 {_TLS}"')
    yield rule("$* $| $- $| ELSEWHERE", f'$#error $@ 5.7.1 $: "550 {_RELAY}"')
    yield rule("$* $| $*", "$: $1")


def _own_domains(rules: Rules) -> Iterator[str]:
    """With who may relay behind the address: a stranger may not write as one of us."""
    yield DNL.line(f"{rules.server.name}/own_domains_from_outside")
    known = "$>ArrowslitConnect $&{client_addr}" if rules.connect.only_listed else "NO"
    yield rule("$* $| $-", f"$: $1 $| $2 $| {known}")
    yield rule("$* $| $- $| TLS", "$: $1 $| $2 $| NO") + rule("$* $| YES $| $*", "$: $1 $| YES $| YES")
    if rules.server.authentication is not None:
        yield rule("$* $| $- $| NO", "$: $1 $| $2 $| NO $| $&{auth_type}")
        yield rule("$* $| $- $| NO $|", "$: $1 $| $2 $| NO") + rule("$* $| $- $| NO $| $+", "$: $1 $| $2 $| YES")
    yield rule("$* $| $- $| NO", "$: $1 $| $2 $| $>ArrowslitWhere $&f")
    yield rule("$* $| $- $| HERE", '$#error $@ 5.7.1 $: "550 You may not use a sender address of this site"')
    yield rule("$* $| $- $| $*", "$: $1 $| $2")


def _deliver(rules: Rules) -> Iterator[str]:
    if rules.delivers_by_default:
        return
    yield DNL.line("Who may deliver")
    well = "$@ OK" if rules.server.recipients_a_message is None else f"$@ {_FEW} $1"
    yield rule("$*", "$: $1 $| $>ArrowslitException $1") + rule("$* $| YES", well) + rule("$* $| $*", "$: $1")
    if rules.server.signs_in:
        yield rule("$*", "$: $1 $| $&{auth_type}") + rule("$* $| $+", well) + rule("$* $|", "$: $1")
    yield rule("$*", "$: $1 $| $>ArrowslitDelivers $1") + rule("$* $| YES", "$: $1")
    yield from _refusals(rules, _DELIVER, "delivery")


SENDMAIL: Final = Target(
    "sendmail",
    "Sendmail",
    ALL,
    frozenset(
        {
            *(Term.IPV6, Term.REQUIRE_TLS, Term.EXCEPTIONS, Term.DELIVERY, Term.DELIVERY_TO),
            *(Term.SIGN_IN, Term.NO_SIGN_IN, Term.OBSERVE, Term.DEFER, Term.OWN_DOMAINS, Term.RECIPIENTS),
        }
    ),
    DNL,
    "m4",
    _write,
    frozenset({Term.EXCEPTIONS.value}),
)
