"""Postfix's settings, read into a policy: a virtual server for each smtpd that strangers can reach.

Files: main.cf or `postconf -n`, master.cf or `postconf -M` (and `postconf -P`), and the tables that they name. The
service of port 25 becomes "default", 587 "submission", 465 "submissions". What Postfix decides by is evaluated list by
list, for all clients at once (`service`, `walk`); what comes out is made a policy and held against it again
(`imports.fit`, `imports.differing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from arrowslit.imports.assembling import Assembly
from arrowslit.imports.imported import Imported, ImportFailedError, Kind, Origin, Source, VirtualServer
from arrowslit.imports.postfix.domains import Domains, accepted_domains
from arrowslit.imports.postfix.rest import leave_the_rest
from arrowslit.imports.postfix.service import Smtpd, loopback_only
from arrowslit.imports.postfix.tables import Tables
from arrowslit.imports.postfix.text import Files, Service, read_files, shape
from arrowslit.imports.postfix.values import Values

_PORTS: Final = {
    "25": "default", "smtp": "default", "587": "submission", "submission": "submission",
    "465": "submissions", "smtps": "submissions", "submissions": "submissions",
}  # fmt: skip
_NO_MAIN: Final = "none of the files is main.cf or the output of `postconf -n`: give one of them"
_NO_MASTER: Final = "what master.cf sets for single services is not known, and neither is who may submit mail"


def read(sources: Sequence[Source]) -> Imported:
    """Raises ImportFailedError where none of the files is a main.cf."""
    found = Imported()
    files = read_files(sources, found)
    if not files.has_main:
        raise ImportFailedError(_NO_MAIN)
    tables = Tables(files.tables)
    values = Values(files)
    domains = accepted_domains(values, tables, found)
    if "myhostname" in values.untold:
        origin = values.get("mydestination").origin
        says = "the machine's own name is not told, so mail for it is not accepted"
        found.leave(origin, "$myhostname", says, "write myhostname")
    if not files.has_master:
        found.doubt(Origin("master.cf"), "not given", _NO_MASTER, "give `postconf -M` too")
    _relayhost(values, found)
    _servers(files, tables, domains, found)
    leave_the_rest(files, tables, found)
    return found


def _relayhost(values: Values, found: Imported) -> None:
    """`[host]:port` is one server; without brackets it stands for the MX records of a domain."""
    setting = values.get("relayhost")
    if not setting.value:
        return
    host, _, port = setting.value.partition("]")
    if setting.value.startswith("[") and (port.removeprefix(":").isdigit() or not port):
        name = f"[{host[1:]}]" if ":" in host else host[1:]
        found.relay_next_hop = f"smtp://{name}:{port.removeprefix(':') or 25}"
    else:
        found.leave(setting.origin, setting.value, "where relayed mail goes can't be read", "write relay_next_hop")


def _servers(files: Files, tables: Tables, domains: Domains, found: Imported) -> None:
    assembly = Assembly(found, dict(domains.found))
    for service, screen in _services(files, found) if files.has_master else [(None, None)]:
        origin = service.origin if service is not None else next(iter(files.settings.values())).origin
        smtpd = Smtpd(Values(files, service), tables, domains, found, origin)
        smtpd.postscreen = None if screen is None else Values(files, screen)
        _limits(assembly.add(_name(service, screen), smtpd.questions()), smtpd.values)
        smtpd.told()
    assembly.finish()


def _services(files: Files, found: Imported) -> Iterator[tuple[Service | None, Service | None]]:
    """Each smtpd that strangers can reach, with the postscreen before it."""
    passed = next((one for one in files.services if one.type == "pass" and one.command == "smtpd"), None)
    for service in files.services:
        if service.type != "inet" or service.command not in {"smtpd", "postscreen"}:
            continue
        if loopback_only(service.name):
            found.leave(service.origin, service.name, "only the machine itself gets there: no virtual server is made")
        elif service.command == "smtpd":
            yield service, None
        elif passed is not None:
            yield passed, service


def _name(service: Service | None, screen: Service | None) -> str:
    if service is None or screen is not None:
        return "default"
    port = service.name.rpartition(":")[2]
    return _PORTS.get(port, f"port-{port}")


def _limits(server: VirtualServer, values: Values) -> None:
    for name, key in (
        ("message_size_limit", "message_bytes"),
        ("smtpd_recipient_limit", "recipients_a_message"),
        ("smtpd_client_connection_count_limit", "connections_a_source"),
    ):
        text = values.get(name).value
        if text.isascii() and text.isdigit() and int(text[:15]) > 0:
            server.settings[key] = int(text[:15])


def recognise(text: str) -> int:
    """How sure it is that the text is one of Postfix's files."""
    kind = shape(text[:200_000])
    if kind == "main":
        return 90 if "smtpd_" in text or "mydestination" in text or "compatibility_level" in text else 60
    return 80 if kind and "smtpd" in text else 0


POSTFIX: Final = Kind("postfix", "Postfix: postconf -n, postconf -M, main.cf, master.cf and tables", recognise, read)
