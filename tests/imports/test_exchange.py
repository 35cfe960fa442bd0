"""Receive connectors by hand, in every form; what is carried, what is left, what is refused."""

from __future__ import annotations

import pytest

from arrowslit.imports.exchange import read, recognise
from arrowslit.imports.imported import Imported, ImportFailedError, Source
from tests.imports.as_policy import delivers, policy_of, relays
from tests.imports.exchange_samples import (
    ANY,
    DEFAULT,
    DOMAINS,
    EVERYBODY,
    FORMS,
    OFFICE,
    ROWS,
    SUBMIT,
    THREE,
    as_clixml,
    as_csv,
    as_json,
    as_list,
    row,
)
from tests.imports.loading import policy_from

FORM = pytest.mark.parametrize("form", FORMS)


def imported(*connectors: dict[str, object], rows: list[dict[str, object]] | None = None, **more: str) -> Imported:
    sources = [Source("connectors.json", as_json(list(connectors)))]
    if rows is not None:
        sources.append(Source("permissions.json", as_json(rows)))
    found = read([*sources, *(Source(name, text) for name, text in more.items())])
    policy_of(found)
    policy_from(found)
    return found


def told(found: Imported) -> list[str]:
    return [one.text for one in [*found.left, *found.doubts, *found.remarks]]


def entries(found: Imported, grant: str, server: int = 0) -> list[tuple[str, str, bool]]:
    access = getattr(found.servers[server], grant)
    listed = access.only_listed if access.mode == "only_listed" else access.all_except_listed
    return [(one.kind, one.value, one.require_tls) for one in listed]


@FORM
def test_the_most_specific_range_decides(form: str) -> None:
    things = [FORMS[form](each) for each in (THREE, ROWS, DOMAINS)]
    assert [recognise(text) for text in things] == [90, 80, 60]
    found = read([Source(f"{number}.{form}", text) for number, text in enumerate(things)])
    (server,) = found.servers
    assert (server.name, server.connection_control.mode) == ("default", "all_except_listed")
    assert entries(found, "connection_control") == [("computer", "192.0.2.40", False)]
    assert server.connection_control.all_except_listed[0].origin.what == "EX1\\Not the printer"
    # 192.0.2.0/24 without 192.0.2.40, which has a connector of its own.
    assert entries(found, "relay_restrictions") == [
        ("range", "192.0.2.0-192.0.2.39", False),
        ("range", "192.0.2.41-192.0.2.255", False),
    ]
    assert server.relay_restrictions is not None
    assert server.relay_restrictions.only_listed[0].note == "Office"
    assert server.relay_restrictions.only_listed[0].origin.what == "EX1\\Office"
    assert server.settings == {
        "message_bytes": 37_748_736,
        "recipients_a_message": 200,
        "connections_a_source": 20,
        "tarpit": "5s",
    }
    assert [(one.name, one.kind) for one in found.accepted_domains] == [
        ("example.org", "authoritative"),
        ("*.shared.example", "internal_relay"),
    ]
    assert "DomainName *" in told(found)
    policy = policy_of(found)
    policy_from(found)
    clients = ("203.0.113.1", "192.0.2.1", "192.0.2.40", "2001:db8::1")
    assert [delivers(policy, one) for one in clients] == [True, True, False, True]
    assert [relays(policy, one) for one in clients] == [False, True, False, False]


def test_expectations_say_what_is_so_at_the_source() -> None:
    found = imported(*THREE, rows=ROWS, domains=as_json(DOMAINS))
    said = {(one.that, one.outcome) for one in found.expectations}
    assert ("whom Office takes (192.0.2.1) may relay", "permit") in said
    assert ("whom Not the printer takes (192.0.2.40) may not deliver", "reject") in said
    assert ("a stranger (198.51.100.77) may deliver", "permit") in said
    assert ("a stranger (198.51.100.77) may not relay", "reject") in said
    assert all(one.virtual_server == "default" for one in found.expectations)
    assert not any("Default Frontend" in one.that for one in found.expectations)


