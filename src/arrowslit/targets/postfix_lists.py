"""The lists of a policy in Postfix's words: tables, restriction classes and the settings of one smtpd service.

Terms: the *gate* is what the service gets as `smtpd_relay_restrictions`, the one list that Postfix looks through for
each recipient and that is wholly ours: who may connect, deliver and relay, in this order, with a final refusal of its
own. All other lists of the administrator (client, HELO, sender and recipient restrictions) stay in force as they are,
since a PERMIT ends only the list that it stands in and a REJECT ends all. `mynetworks` gives no right here. The
*action* of a table's line is what happens to whom it names: the next class, or a refusal.

    arrowslit_gate       who may connect; goes on with arrowslit_recipient
    arrowslit_recipient  which domain: goes on with its delivery list, else relaying, else refused
    arrowslit_deliver    the virtual server's delivery list; arrowslit_deliver_1 ... those of single domains
    arrowslit_handled    the end of all that is delivered: Postfix has to know the domain too
    arrowslit_connect    with `refuse_at = "connect"`: the same list once more, instead of the greeting
    arrowslit_data       the same list once more at DATA

The last is there since Postfix takes `<postmaster>` without a domain at RCPT whatever the lists say: a stranger is
refused one step later. With recipient exceptions that would refuse too much, so there `<postmaster>` stays open, and
whoever may connect reaches it also where he may not deliver.

Never says where mail goes. An address that routes (user%domain@accepted) needs the right to relay: where there are
delivery lists, `arrowslit_routing` asks for it first, and goes on to the same lists once more. Left to the server:
routing, spam checks, signing in itself; a smaller size of its own stays, since its queue asks for that again. An
address in a non-ASCII spelling of an accepted domain is not taken for accepted. Sources: postconf(5), access(5),
cidr_table(5), regexp_table(5), SMTPD_ACCESS_README, RESTRICTION_CLASS_README, master(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import DEFER, OBSERVE
from arrowslit.targets.gaps import Gap, Term
from arrowslit.targets.postfix_tables import Lists, Probe, Table, address_lines, domain, escaped, name_line
from arrowslit.targets.rules import EVERYBODY, Access, NotOfAddresses, Rules
from arrowslit.targets.text import HASH, ranges

TERMS: Final = frozenset(Term) - {Term.CERTIFICATE, Term.SIZE, Term.OWN_ADDRESSES, Term.OWN_DOMAINS}
MORE_GAPS: Final = frozenset({Term.DOMAIN.value, Term.EXCEPTIONS.value, Term.SIGN_IN.value, Term.RELAY_MODE.value})

RECIPIENT: Final = "arrowslit_recipient"
HANDLED: Final = "arrowslit_handled"
ROUTED: Final = "arrowslit_routing_then"
SIGNED_IN: Final = "permit_sasl_authenticated"
TLS: Final = "reject_plaintext_session"
_EXCEPTION: Final = re.compile(r"[a-z0-9.+=_-]+@[a-z0-9.-]+")


def lists_of(rules: Rules) -> Lists:
    """What Postfix has to be told of a virtual server."""
    return _Maker(rules).made()


class _Maker:
    """Makes the lists of one virtual server."""

    def __init__(self, rules: Rules) -> None:
        self.rules, self.lists = rules, Lists()
        self.observes = rules.server.mode == OBSERVE
        self.refuse = "defer" if rules.server.mode == DEFER else "reject"
        self.at_connect = (rules.server.refuse_at == "connect" or rules.server.forward == "splice") and (
            not self.observes  # nobody is refused: the log says who would be, with the recipient
        )
        self.signs_in = rules.server.signs_in
        demanded = rules.server.authentication is not None and rules.server.authentication.required
        self.must_sign_in = demanded and self.signs_in
        if demanded and not self.signs_in:
            self._gap(Term.SIGN_IN, "Postfix can't demand signing in where signing in gives no right to relay.", True)

    def made(self) -> Lists:
        found = self.lists
        gate = [TLS] if self.rules.server.require_tls else []
        gate += self._exceptions()
        gate += self._checks(self.rules.connect, "connect", RECIPIENT)
        if self.at_connect:
            self._once_more("arrowslit_connect", "smtpd_client_restrictions")
            found.service["smtpd_delay_reject"] = "no"
        elif not self.observes and not self.rules.server.recipient_exceptions and not self.rules.connect.everybody:
            self._once_more("arrowslit_data", "smtpd_data_restrictions")
        # The last word is never reached, but Postfix does not start without one in this list.
        found.settings["arrowslit_gate"] = ", ".join(gate if gate[-1] == self.refuse else [*gate, "reject"])
        found.service["smtpd_relay_restrictions"] = "$arrowslit_gate"
        found.classes[RECIPIENT] = ", ".join(self._recipient())
        found.classes[HANDLED] = "reject_unauth_destination, permit"
        self._codes()
        self._limits()
        self._probe()
        return found

    def _once_more(self, name: str, setting: str) -> None:
        """Who may connect, before what the service has in that list."""
        then = f"{name}_then"
        checks = self._checks(self.rules.connect, name.removeprefix("arrowslit_") + "-again", then)
        self.lists.settings[name] = ", ".join(checks)
        self.lists.service[setting] = f"${name}"
        self.lists.copies[then] = setting

    def _codes(self) -> None:
        """Replies for good where Postfix by itself says "for now"."""
        lasts = self.refuse == "reject"
        said = [found for table in self.lists.tables for found in table.text.split("\n") if not found.startswith("#")]
        if self.rules.server.require_tls or any(TLS in line for line in said):
            self.lists.service["plaintext_reject_code"] = "530" if lasts else "450"
        if any("reject_unknown_client_hostname" in text for text in self._restrictions()):
            self.lists.service["unknown_client_reject_code"] = "550" if lasts else "450"

    def _limits(self) -> None:
        """Both are smtpd's own: it counts what it takes, before anything is queued."""
        server, service = self.rules.server, self.lists.service
        if server.message_bytes is not None:
            service["message_size_limit"] = str(server.message_bytes)
        if server.recipients_a_message is not None:
            service["smtpd_recipient_limit"] = str(server.recipients_a_message)

    def _restrictions(self) -> Iterator[str]:
        yield from self.lists.settings.values()
        yield from self.lists.classes.values()

    def _gap(self, term: Term, message: str, widens: bool = False) -> None:
        self.lists.gaps.append(Gap(term.value, message, widens=widens))

    def _table(self, name: str, kind: str, text: str, prefix: str = "check_client_access") -> list[str]:
        """The restriction that looks into a new table, or none where nothing would be in it."""
        if not text:
            return []
        self.lists.tables.append(Table(f"{name}.{kind}", kind, text))
        return [f"{prefix} {kind}:$arrowslit_tables/{name}.{kind}"]

    # Who may connect and deliver: whoever is listed goes on with `then`.

    def _checks(self, access: Access, name: str, then: str) -> list[str]:
        if access.only_listed:
            found = self._listed(access, name, then)
            if self._names(access) and not self.observes:
                # Tells "no such name" from "can't be told now"; who has a name that is not listed comes to the end.
                found.append("reject_unknown_client_hostname")
            return [*found, *([f"warn_if_reject reject, {then}"] if self.observes else [self.refuse])]
        self._when_dns_fails(access)
        before = "warn_if_reject " if self.observes else ""
        return [*(before + check for check in self._listed(access, name, self.refuse)), then]

    def _listed(self, access: Access, name: str, action: str, *, demands: bool = False) -> list[str]:
        """Names without TLS, addresses, names with TLS: whom one entry lets in without TLS needs none.

        With `demands`, TLS is demanded in every mode.
        """
        in_tls = f"{'warn_if_reject ' if self.observes and not demands else ''}{TLS}, {action}"
        plain = [one for one in self._names(access) if not one.entry.require_tls]
        secure = [one for one in self._names(access) if one.entry.require_tls]
        addresses = [address_lines(one, in_tls if one.entry.require_tls else action) for one in access.sources]
        return [
            *self._table(f"{name}-names", "regexp", "".join(name_line(one, action) for one in plain)),
            *self._table(name, "cidr", "".join(addresses)),
            *self._table(f"{name}-names-tls", "regexp", "".join(name_line(one, in_tls) for one in secure)),
        ]

    def _names(self, access: Access) -> list[NotOfAddresses]:
        return [one for one in access.others if one.entry.kind == "domain"]

    def _when_dns_fails(self, access: Access) -> None:
        rules = self._names(access)
        permits = access is self.rules.connect and self.rules.server.connection_control.when_dns_fails == "permit"
        if rules and not permits:
            found = tuple(one.rule for one in rules)
            said = "Postfix lets in whose name can't be looked up for now, though it may be a listed one."
            gap = Gap(Term.DOMAIN.value, said, found, widens=True)
            if gap not in self.lists.gaps:  # the list of connecting is written twice
                self.lists.gaps.append(gap)

    # Recipients.

    def _exceptions(self) -> list[str]:
        said = () if self.at_connect else self.rules.server.recipient_exceptions
        plain = [one.lower() for one in said if _EXCEPTION.fullmatch(one.lower())]
        if len(plain) < len(said):
            self._gap(Term.EXCEPTIONS, "A recipient exception has signs that are not safe to write for Postfix.")
        action = f"{SIGNED_IN}, reject" if self.must_sign_in else HANDLED
        if said and not any(one.startswith("postmaster@") for one in plain):
            self._gap(Term.EXCEPTIONS, "Postfix takes <postmaster> without a domain from everybody.", True)
        lines = [
            f"/^{escaped(one)}$/  {action}\n" for one in plain if self._accepted(one.rpartition("@")[2]) is not None
        ]
        head = HASH.line("whoever may not connect or deliver may still write to these") if lines else ""
        return self._table("exceptions", "regexp", head + "".join(lines), "check_recipient_access")

    def _accepted(self, domain: str) -> str | None:
        names = {one.name for one in self.rules.accepted}
        above = ["*" + domain[at:] for at, sign in enumerate(domain) if sign == "."]
        return next((name for name in (domain, *above) if name in names), None)

    def _recipient(self) -> list[str]:
        if self.must_sign_in:
            return [SIGNED_IN, "reject"]  # whoever signs in may relay, and so deliver
        domains = "".join(self._domains("deliver", HANDLED))
        head = HASH.line("routing local parts (user%domain, domain!user): only for whoever may relay")
        routing = f"{head}/[%!@].*@[^@]*$/  {self._routing()}\n"
        recipients = self._table("recipients", "regexp", routing + domains, "check_recipient_access")
        return [*recipients, *self._relay()]

    def _domains(self, lists: str, end: str) -> Iterator[str]:
        """Exact names first, then the longer of the wildcards: the first line that matches counts.

        `lists` is how the delivery lists are called, `end` what follows for whoever may deliver.
        """
        default = self._deliver(self.rules.deliver, lists, end)
        names = [one.name for one in self.rules.accepted]
        number = 0
        for name in sorted(names, key=lambda name: (name.startswith("*"), -len(name) if name[0] == "*" else 0, name)):
            own = self.rules.deliver_to.get(name)
            if own is not None:
                number += 1
                yield HASH.line(own.rule)
            yield f"/@{domain(name)}$/  {default if own is None else self._deliver(own, f'{lists}_{number}', end)}\n"

    def _routing(self) -> str:
        """On to relaying; where delivering has lists, whoever may relay goes on to those.

        They end in a plain "permit", since `reject_unauth_destination` refuses such an address. And Postfix takes no
        permit for one from a table of recipients: it goes on, and the relay list behind this one permits.
        """
        if self.rules.delivers_by_default:
            return "DUNNO"
        listed = self._may_relay("routing", ROUTED)
        if not listed:
            return f"{SIGNED_IN}, reject" if self.signs_in else "reject"
        self.lists.classes["arrowslit_routing"] = ", ".join([*([SIGNED_IN] if self.signs_in else []), *listed])
        domains = "".join(self._domains("routed", "permit"))
        checks = [*self._table("routed-domains", "regexp", domains, "check_recipient_access"), "permit"]
        self.lists.classes[ROUTED] = ", ".join(checks)
        return "arrowslit_routing"

    def _may_relay(self, name: str, then: str) -> list[str]:
        """Whoever may relay by his address goes on with `then`, all others are refused; empty where nobody may."""
        access = self.rules.relay
        if access.only_listed:
            found = self._listed(access, name, then, demands=True)
            names = ["reject_unknown_client_hostname"] if self._names(access) else []
            return [*found, *names, "reject"] if found else []
        if self.observes and not self.rules.connect.everybody:
            return []
        return [*self._listed(access, name, "reject"), then]

    def _deliver(self, access: Access, name: str, end: str) -> str:
        """The class of a delivery list; whoever signed in and may relay may deliver too."""
        if access.everybody:
            return end
        found = [SIGNED_IN] if self.signs_in else []
        found += self._checks(access, name.replace("_", "-"), end)
        self.lists.classes[f"arrowslit_{name}"] = ", ".join(found)
        return f"arrowslit_{name}"

    def _relay(self) -> list[str]:
        """Who may relay, in every mode; the end has words of its own for what Postfix does not handle."""
        found = [SIGNED_IN] if self.signs_in else []
        access, end = self.rules.relay, ["reject_unauth_destination", "reject"]
        if access.only_listed:
            found += self._listed(access, "relay", "permit", demands=True)
            return [*found, *(["reject_unknown_client_hostname"] if self._names(access) else []), *end]
        if self.observes and not self.rules.connect.everybody:
            self._gap(Term.RELAY_MODE, "Postfix can't let relay, in observe mode, only those who may connect.")
            return [*found, *end]
        self._when_dns_fails(access)
        return [*found, *self._listed(access, "relay", "reject"), "permit"]

    # One address on either side of the list's edge.

    def _probe(self) -> None:
        access, listed = self.rules.connect, self.rules.connect.listed
        first = next((one for one in access.sources if one.addresses), None)
        if first is None:
            return
        action = RECIPIENT if access.only_listed else self.refuse
        if first.entry.require_tls:
            action = f"{'warn_if_reject ' if self.observes else ''}{TLS}, {action}"
        address, _ = next(iter(first.addresses.ranges()))
        self.lists.probes.append(Probe("connect.cidr", str(address), action))
        outside = [low for low, _ in ranges(EVERYBODY.subtract(listed), address.version) if int(low)]
        if outside:
            self.lists.probes.append(Probe("connect.cidr", str(outside[0]), ""))
