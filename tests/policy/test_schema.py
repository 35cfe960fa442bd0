"""The declaration of the format against the values that it becomes."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from arrowslit.policy import parts
from arrowslit.policy.schema import Key, Kind, Section, sections
from arrowslit.policy.show import render
from arrowslit.policy.values import READ
from tests.policy.test_examples import EXAMPLES
from tests.policy.trees import policy

BECOMES: dict[str, type] = {
    "networks.NAME": parts.Network,
    "next_hops.NAME": parts.NextHop,
    "next_hops.NAME.recipients_ldap": parts.Ldap,
    "accepted_domains.NAME": parts.AcceptedDomain,
    "virtual_servers.NAME": parts.VirtualServer,
    "virtual_servers.NAME.authentication": parts.Authentication,
    "virtual_servers.NAME.authentication.ldap": parts.Ldap,
    "virtual_servers.NAME.connection_control": parts.ConnectionControl,
    "virtual_servers.NAME.skip_checks": parts.AccessList,
    "virtual_servers.NAME.relay_restrictions": parts.RelayRestrictions,
    "waivers": parts.Waiver,
    "expectations": parts.Expectation,
}


def _shown_default(value: Any, key: Key) -> str:
    """The default as a document would say it."""
    if key.kind is Kind.LIST or value in (None, "", ()):
        return "[]" if value == () else ""
    text = {Kind.TIME: {3600.0: "1h", 259_200.0: "72h", 0.0: "0s"}, Kind.SHARE: {0.5: "50%"}}.get(key.kind, {}).get(
        value
    )
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{text or value}"' if text or isinstance(value, str) else str(value)


@pytest.mark.parametrize("section", [one for one in sections() if one.path in BECOMES], ids=lambda one: one.path)
def test_declared_defaults_are_those_of_the_value(section: Section) -> None:
    defaults = {one.name: one.default for one in fields(BECOMES[section.path])}
    for key in section.keys:
        assert key.becomes in defaults, key.name
        default = defaults[key.becomes]
        assert key.required == (default is MISSING) or key.kind is Kind.NETWORK, key.name
        if default is not MISSING and key.kind is not Kind.TABLE and key.default not in ("", "[]"):
            assert key.default == _shown_default(default, key), key.name


def test_delivery_is_for_everybody_who_connects_unless_said_otherwise() -> None:
    for section in sections():
        if section.path.endswith(".delivery"):
            mode = section.key("mode")
            assert mode is not None
            assert mode.default == f'"{parts.EVERYBODY_LISTED.mode}"'


def test_every_kind_can_be_read() -> None:
    kinds = {key.kind for section in sections() for key in section.keys}
    assert kinds - READ.keys() == {Kind.TABLE, Kind.TABLES, Kind.LIST}
    assert kinds == set(Kind)


def test_every_key_is_documented() -> None:
    for section in sections():
        assert section.doc.endswith(".")
        for key in section.keys:
            assert key.doc.endswith("."), key.name
            assert (key.section is not None) == (key.kind in {Kind.TABLE, Kind.TABLES, Kind.LIST})
            assert key.words or key.kind is not Kind.WORD


def test_every_field_of_a_value_can_be_written() -> None:
    by_class: dict[type, set[str]] = {}
    for section in sections():
        if section.path in BECOMES:
            by_class.setdefault(BECOMES[section.path], set()).update(key.becomes for key in section.keys)
    for made, written in by_class.items():
        held = {one.name for one in fields(made)} - {"name", "addresses", "span"}
        assert held == written, made


def test_the_example_with_every_word_has_every_word() -> None:
    text = next(path for path in EXAMPLES if path.parent.name == "everything").read_text("utf-8")
    later = {
        "postmaster_next_hop",
        "own_domains_from_outside",
        "recipients_ldap",
        "tls_certificate",
        "tls_key",
        "filter",
    }
    later |= {"finding", "key", "authenticated_as", "on", "ca_file", "splice_identify_client"}
    for section in sections():
        for key in section.keys:
            assert key.name in text or key.name in later, key.name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_shown_as_a_document_that_loads_equal(path: Any) -> None:
    loaded = policy(path.read_text("utf-8"))
    shown = render(loaded)
    assert policy(shown) == loaded
    assert render(policy(shown)) == shown
