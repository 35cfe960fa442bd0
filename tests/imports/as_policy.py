"""What was imported as a policy that decides, by a small writer of its own; and whether its expectations hold.

Lists are written as they were imported: nothing is closed, cleaned or left out here, so that a list that is too wide is
seen.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator

from arrowslit.documents.toml import parse
from arrowslit.imports.imported import AccessList, Entry, Imported, VirtualServer
from arrowslit.policy.decision import Action, Decision
from arrowslit.policy.document import load_policy
from arrowslit.policy.expectations import check, facts_of
from arrowslit.policy.explain import explain
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import Expectation

DAY = datetime.date(2026, 11, 25)
FOREIGN = "somebody@elsewhere.test"


def toml(found: Imported) -> str:
    return "\n".join(["version = 1", *_hops(), *_domains(found), *_servers(found), *_expectations(found)]) + "\n"


def _hops() -> Iterator[str]:
    for name, port in (("inner", 25), ("outbound", 587)):
        yield f'[next_hops.{name}]\naddress = "smtp://192.168.0.5:{port}"'


def _domains(found: Imported) -> Iterator[str]:
    names = {one.name: one.kind for one in found.accepted_domains} or {"example.org": "authoritative"}
    for name, kind in names.items():
        yield f"[accepted_domains.{json.dumps(name)}]\nnext_hop = 'inner'\nkind = '{kind}'"


def _servers(found: Imported) -> Iterator[str]:
    for one in found.servers:
        path = f"virtual_servers.{json.dumps(one.name)}"
        yield f"[{path}]\nrelay_next_hop = 'outbound'\nrequire_tls = {str(one.require_tls).lower()}"
        yield from (f"{key} = {json.dumps(value)}" for key, value in one.settings.items())
        if one.authentication:
            yield f"[{path}.authentication]\nrequired = {str(one.authentication_required).lower()}"
        yield from _lists(one, path)


def _lists(one: VirtualServer, path: str) -> Iterator[str]:
    yield from _list(f"{path}.connection_control", one.connection_control)
    if one.delivery is not None:
        yield from _list(f"{path}.delivery", one.delivery)
    if one.skip_checks is not None:
        yield from _list(f"{path}.skip_checks", one.skip_checks)
    yield from _list(f"{path}.relay_restrictions", one.relay_restrictions or AccessList())
    if one.allow_authenticated is not None:
        yield f"allow_authenticated = {str(one.allow_authenticated).lower()}"


def _list(path: str, one: AccessList) -> Iterator[str]:
    yield f"[{path}]\nmode = '{one.mode}'"
    yield f"only_listed = [{_entries(one.only_listed)}]"
    yield f"all_except_listed = [{_entries(one.all_except_listed)}]"


def _entries(entries: Iterable[Entry]) -> str:
    return ", ".join(
        f"{{ {one.kind} = {json.dumps(one.value)}{', require_tls = true' if one.require_tls else ''} }}"
        for one in entries
    )


def _expectations(found: Imported) -> Iterator[str]:
    for one in found.expectations:
        facts = {"that": one.that, "outcome": one.outcome, "virtual_server": one.virtual_server, **dict(one.facts)}
        yield "[[expectations]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in facts.items())


def policy_of(found: Imported) -> Policy:
    """The policy; every expectation must hold, or it raises AssertionError."""
    text = toml(found)
    loaded = load_policy(parse(text, "policy.toml"), sources_followed=True)
    assert loaded.policy is not None, (loaded.findings, text)
    for result in check(loaded.policy, DAY):
        assert result.kept, result.says
    return loaded.policy


def decision(policy: Policy, address: str, to: str, server: str = "default", *, tls: bool = False) -> Decision:
    asked = Expectation("", address, Action.PERMIT, server, tls=tls, mail_from="x@sender.test", to=to)
    return explain(policy, facts_of(asked, DAY)).decision


def delivers(policy: Policy, address: str, server: str = "default", *, tls: bool = True) -> bool:
    """Whether the client may write to an accepted domain."""
    name = next(name for name in policy.accepted_domains if not name.startswith("*"))
    return decision(policy, address, f"anybody@{name}", server, tls=tls).permitted


def relays(policy: Policy, address: str, server: str = "default", *, tls: bool = True) -> bool:
    """Whether the client may write to the world."""
    return decision(policy, address, FOREIGN, server, tls=tls).permitted
