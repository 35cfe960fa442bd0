"""The policy as statements of an Exim ACL for RCPT, for every place that takes them.

Exim has no jumps, so three variables carry what is known of the client from one statement to the next:
`acl_m_arrowslit` is "other" (not ours to judge), "stranger", "starttls" (listed, if only it were in TLS) or "listed";
`..._relay` and `..._deliver` are "no", "starttls" or "yes". They are set anew for each recipient. Nothing is ever
accepted but a recipient that is relayed: who is let in goes on to the statements behind these.

A list whose last item is negative matches whatever is left (spec 10.1), so no domain list here ends in one. Sources:
the Exim specification, chapters 6 (comments within continued lines), 10 (lists), 44 (ACLs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.targets.gaps import Term
from arrowslit.targets.recipient import at_connect, by_rank, connecting, exceptions, lies_within, sign_in_notes
from arrowslit.targets.rules import Access, Rules, Source
from arrowslit.targets.text import HASH, about, prefixes

TERMS: Final = frozenset(
    {
        *(Term.IPV6, Term.REQUIRE_TLS, Term.EXCEPTIONS, Term.DELIVERY, Term.DELIVERY_TO),
        *(Term.SIGN_IN, Term.NO_SIGN_IN, Term.OBSERVE, Term.DEFER, Term.OWN_DOMAINS, Term.RECIPIENTS),
    }
)
MORE_GAPS: Final = frozenset({Term.EXCEPTIONS.value})

_CLIENT: Final = "acl_m_arrowslit"
_RELAY: Final = "acl_m_arrowslit_relay"
_DELIVER: Final = "acl_m_arrowslit_deliver"
_OURS: Final = f"condition = ${{if !eq{{${_CLIENT}}}{{other}}}}"
_WIDTH: Final = 100
NOT_CONNECT: Final = "$sender_host_address may not deliver here"
NOT_DELIVER: Final = "$sender_host_address may not deliver to this recipient's domain"
NOT_RELAY: Final = "$sender_host_address may not relay: this server takes no mail for the recipient's domain"
NEEDS_TLS: Final = "$sender_host_address must issue STARTTLS before sending mail here"


def statements(rules: Rules, ports: Sequence[int]) -> Iterator[str]:
    """All statements, each with what it is for."""
    yield from _whose(ports)
    yield from _connecting(rules)
    yield from _demands(rules)
    yield from _relaying(rules)
    yield from _delivering(rules)
    yield from _many_recipients(rules)


def notes(rules: Rules) -> Iterator[str]:
    """What else has to be said of these rules."""
    if at_connect(rules):
        yield "who may not connect is told so at RCPT, not instead of the greeting"
    if rules.server.somebody_may_relay:
        yield "what is relayed is accepted here: the server's own ACL does nothing for it, such as control = submission"
    yield from sign_in_notes(rules)


def _statement(verb: str, *lines: str) -> str:
    return "".join([f"{verb}\n", *(f"  {line}\n" for line in lines), "\n"])


def _about(text: str) -> str:
    return HASH.line(text)


def _is(variable: str, *values: str) -> str:
    tests = [f"eq{{${variable}}}{{{value}}}" for value in values]
    return f"condition = ${{if {tests[0]}}}" if len(tests) == 1 else f"condition = ${{if or{{{{{'}{'.join(tests)}}}}}}}"


def _whose(ports: Sequence[int]) -> Iterator[str]:
    yield _about("Mail of this machine itself and of other ports is left alone. Port -1 is a test by exim -bh.")
    yield _statement("warn", f"set {_CLIENT} = other", f"set {_RELAY} = no", f"set {_DELIVER} = no")
    yield _statement(
        "warn",
        f"condition = ${{if inlist{{$received_port}}{{{':'.join(map(str, ports))}:-1}}}}",
        "!hosts = <; ; 127.0.0.0/8 ; ::1",
        f"set {_CLIENT} = stranger",
    )


def _connecting(rules: Rules) -> Iterator[str]:
    yield _about(f"Who may connect: {rules.connect.rule}")
    access = connecting(rules)
    yield from _marks(access, _CLIENT, "listed", _is(_CLIENT, "stranger"))
    lifted = exceptions(rules)
    excepted = (f"!recipients = {_list(lifted)}",) if lifted else ()
    rule = f"{rules.server.name}/connection_control"
    yield from _needs_tls(rules.server.mode, access, rule, _is(_CLIENT, "starttls"), *excepted)
    yield from _refusal(rules.server.mode, NOT_CONNECT, rule, _is(_CLIENT, "stranger"), *excepted)


def _demands(rules: Rules) -> Iterator[str]:
    server = rules.server
    if server.require_tls:
        message = "message = 530 5.7.0 Must issue a STARTTLS command first"
        yield _about(f"{server.name}/require_tls")
        yield _statement("deny", _OURS, "!encrypted = *", message)
    if server.authentication is not None and server.authentication.required:
        yield _about(f"{server.name}/authentication: everybody signs in")
        message = "message = 530 5.7.0 Authentication required"
        yield _statement("deny", _OURS, "!authenticated = *", message)


def _relaying(rules: Rules) -> Iterator[str]:
    yield _about(f"Who may relay: {rules.relay.rule}")
    if rules.relay.only_listed:
        yield from _marks(rules.relay, _RELAY, "yes", _OURS)
    if rules.server.signs_in:
        yield _about("and whoever has signed in")
        yield _statement("warn", _OURS, "authenticated = *", f"set {_RELAY} = yes")
    yield from _own_domains(rules)
    yield _about("A local part that routes is for those who may relay; the rest is told by the domain.")
    message = "message = 550 5.7.1 $sender_host_address may not relay: no routing in the local part"
    yield _statement("deny", _OURS, f"!{_is(_RELAY, 'yes')}", "local_parts = ^.*[%!@]", message)
    foreign = f"!domains = {_list(by_rank(rules))}"
    if any(one.entry.require_tls for one in rules.relay.sources):
        yield _statement("deny", _OURS, _is(_RELAY, "starttls"), foreign, f"message = 530 5.7.0 {NEEDS_TLS}")
    yield _statement("deny", _OURS, f"!{_is(_RELAY, 'yes')}", foreign, f"message = 550 5.7.1 {NOT_RELAY}")
    yield from _many_recipients(rules, _is(_RELAY, "yes"), foreign)
    yield _statement("accept", _OURS, _is(_RELAY, "yes"), foreign)


def _many_recipients(rules: Rules, *when: str) -> Iterator[str]:
    """The last that a recipient is held against; the count is of those that were accepted before."""
    most = rules.server.recipients_a_message
    if most is not None:
        yield _about(f"{rules.server.name}/recipients_a_message")
        condition = f"condition = ${{if >={{$recipients_count}}{{{most}}}}}"
        yield _statement("defer", _OURS, *when, condition, "message = 452 4.5.3 too many recipients in one message")


def _own_domains(rules: Rules) -> Iterator[str]:
    """A stranger may not write as one of us; whoever is on a list of connecting or relaying is none."""
    if rules.server.own_domains_from_outside != "reject":
        return
    known = [f"!{_is(_RELAY, 'yes')}"]
    if rules.connect.only_listed:
        known.append(f"!{_is(_CLIENT, 'listed')}")
    if rules.server.authentication is not None:
        known.append("!authenticated = *")
    message = "message = 550 5.7.1 $sender_host_address may not use a sender address of this site without signing in"
    yield _about(f"{rules.server.name}/own_domains_from_outside")
    yield _statement("deny", _OURS, *known, f"sender_domains = {_list(by_rank(rules))}", message)


def _delivering(rules: Rules) -> Iterator[str]:
    if rules.delivers_by_default:
        return
    names = by_rank(rules)
    for name, access in rules.deliver_to.items():
        yield _about(f"Who may deliver to {name}: {access.rule}")
        yield from _marks(access, _DELIVER, "yes", _OURS, f"domains = {_list(_those(names, {name}))}")
    others = _those(names, set(names) - set(rules.deliver_to))
    if others:
        yield _about(f"Who may deliver: {rules.deliver.rule}")
        yield from _marks(rules.deliver, _DELIVER, "yes", _OURS, f"domains = {_list(others)}")
    yield from _delivery_refusals(rules)


def _delivery_refusals(rules: Rules) -> Iterator[str]:
    lifted = exceptions(rules)
    other = [_OURS, *([f"!recipients = {_list(lifted)}"] if lifted else [])]
    other += ["!authenticated = *"] if rules.server.signs_in else []
    lists = (rules.deliver, *rules.deliver_to.values())
    tls = Access("", sources=tuple(source for access in lists for source in access.sources))
    rule = f"{rules.server.name}/delivery"
    yield from _needs_tls(rules.server.mode, tls, rule, _is(_DELIVER, "starttls"), *other)
    yield from _refusal(rules.server.mode, NOT_DELIVER, rule, _is(_DELIVER, "no"), *other)


def _needs_tls(mode: str, access: Access, rule: str, *when: str) -> Iterator[str]:
    if any(one.entry.require_tls for one in access.sources):
        yield from _refusal(mode, NEEDS_TLS, rule, *when, code="530 5.7.0")


def _refusal(mode: str, message: str, rule: str, *when: str, code: str = "550 5.7.1") -> Iterator[str]:
    """A refusal in the sense of the mode; to observe is to write it to the log."""
    if mode == OBSERVE:
        yield _statement("warn", *when, f"log_message = Arrowslit would refuse this: {rule}")
    elif mode == DEFER:
        yield _statement("defer", *when, f"message = 450 4.7.1 {message}")
    else:
        yield _statement("deny", *when, f"message = {code} {message}")


def _marks(access: Access, variable: str, value: str, *when: str) -> Iterator[str]:
    """Statements that set the variable for whom the list names; for nobody there is none."""
    if not access.only_listed:
        hosts = _hosts("!hosts", access.sources)
        yield _statement("warn", *when, *hosts, f"set {variable} = {value}")
        return
    plain = _hosts("hosts", [one for one in access.sources if not one.entry.require_tls])
    if plain:
        yield _statement("warn", *when, *plain, f"set {variable} = {value}")
    in_tls = _hosts("hosts", [one for one in access.sources if one.entry.require_tls])
    if in_tls:
        yield _statement("warn", *when, *in_tls, f"set {variable} = ${{if def:tls_in_cipher{{{value}}}{{starttls}}}}")


def _hosts(condition: str, sources: Iterable[Source]) -> list[str]:
    """The condition with every address under a comment that says whose it is, as lines; empty for no address."""
    lines: list[str] = []
    for source in sources:
        own = [text for version in (4, 6) for text in prefixes(source.addresses, version)]
        lines += [f"  {HASH.line(about(source))[:-1]}", *(f"  {text} ; \\" for text in own)] if own else []
    if not lines:
        return []
    return [f"{condition} = <; \\", *lines[:-1], lines[-1].removesuffix(" ; \\")]


def _those(names: Sequence[str], wanted: set[str]) -> list[str]:
    """The wanted ones of all names; what lies within a wanted wildcard and is not wanted stands before it, negative."""

    return [
        name if name in wanted else f"!{name}"
        for name in names
        if name in wanted or any(lies_within(name, wider) for wider in wanted)
    ]


def _list(items: Sequence[str]) -> str:
    """A list in one line, or in as many as it has items."""
    line = " : ".join(items)
    return line if len(line) <= _WIDTH else " : \\\n    ".join(items)