def test_places_are_told() -> None:
    found = read([Source("c.txt", as_list(THREE)), Source("p.xml", as_clixml(ROWS))])
    assert found.servers[0].relay_restrictions.only_listed[0].origin.text == "c.txt:18 EX1\\Office"  # type: ignore[union-attr]


# Who relays.


def test_without_permissions_relaying_is_unknown_and_nobody_may() -> None:
    found = imported(*THREE)
    assert entries(found, "relay_restrictions") == []
    assert told(found).count("relay unknown") == 2


def test_rows_of_one_connector_say_nothing_of_another() -> None:
    found = imported(*THREE, rows=[row("EX1\\Office", ANY)])
    assert told(found).count("relay unknown") == 1
    assert entries(found, "relay_restrictions")


def test_a_denied_row_takes_the_right_away() -> None:
    assert not entries(imported(*THREE, rows=[*ROWS, row("EX1\\Office", ANY, deny=True)]), "relay_restrictions")


def test_who_denies_in_words_that_are_not_understood_denies() -> None:
    rows = [*ROWS, row("EX1\\Office", ANY) | {"Deny": "Vrai"}]
    assert not entries(imported(*THREE, rows=rows), "relay_restrictions")


@pytest.mark.parametrize("user", ["S-1-5-7", "NT-AUTORITÄT\\ANONYMOUS-ANMELDUNG", "nt authority\\anonymous logon"])
def test_the_anonymous_logon_has_several_names(user: str) -> None:
    assert entries(imported(*THREE, rows=[row("EX1\\Office", ANY, user=user)]), "relay_restrictions")


def test_the_right_of_an_account_is_not_that_of_everybody() -> None:
    found = imported(*THREE, rows=[row("EX1\\Office", ANY, user="EXAMPLE\\scanner")])
    assert not entries(found, "relay_restrictions")
    assert "EXAMPLE\\scanner has ms-Exch-SMTP-Accept-Any-Recipient on EX1\\Office" in told(found)


def test_a_row_that_names_no_connector_gives_nothing() -> None:
    bare = {name: value for name, value in row("", ANY).items() if name != "Identity"}
    found = imported(*THREE, rows=[bare])
    assert not entries(found, "relay_restrictions")
    assert "1 rows without Identity" in told(found)


def test_outer_secured_relays_and_skips_the_checks_without_any_row() -> None:
    trusted = OFFICE | {"PermissionGroups": "ExchangeServers", "AuthMechanism": "Tls, ExternalAuthoritative"}
    found = imported(DEFAULT, trusted)
    assert entries(found, "relay_restrictions") == [("group", "192.0.2.0/24", False)]
    assert entries(found, "skip_checks") == [("group", "192.0.2.0/24", False)]
    assert "ExternalAuthoritative" in told(found)


def test_outer_secured_without_the_group_gives_nothing() -> None:
    found = imported(DEFAULT, OFFICE | {"AuthMechanism": "ExternalAuthoritative"})
    assert entries(found, "relay_restrictions") == []
    assert found.servers[0].skip_checks is None


def test_the_right_to_skip_the_checks() -> None:
    found = imported(*THREE, rows=[row("EX1\\Office", SUBMIT, "ms-Exch-Bypass-Anti-Spam")])
    assert ("range", "192.0.2.0-192.0.2.39", False) in entries(found, "skip_checks")
    assert entries(found, "relay_restrictions") == []


def test_an_open_relay_is_seen_and_never_promised() -> None:
    found = read([Source("c", as_json([DEFAULT])), Source("p", as_json([row("EX1\\Default Frontend EX1", ANY)]))])
    assert found.servers[0].relay_restrictions is not None
    assert found.servers[0].relay_restrictions.mode == "all_except_listed"
    assert not any(one.outcome == "permit" and "relay" in one.that for one in found.expectations)
    assert not relays(policy_from(found), "203.0.113.1")


# Several connectors.


