"""OpenSMTPD 6.6 and later: a file that smtpd.conf includes, and two words at the listener of port 25.

Grants: connecting, delivering, relaying. Who may connect is decided by a filter, since only a filter has words of its
own and can refuse for now; it tests one thing, because the conditions of a filter are joined by *or*. The rest are
rules `match ... reject`, whose conditions are joined by *and*; they come before the site's own rules, and only for
what that listener has tagged. Nothing here accepts anything: what is delivered or relayed at all, and by which action,
stays with the site's rules.

`match tls` can't be used: smtpd answers every mail with 4yz where a rule holds it (ruleset.c). A `*` in a table of
domains stops at the first dot, so domains are regular expressions here. Mail that an alias sends on comes through the
rules once more, with the source "local": every table that is asked with `!from` has it. Sources: smtpd.conf(5),
table(5), lka_filter.c, ruleset.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.recipient import connecting, exceptions, lies_within, odd_exceptions, sign_in_notes
from arrowslit.targets.rules import Access, Rules, Source
from arrowslit.targets.target import ALL, Body, Place, Target
from arrowslit.targets.text import HASH, about, prefixes

_NAME: Final = "arrowslit"
_MOST: Final = 4_000
"""Entries of a table in smtpd.conf; its parser gives up at about 5,000 (a table in a file of its own has no end)."""
_LOCAL: Final = ("local", "127.0.0.0/8", "::1")
_NOBODY: Final = "0.0.0.0/32"
_TAGGED: Final = f'match tag "{_NAME}"'
_FILE: Final = "/etc/mail/arrowslit.conf"


def _write(rules: Rules, _: Place) -> Body:
    text = "".join([*_tables(rules), *_connecting(rules), *_matches(rules)])
    return Body(
        text.rstrip("\n") + "\n",
        apply=(
            f"test ! -e {_FILE} || cp -p {_FILE} {_FILE}.before",
            f"cp FILE {_FILE}.new && mv {_FILE}.new {_FILE}",
            f'once, in smtpd.conf, above all listen and match lines: include "{_FILE}"',
            f'once, behind the listen line of each port that this is for: filter "{_NAME}" tag "{_NAME}"',
            f'once, where somebody may relay, below the other match lines: match tag "{_NAME}" from src <{_NAME}_relay>'
            " for any action NAME, with the action that sends mail out",
            "smtpd -n && systemctl restart opensmtpd, on OpenBSD rcctl restart smtpd",
        ),
        check=(
            "smtpctl show status, and from outside: a stranger gets 550 at RCPT, a listed client 250",
            f"grep -n {_NAME} smtpd.conf: the include, the listener and the rule for relaying",
        ),
        undo=(
            f'in smtpd.conf take out the include, filter "{_NAME}" tag "{_NAME}" and the rule; smtpd -n; restart',
            f"to go back to the text before: mv {_FILE}.before {_FILE}, smtpd -n, restart",
        ),
        notes=tuple(_notes(rules)),
        gaps=tuple(_gaps(rules)),
    )


def _notes(rules: Rules) -> Iterator[str]:
    yield "Debian keeps smtpd.conf in /etc, OpenBSD in /etc/mail; any folder will do for this file"
    yield "a listener has one filter and one tag: where there is a filter already, chain the two, this one first"
    yield "rules of your own that accept from any for any are narrowed by this only for what is tagged"
    yield 'who may not relay or deliver is told "550 Invalid recipient": a rule has no words of its own'
    yield from sign_in_notes(rules)


def _gaps(rules: Rules) -> Iterator[Gap]:
    """What the terms do not show: exceptions in odd letters, refusals for now by a rule, TLS of the whole server."""
    yield from odd_exceptions(rules)
    if rules.server.mode == DEFER and not rules.delivers_by_default:
        yield Gap(Term.DEFER.value, GAPS[Term.DEFER.value], (rules.deliver.rule, *sorted(_rules(rules.deliver_to))))
    many = [one.rule for one in _lists(rules) if sum(map(len, _items(one))) > _MOST]
    if many:
        yield Gap(Term.SIZE.value, GAPS[Term.SIZE.value], tuple(many))
    entries = [one for access in _lists(rules) for one in access.sources if one.entry.require_tls]
    if rules.server.require_tls and not entries:
        yield Gap(Term.REQUIRE_TLS.value, GAPS[Term.REQUIRE_TLS.value], (f"{rules.server.name}/require_tls",), True)


def _items(access: Access) -> Iterator[list[str]]:
    return (list(_source(source)) for source in access.sources)


def _rules(lists: Iterable[str]) -> Iterator[str]:
    return (f"delivery@{name}" for name in lists)


def _lists(rules: Rules) -> tuple[Access, ...]:
    return (rules.connect, rules.relay, rules.deliver, *rules.deliver_to.values())


def _table(name: str, title: str, items: Iterable[str]) -> str:
    """A table, one entry a line; `items` are entries, and comments that begin with a number sign.

    Up to 6.8 no line may end behind the opening brace or before the closing one, and none in a comma.
    """
    lines = [one if one.startswith("#") else f'"{one}"' for one in items]
    text = "\n  ".join(lines)
    return f"{HASH.line(title)}table {_NAME}_{name} {{ {text} }}\n\n"


def _addresses(access: Access) -> Iterator[str]:
    """Of those who may, beginning with what is local; of those who may not, with an address that nobody has."""
    yield from _LOCAL if access.only_listed else (_NOBODY,)
    for source in access.sources:
        yield from _source(source)


def _source(source: Source) -> Iterator[str]:
    own = [text for version in (4, 6) for text in prefixes(source.addresses, version)]
    if own:
        yield HASH.line(about(source)).rstrip("\n")
        yield from own


def _tables(rules: Rules) -> Iterator[str]:
    yield _table("local", "This machine itself is left alone", _LOCAL)
    yield _table("clients", f"Connecting: {rules.connect.rule}", _addresses(connecting(rules)))
    relay = rules.relay if rules.relay.only_listed else Access(rules.relay.rule)
    yield _table("relay", f"Relaying: {rules.relay.rule}", _addresses(relay))
    yield _table("accepted", "The accepted domains", [_domain(one.name) for one in rules.accepted] or ["^$"])
    yield _table("routing", "Local parts that route", ["[%!@].*@"])
    lifted = exceptions(rules)
    if lifted:
        title = f"{rules.server.name}/recipient_exceptions"
        yield _table("exceptions", title, [f"(?i)^{_literal(one)}$" for one in lifted])


def _domain(name: str) -> str:
    """A regular expression for a domain and its wildcard; case does not count."""
    return f"(?i)^.+{_literal(name[1:])}$" if name.startswith("*.") else f"(?i)^{_literal(name)}$"


def _literal(text: str) -> str:
    return "".join(f"[{c}]" if c in ".+" else c for c in text)


def _connecting(rules: Rules) -> Iterator[str]:
    if rules.server.mode == OBSERVE:
        yield HASH.line("Nobody is refused for who he is: the mode is observe. The listener names this filter.")
        yield f'filter "{_NAME}" phase connect match src "{_NOBODY}" disconnect "550 5.7.1 Nobody has this address"\n\n'
        return
    yield HASH.line(f"Who may connect: {rules.connect.rule}")
    chain = [f"{_NAME}_clients"]
    if exceptions(rules):
        chain.insert(0, f"{_NAME}_exceptions")
        yield f'filter "{_NAME}_exceptions" phase rcpt-to match rcpt-to regex <{_NAME}_exceptions> bypass\n'
    negation = "!" if rules.connect.only_listed else ""
    says = "550 5.7.1 You may not deliver here"
    if rules.server.mode == DEFER:
        says = "450 4.7.1 You may not deliver here for now, try again later"
    yield f'filter "{_NAME}_clients" phase rcpt-to match {negation}src <{_NAME}_clients> reject "{says}"\n'
    yield f'filter "{_NAME}" chain {{ {", ".join(chain)} }}\n\n'


def _matches(rules: Rules) -> Iterator[str]:
    server = rules.server
    if server.authentication is not None and server.authentication.required:
        yield HASH.line(f"{server.name}/authentication: everybody signs in")
        yield f"{_TAGGED} !from src <{_NAME}_local> !auth for any reject\n\n"
    auth = " !auth" if server.signs_in else ""
    yield HASH.line(f"Who may relay: {rules.relay.rule}")
    yield f"{_TAGGED} !from src <{_NAME}_relay>{auth} rcpt-to regex <{_NAME}_routing> for any reject\n"
    yield f"{_TAGGED} !from src <{_NAME}_relay>{auth} !for domain regex <{_NAME}_accepted> reject\n\n"
    if server.own_domains_from_outside == "reject":
        yield from _own_domains(rules)
    if not rules.delivers_by_default and server.mode != OBSERVE:
        yield from _delivering(rules, auth)


def _own_domains(rules: Rules) -> Iterator[str]:
    """Whoever is on a list of connecting or relaying, or has signed in, may use a sender's address of ours."""
    known = [*(rules.connect.sources if rules.connect.only_listed else ())]
    known += rules.relay.sources if rules.relay.only_listed else ()
    yield _table("known", "Who may write as one of us", [*_LOCAL, *(line for one in known for line in _source(one))])
    yield _table("own", "Senders of ours", [_domain(one.name).replace("^", "@", 1) for one in rules.accepted] or ["^$"])
    auth = " !auth" if rules.server.authentication is not None else ""
    yield HASH.line(f"{rules.server.name}/own_domains_from_outside")
    yield f"{_TAGGED} !from src <{_NAME}_known>{auth} mail-from regex <{_NAME}_own> for any reject\n\n"


