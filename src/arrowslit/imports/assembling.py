"""Virtual servers put together from the answers of a source, one after the other, with the domains that they share.

Who may deliver to a single domain is one for the whole policy: the first virtual server's list counts, and where
another differs, that is told. A domain that the source does not handle by name, and to which others may write than
anywhere, is accepted in effect: only an accepted domain has a list of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from arrowslit.imports.asking import Asked, Questions, Recipient
from arrowslit.imports.differing import differing
from arrowslit.imports.expecting import expectations
from arrowslit.imports.fit import Fitted, deliveries, fitted, virtual_server
from arrowslit.imports.imported import AcceptedDomain, Imported, VirtualServer
from arrowslit.imports.kinds import sample
from arrowslit.imports.writing import name_from


@dataclass(slots=True)
class Assembly:
    """`accepted` are the domains that the source handles by name."""

    found: Imported
    accepted: dict[str, AcceptedDomain]
    taken: set[str] = field(default_factory=set)
    own: dict[str, AcceptedDomain] = field(default_factory=dict)

    def add(self, name: str, questions: Questions) -> VirtualServer:
        """Makes the next virtual server; what it can't say the same is left."""
        free = name_from(name, self.taken)
        self.taken.add(free)
        questions.recipients = self._let_in(questions)
        made = fitted(questions)
        server = virtual_server(free, made, questions)
        self._deliveries(made, questions)
        self.found.servers.append(server)
        self.found.left += differing(made, questions)
        self.found.expectations += expectations(server, made, questions)
        return server

    def finish(self) -> None:
        """Puts the accepted domains down."""
        self.found.accepted_domains = list({**self.accepted, **self.own}.values())

    def _let_in(self, questions: Questions) -> list[Recipient]:
        others = [one for one in questions.recipients if one.kind == "other"]
        base = next((one for one in others if not one.domains), None)
        if base is None:
            return list(questions.recipients)
        for one in others:
            alone = _with_addresses(one, base, questions)
            if one.domains and _differs(one, base, questions):
                alone = one.domains
            for domain in alone:
                self.accepted.setdefault(domain, AcceptedDomain(domain, "external_relay", one.origin))
        return [part for one in questions.recipients for part in self._parted(one)]

    def _parted(self, one: Recipient) -> list[Recipient]:
        """The kind of recipient, its domains that turned out to be accepted apart from the others."""
        if one.kind != "other" or not one.domains:
            return [one]
        inside = tuple(domain for domain in one.domains if domain in self.accepted)
        outside = tuple(domain for domain in one.domains if domain not in self.accepted)
        local = one.text.rpartition("@")[0]
        made = [replace(one, kind="accepted", text=f"{local}@{sample(inside[0])}", domains=inside)] if inside else []
        return made + ([replace(one, text=f"{local}@{sample(outside[0])}", domains=outside)] if outside else [])

    def _deliveries(self, made: Fitted, questions: Questions) -> None:
        for domain, access in deliveries(made, questions).items():
            known = self.own.get(domain) or self.accepted.get(domain)
            if not self.found.servers:
                origin = questions.origin if known is None else known.origin
                kind = _parent_kind(domain, self.accepted) if known is None else known.kind
                self.own[domain] = AcceptedDomain(domain, kind, origin, access)
            elif known is None or known.delivery != access:
                says = "who may deliver to a domain is one for all virtual servers, and the first one's list counts"
                text = f"delivery to {domain}"
                self.found.leave(questions.origin, text, says, "see who may deliver there", widens=True)


def _with_addresses(one: Recipient, base: Recipient, questions: Questions) -> tuple[str, ...]:
    """Those of its domains in which a single address is open to others than anywhere."""
    return tuple(
        each.domains[0]
        for each in questions.recipients
        if each.kind == "address" and each.domains[0] in one.domains and _differs(each, base, questions)
    )


def _differs(one: Recipient, base: Recipient, questions: Questions) -> bool:
    """Whether others may write to it, without signing in, than may write anywhere."""
    asked = Asked(one, tls=questions.tls[-1])
    return questions.ask(asked).permitted != questions.ask(replace(asked, recipient=base)).permitted


def _parent_kind(domain: str, accepted: dict[str, AcceptedDomain]) -> str:
    name = domain.removeprefix("*.")
    hits = [one for pattern, one in accepted.items() if pattern.startswith("*.") and name.endswith(pattern[1:])]
    return max(hits, key=lambda one: len(one.name)).kind if hits else "external_relay"