def test_tls_is_demanded_of_whom_the_connector_demands_it() -> None:
    narrow = DEFAULT | {"RemoteIPRanges": ["198.51.100.0/28"]}
    found = imported(narrow, OFFICE | {"RequireTLS": True}, rows=ROWS)
    assert entries(found, "connection_control") == [
        ("group", "198.51.100.0/28", False),
        ("group", "192.0.2.0/24", True),
    ]
    assert entries(found, "relay_restrictions") == [("group", "192.0.2.0/24", True)]
    policy = policy_of(found)
    assert [delivers(policy, "192.0.2.1", tls=tls) for tls in (True, False)] == [True, False]


def test_where_all_demand_tls_the_virtual_server_does() -> None:
    found = imported(DEFAULT | {"RequireTLS": True}, OFFICE | {"RequireTLS": True})
    assert found.servers[0].require_tls
    assert entries(found, "connection_control") == []


def test_tls_of_everybody_but_some_is_kept() -> None:
    found = imported(DEFAULT | {"RequireTLS": True}, OFFICE)
    policy = policy_of(found)
    assert [delivers(policy, one, tls=False) for one in ("192.0.2.1", "203.0.113.1")] == [True, False]
    assert delivers(policy, "203.0.113.1", tls=True)


def test_a_connector_that_is_off_takes_nobody_away() -> None:
    off = OFFICE | {"Enabled": False, "PermissionGroups": "None"}
    found = imported(DEFAULT, off)
    assert entries(found, "connection_control") == []
    assert "Enabled False" in told(found)


def test_ranges_that_cross_let_nobody_in() -> None:
    one = OFFICE | {"RemoteIPRanges": ["10.0.0.0-10.0.0.9"]}
    other = OFFICE | {"Name": "Other", "Identity": "EX1\\Other", "RemoteIPRanges": ["10.0.0.5-10.0.0.15"]}
    found = imported(one, other)
    assert entries(found, "connection_control") == []
    assert "EX1\\Office and EX1\\Other" in told(found)


def test_a_family_that_is_not_bound_is_not_met() -> None:
    found = imported(DEFAULT | {"Bindings": ["0.0.0.0:25"]})
    policy = policy_of(found)
    assert [delivers(policy, one) for one in ("203.0.113.1", "2001:db8::1")] == [True, False]


def test_inner_connectors_are_left_out() -> None:
    hub = DEFAULT | {
        "Name": "Default EX1",
        "Identity": "EX1\\Default EX1",
        "TransportRole": "HubTransport",
        "Bindings": ["0.0.0.0:2525", "[::]:2525"],
    }
    found = imported(DEFAULT, hub)
    assert [one.name for one in found.servers] == ["default"]
    assert "port 2525" in told(found)


def test_submission_is_a_virtual_server_where_everybody_signs_in() -> None:
    client = DEFAULT | {
        "Name": "Client Frontend EX1",
        "Identity": "EX1\\Client Frontend EX1",
        "Bindings": ["[::]:587", "0.0.0.0:587"],
        "PermissionGroups": "ExchangeUsers",
    }
    found = imported(DEFAULT, client)
    assert [one.name for one in found.servers] == ["default", "submission"]
    submission = found.servers[1]
    assert (submission.authentication, submission.authentication_required) == (True, True)
    assert submission.allow_authenticated is True
    assert submission.connection_control.mode == "all_except_listed"
    assert entries(found, "relay_restrictions", 1) == []
    assert "Integrated" in told(found)
    assert not delivers(policy_of(found), "203.0.113.1", "submission")


def test_signing_in_stays_where_the_others_may_relay_anyway() -> None:
    users = DEFAULT | {"PermissionGroups": "AnonymousUsers, ExchangeUsers"}
    found = imported(users, OFFICE, rows=ROWS)
    assert found.servers[0].authentication
    assert not found.servers[0].authentication_required
    assert found.servers[0].delivery is None


def test_signing_in_is_lost_where_others_would_gain_it() -> None:
    users = DEFAULT | {"PermissionGroups": "AnonymousUsers, ExchangeUsers"}
    found = imported(users, OFFICE)
    assert not found.servers[0].authentication
    assert "ExchangeUsers" in told(found)


