"""Others' settings in Postfix that let strangers in or let them relay beside our lists. Only named, never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Final

from arrowslit.rollout.mail_machine import MailMachine
from arrowslit.rollout.postfix_place import LivePostfix, Service, words

_LISTS: Final = tuple(f"smtpd_{name}_restrictions" for name in ("client", "helo", "sender", "recipient", "relay"))
_ASKED: Final = (*_LISTS, "mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts")
_ENDS: Final = frozenset({"reject", "defer"})
_LOOPBACK: Final = re.compile(r"^(\[?127\.|\[?::1\]?:|localhost:)")
_NO_RELAY: Final = frozenset({"reject_unauth_destination", "defer_unauth_destination", *_ENDS})


def wide_settings(machine: MailMachine, live: LivePostfix) -> Iterator[str]:
    """A sentence for each."""
    main = _main(machine)
    for service in live.services:
        if service.program != "smtpd" or _LOOPBACK.match(service.name):
            continue
        settings = {**main, **service.settings}
        hosts = _strange(settings.get("smtpd_authorized_xclient_hosts", ""))
        if hosts:
            yield f"{hosts} may say that they are somebody else (smtpd_authorized_xclient_hosts, {_where(service)})"
        if not service.gated and service.name != "smtpd/pass":
            yield from _beside(service, settings)


def _beside(service: Service, settings: Mapping[str, str]) -> Iterator[str]:
    lists = {name: words(settings.get(name, "")) for name in _LISTS}
    port = service.name.partition("/")[0].rpartition(":")[2]
    if any(_closed(one) for one in lists.values()):
        return
    yield f"strangers may deliver on port {port} too: our lists do not stand before it ({_where(service)})"
    both = [*lists["smtpd_relay_restrictions"], *lists["smtpd_recipient_restrictions"]]
    if not _NO_RELAY & set(both):
        yield f"everybody may relay on port {port} ({_where(service)})"
    networks = _strange(settings.get("mynetworks", "")) if "permit_mynetworks" in both else ""
    if networks:
        yield f"{networks} may relay on port {port} (mynetworks, {_where(service)})"


def _closed(restrictions: list[str]) -> bool:
    """Whether a list refuses everybody whom nothing before its end has permitted by what he is."""
    return bool(restrictions) and restrictions[-1] in _ENDS and "permit" not in restrictions


def _strange(networks: str) -> str:
    """Those of some networks that are more than one address and not of this site; tables too."""
    return " ".join(word for word in words(networks) if not _near(word))


def _near(word: str) -> bool:
    try:
        network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return word.startswith("!")
    return network.num_addresses == 1 or network.is_private or network.is_loopback or network.is_link_local


def _where(service: Service) -> str:
    return f"master.cf, {service.name}"


def _main(machine: MailMachine) -> dict[str, str]:
    said = machine.run("postconf", "-x", *_ASKED)
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in said.splitlines())}