def _delivering(rules: Rules, auth: str) -> Iterator[str]:
    """A table of clients for each list, and a rule for each domain that has others within it which do not share it."""
    of = {one.name: rules.deliver_to.get(one.name, rules.deliver) for one in rules.accepted}
    for number, access in enumerate((rules.deliver, *rules.deliver_to.values())):
        names = [name for name, own in of.items() if own is access]
        if not names or access.everybody:
            continue
        yield _table(f"deliver{number}", f"Delivering: {access.rule}", _addresses(access))
        but = {name: [one for one in of if of[one] is not access and lies_within(one, name)] for name in names}
        groups = [[name for name in names if not but[name]], *([name] for name in names if but[name])]
        source = f"{'!' if access.only_listed else ''}from src <{_NAME}_deliver{number}>"
        for part, group in enumerate(group for group in groups if group):
            yield from _delivery(rules, f"deliver{number}_{part}", source + auth, group, but[group[0]])


def _delivery(rules: Rules, name: str, who: str, domains: list[str], but: list[str]) -> Iterator[str]:
    yield _table(f"{name}_to", "of these domains", [_domain(one) for one in domains])
    left = [_domain(one).replace("^", "@", 1) for one in but] + [f"(?i)^{_literal(one)}$" for one in exceptions(rules)]
    if left:
        yield _table(f"{name}_but", "not of these, nor for recipients that everybody may write to", left)
    excepted = f" !rcpt-to regex <{_NAME}_{name}_but>" if left else ""
    yield f"{_TAGGED} {who}{excepted} for domain regex <{_NAME}_{name}_to> reject\n\n"


OPENSMTPD: Final = Target(
    "opensmtpd",
    "OpenSMTPD",
    ALL,
    frozenset(
        {
            *(Term.IPV6, Term.EXCEPTIONS, Term.DELIVERY, Term.DELIVERY_TO),
            *(Term.SIGN_IN, Term.NO_SIGN_IN, Term.DEFER, Term.OWN_DOMAINS),
        }
    ),
    HASH,
    "conf",
    _write,
    frozenset({Term.EXCEPTIONS.value, Term.DEFER.value, Term.REQUIRE_TLS.value, Term.SIZE.value}),
)