def test_who_may_only_sign_in_may_not_deliver_without() -> None:
    users = DEFAULT | {"PermissionGroups": "ExchangeUsers"}
    found = imported(users, OFFICE, rows=ROWS)
    policy = policy_of(found)
    assert [delivers(policy, one) for one in ("203.0.113.1", "192.0.2.1")] == [False, True]
    assert not found.servers[0].authentication_required


def test_a_connector_on_one_address_counts_as_far_as_both_readings_give_it() -> None:
    bound = OFFICE | {"Bindings": ["198.51.100.25:25"], "RemoteIPRanges": ["192.0.2.0/24"]}
    inner = OFFICE | {
        "Name": "Nobody",
        "Identity": "EX1\\Nobody",
        "RemoteIPRanges": ["192.0.2.128/25"],
        "PermissionGroups": "None",
    }
    found = imported(DEFAULT, bound, inner, rows=ROWS)
    assert [one.name for one in found.servers] == ["default", "default-198.51.100.25"]
    assert entries(found, "relay_restrictions", 1) == [("group", "192.0.2.0/25", False)]
    assert entries(found, "connection_control", 1) == [("group", "192.0.2.0/25", False)]
    assert "198.51.100.25:25" in told(found)


def test_two_servers_are_two_virtual_servers() -> None:
    other = DEFAULT | {"Server": "EX2", "Identity": "EX2\\Default Frontend EX2", "Name": "Default Frontend EX2"}
    assert [one.name for one in imported(DEFAULT, other).servers] == ["EX1-default", "EX2-default"]


def test_limits_that_differ_are_the_smallest_and_said() -> None:
    found = imported(DEFAULT, OFFICE | {"MaxMessageSize": "10 MB (10,485,760 bytes)"})
    assert found.servers[0].settings["message_bytes"] == 10_485_760
    assert "MaxMessageSize 10485760, 37748736" in told(found)


def test_limits_of_the_organisation() -> None:
    transport = as_list([{"MaxRecipientEnvelopeLimit": 100, "MaxReceiveSize": "Unlimited"}])
    found = imported(DEFAULT, transport=transport)
    assert found.servers[0].settings["recipients_a_message"] == 100
    assert found.servers[0].settings["message_bytes"] == 37_748_736


def test_the_same_connector_in_two_files_is_one() -> None:
    found = read([Source("a", as_json([DEFAULT])), Source("b", as_clixml([DEFAULT]))])
    assert len(found.servers) == 1
    with pytest.raises(ImportFailedError, match="stands twice"):
        read([Source("a", as_json([DEFAULT])), Source("b", as_json([DEFAULT | {"RequireTLS": True}]))])


def test_ranges_and_bindings_as_json_shows_objects() -> None:
    deep = OFFICE | {
        "RemoteIPRanges": [{"LowerBound": "192.0.2.4", "UpperBound": "192.0.2.9"}, {"Expression": "192.0.2.16/28"}],
        "Bindings": [{"Address": "0.0.0.0", "Port": 25}],
        "PermissionGroups": 1,
        "AuthMechanism": 1,
    }
    found = imported(deep)
    assert entries(found, "connection_control") == [
        ("range", "192.0.2.4-192.0.2.9", False),
        ("group", "192.0.2.16/28", False),
    ]


def test_a_range_with_a_mask() -> None:
    found = imported(OFFICE | {"RemoteIPRanges": ["192.0.2.0(255.255.255.128)"]})
    assert entries(found, "connection_control") == [("group", "192.0.2.0/25", False)]


# What is refused.


@pytest.mark.parametrize("mark", ["...", "…"])
@pytest.mark.parametrize("name", ["RemoteIPRanges", "Bindings"])
def test_a_list_that_was_cut_is_refused(mark: str, name: str) -> None:
    text = as_list([OFFICE | {name: ["192.0.2.1", "192.0.2.2" + mark]}])
    with pytest.raises(ImportFailedError, match=f"c.txt:3: {name} of Office is not whole.*Export-Clixml"):
        read([Source("c.txt", text)])


def test_rights_that_were_cut_are_refused() -> None:
    rows = as_list([row("EX1\\Office", SUBMIT, ANY + "...")])
    with pytest.raises(ImportFailedError, match="ExtendedRights"):
        read([Source("c", as_json(THREE)), Source("p", rows)])


def test_a_list_that_csv_lost_is_refused() -> None:
    lost = "Microsoft.Exchange.Data.MultiValuedProperty`1[Microsoft.Exchange.Data.IPRange]"
    with pytest.raises(ImportFailedError, match="RemoteIPRanges of Office is not whole"):
        read([Source("c.csv", as_csv([OFFICE | {"RemoteIPRanges": lost}]))])


@pytest.mark.parametrize(
    "name",
    ["Name", "Enabled", "Bindings", "RemoteIPRanges", "PermissionGroups", "AuthMechanism", "RequireTLS"],
)
@FORM
def test_a_connector_without_what_decides_is_refused(form: str, name: str) -> None:
    half = {key: value for key, value in OFFICE.items() if key != name}
    with pytest.raises(ImportFailedError, match=f"comes without {name}"):
        read([Source("c", FORMS[form]([half]))])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RemoteIPRanges", ["192.0.2.300"], "not an address"),
        ("RemoteIPRanges", ["192.0.2.9-192.0.2.1"], "behind the last"),
        ("RemoteIPRanges", [], "no range"),
        ("RemoteIPRanges", [{"Odd": 1}], "not an address"),
        ("Bindings", ["0.0.0.0"], "no address with a port"),
        ("Bindings", ["0.0.0.0:99999"], "no address with a port"),
        ("PermissionGroups", "Everyone", "'Everyone' is not known"),
        ("PermissionGroups", None, "nothing stands there"),
        ("AuthMechanism", "Tls, Magic", "'Magic' is not known"),
        ("Enabled", "Vrai", "neither True nor False"),
        ("RequireTLS", None, "neither True nor False"),
    ],
)
def test_what_is_not_understood_is_refused_with_words(name: str, value: object, says: str) -> None:
    with pytest.raises(ImportFailedError, match=says) as caught:
        read([Source("c", as_json([OFFICE | {name: value}]))])
    assert "Export-Clixml" in str(caught.value)


def test_no_connector_at_all() -> None:
    with pytest.raises(ImportFailedError, match=r"no receive connector in d\.json"):
        read([Source("d.json", as_json(DOMAINS))])
    with pytest.raises(ImportFailedError, match="no file"):
        read([])
    with pytest.raises(ImportFailedError, match="is no CLIXML, JSON, CSV or list"):
        read([Source("x", "hello\n")])


def test_everybody_is_written_in_both_orders() -> None:
    found = imported(DEFAULT | {"RemoteIPRanges": EVERYBODY[::-1]})
    assert entries(found, "connection_control") == []


@FORM
def test_what_can_not_show_its_end_says_so(form: str) -> None:
    found = read([Source("c", FORMS[form](THREE))])
    assert ("3 receive connectors" in told(found)) is (form in {"csv", "list"})


def test_half_an_object_is_refused() -> None:
    with pytest.raises(ImportFailedError, match=r"c\.txt:18: an object with name, identity is none that is read here"):
        read([Source("c.txt", as_list([DEFAULT, {"Name": "Office", "Identity": "EX1\\Office"}]))])


def test_a_range_within_another_of_the_same_connector_is_written_once() -> None:
    found = imported(OFFICE | {"RemoteIPRanges": ["10.1.0.0/16", "10.0.0.0/8", "10.1.2.3"]})
    assert entries(found, "connection_control") == [("group", "10.0.0.0/8", False)]


def test_tls_that_one_of_two_readings_demands_is_demanded() -> None:
    bound = OFFICE | {"Bindings": ["198.51.100.25:25"]}
    strict = OFFICE | {
        "Name": "Strict",
        "Identity": "EX1\\Strict",
        "RemoteIPRanges": ["192.0.2.128/25"],
        "RequireTLS": True,
    }
    found = imported(bound, strict)
    assert entries(found, "connection_control", 1) == [
        ("group", "192.0.2.0/25", False),
        ("group", "192.0.2.128/25", True),
    ]
