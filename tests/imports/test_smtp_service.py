"""The SMTP service of Windows by hand: every form of its settings, and what null, empty and missing come to."""

from __future__ import annotations

import base64
import json

import pytest

from arrowslit.imports.imported import AccessList, Imported, ImportFailedError, Source
from arrowslit.imports.smtp_service import read, recognise
from tests.imports.as_policy import delivers, policy_of, relays
from tests.imports.ip_list import blob
from tests.imports.loading import policy_from

RELAY = blob(["192.0.2.40", "198.51.100.0/28"])
CONNECT = blob(["192.0.2.0/24", "198.51.100.0/28"])
DENY = blob([], ["203.0.113.0/28"])


def metabase(*attributes: str, above: str = 'AuthFlags="AuthAnonymous | AuthBasic | AuthNTLM"', more: str = "") -> str:
    return f"""<?xml version ="1.0" encoding="utf-8"?>
<configuration xmlns="urn:microsoft-catalog:XML_Metabase_V64_0">
<MBProperty>
<IIS_Global Location="." BINSchemaTimeStamp="bf1a32cb"/>
<IIsSmtpService Location ="/LM/SMTPSVC"
  {above}
  >
  <Custom Name="UnknownName_1" ID="36881" Value="x" Type="STRING" UserType="1" Attributes="NO_ATTRIBUTES"/>
</IIsSmtpService>
<IIsSmtpServer Location ="/LM/SMTPSVC/1"
  {" ".join(attributes)}
  DefaultDomain="example.org"
  ServerBindings=":25:"
  >
</IIsSmtpServer>
<IIsSmtpDomain Location ="/LM/SMTPSVC/1/Domain/alias.example" RouteAction="16"/>
<IIsSmtpDomain Location ="/LM/SMTPSVC/1/Domain/*.remote.example" RouteAction="4130"/>
{more}
</MBProperty>
</configuration>
"""


def adsutil(**values: str) -> str:
    lines = [f"{name:<32}: {value}" for name, value in values.items()]
    return "\r\n".join(["Microsoft (R) Windows Script Host Version 5.6", "", *lines, "[/smtpsvc/1/Domain]"]) + "\r\n"


def hexed(octets: bytes) -> str:
    return "(BINARY) " + " ".join(f"0x{one:02x}" for one in octets)


def ldif(**values: bytes | str) -> str:
    lines = [
        "dn: CN=1,CN=SMTP,CN=Protocols,CN=SRV,CN=Servers,CN=First,DC=example,DC=org",
        "changetype: add",
        "objectClass: top",
        "objectClass: protocolCfgSMTPServer",
    ]
    for name, value in values.items():
        if isinstance(value, str):
            lines.append(f"{name}: {value}")
        else:
            line = f"{name}:: {base64.b64encode(value).decode()}"
            lines += [line[:76], *(" " + line[at : at + 75] for at in range(76, len(line), 75))]
    return "\r\n".join([*lines, "", ""])


def wmi(**values: object) -> str:
    return json.dumps({"Name": "SmtpSvc/1", "AuthFlags": 1, "AccessSSLFlags": 0, "RelayForAuth": 0} | values)


def one(text: str) -> Imported:
    assert recognise(text)
    found = read([Source("file", text)])
    policy_of(found)
    policy_from(found)
    return found


def told(found: Imported) -> list[str]:
    return [each.text for each in [*found.left, *found.doubts]]


def listed(access: AccessList | None) -> tuple[str, list[str]]:
    assert access is not None
    counts = access.only_listed if access.mode == "only_listed" else access.all_except_listed
    return access.mode, [each.value for each in counts]


FORMS = {
    "metabase": metabase(
        f'RelayIpList="{RELAY.hex()}" IPSecurity="{CONNECT.hex()}" AccessSSLFlags="AccessSSL | AccessSSL128"',
        'RelayForAuth="-1" MaxMessageSize="2097152" MaxRecipients="100"',
    ),
    "custom": metabase(
        'AccessSSLFlags="8" RelayForAuth="4294967295" MaxMessageSize="2097152" MaxRecipients="100"',
    ).replace(
        "  >\n</IIsSmtpServer>",
        f'  ><Custom Name="X" ID="36970" Value="{RELAY.hex()}" Type="BINARY"/>'
        f'<Custom Name="IPSecurity" ID="1" Value="{CONNECT.hex()}" Type="BINARY"/></IIsSmtpServer>',
    ),
    "adsutil": adsutil(
        KeyType='(STRING) "IIsSmtpServer"',
        RelayIpList=hexed(RELAY),
        IPSecurity=hexed(CONNECT),
        AuthFlags="(INTEGER) 7",
        AccessSSLFlags="(INTEGER) 8",
        RelayForAuth="(INTEGER) -1",
        MaxMessageSize="(INTEGER) 2097152",
        MaxRecipients="(INTEGER) 100",
        DefaultDomain='(STRING) "example.org"',
        ServerBindings='(LIST) (1 Items)\r\n  ":25:"',
    ),
    "ldif": ldif(
        msExchSmtpRelayIpList=RELAY,
        msExchIPSecurity=CONNECT,
        msExchAuthenticationFlags="7",
        msExchAccessSSLFlags="8",
        msExchSmtpRelayForAuth="-1",
        msExchSmtpMaxMessageSize="2097152",
        msExchSmtpMaxRecipients="100",
        msExchServerBindings=":25:",
    ),
    "wmi": wmi(
        RelayIpList=list(RELAY),
        IPSecurity=list(CONNECT),
        AuthFlags=7,
        AccessSSLFlags=8,
        RelayForAuth=-1,
        MaxMessageSize=2097152,
        MaxRecipients=100,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str) -> None:
    found = one(FORMS[form])
    (server,) = found.servers
    assert server.name == "default"
    assert listed(server.relay_restrictions) == ("only_listed", ["192.0.2.40", "198.51.100.0/28"])
    assert listed(server.connection_control) == ("only_listed", ["192.0.2.0/24", "198.51.100.0/28"])
    assert (server.allow_authenticated, server.authentication, server.authentication_required) == (True, True, False)
    assert server.require_tls
    assert server.settings == {"message_bytes": 2_097_152, "recipients_a_message": 100}
    assert "AuthFlags 7" in told(found)
    policy = policy_of(found)
    clients = ("192.0.2.40", "192.0.2.41", "198.51.100.9", "203.0.113.1")
    assert [delivers(policy, each) for each in clients] == [True, True, True, False]
    assert [relays(policy, each) for each in clients] == [True, False, True, False]


def test_expectations_come_from_the_lists() -> None:
    said = {(each.that, each.outcome) for each in one(FORMS["metabase"]).expectations}
    assert ("who is listed (192.0.2.40) may relay", "permit") in said
    assert ("who is listed (192.0.2.1) may not relay", "reject") in said
    assert ("a stranger (198.51.100.77) may not deliver", "reject") in said
    assert ("a stranger (198.51.100.77) may not relay", "reject") in said


def test_places() -> None:
    server = one(FORMS["metabase"]).servers[0]
    assert server.origin.text == "file:10 /LM/SMTPSVC/1"
    assert server.relay_restrictions is not None
    assert server.relay_restrictions.only_listed[0].origin.text == "file:10 RelayIpList"
    assert one(FORMS["adsutil"]).servers[0].relay_restrictions.only_listed[0].origin.line == 4  # type: ignore[union-attr]


def test_domains_of_ones_own_are_accepted() -> None:
    found = one(FORMS["metabase"])
    assert [(each.name, each.kind) for each in found.accepted_domains] == [
        ("example.org", "authoritative"),
        ("alias.example", "authoritative"),
    ]
    assert "*.remote.example RouteAction 4130" in told(found)


# Null, empty, missing.


def test_relaying_null_is_strict_and_an_empty_array_is_open() -> None:
    assert listed(one(wmi(RelayIpList=None, IPSecurity=None)).servers[0].relay_restrictions) == ("only_listed", [])
    found = read([Source("file", wmi(RelayIpList=[], IPSecurity=None))])
    assert listed(found.servers[0].relay_restrictions) == ("all_except_listed", [])
    assert relays(policy_of(found), "203.0.113.1")
    # No policy may say it, so that the text of it closes the relay.
    assert not relays(policy_from(found), "203.0.113.1")
    assert not any(each.outcome == "permit" and "relay" in each.that for each in found.expectations)


def test_connecting_null_is_everybody() -> None:
    server = one(wmi(RelayIpList=None, IPSecurity=None)).servers[0]
    assert listed(server.connection_control) == ("all_except_listed", [])


def test_connecting_that_is_not_told_is_nobody() -> None:
    found = one(wmi(RelayIpList=None))
    assert listed(found.servers[0].connection_control) == ("only_listed", [])
    assert "ipsecurity is not in the file" in told(found)


def test_a_whole_metabase_tells_by_what_it_leaves_out() -> None:
    found = one(metabase())
    assert listed(found.servers[0].connection_control) == ("all_except_listed", [])
    assert listed(found.servers[0].relay_restrictions) == ("only_listed", [])
    assert not found.servers[0].require_tls
    part = "\n".join(line for line in metabase().splitlines() if 'SMTPSVC"' not in line)
    part = part.replace('  AuthFlags="AuthAnonymous | AuthBasic | AuthNTLM"\n  >', "<x>").replace(
        "</IIsSmtpService>", "</x>"
    )
    assert listed(one(part).servers[0].connection_control) == ("only_listed", [])


@pytest.mark.parametrize(
    "text", [metabase('RelayIpList=""'), adsutil(RelayIpList="(BINARY) ", AuthFlags="(INTEGER) 1")]
)
def test_an_empty_text_may_mean_open_and_is_read_as_nobody(text: str) -> None:
    found = one(text)
    assert listed(found.servers[0].relay_restrictions) == ("only_listed", [])
    assert "RelayIpList is empty" in told(found)


def test_what_the_service_sets_for_all_is_inherited() -> None:
    found = one(metabase(above=f'AuthFlags="1" RelayIpList="{RELAY.hex()}"'))
    assert listed(found.servers[0].relay_restrictions) == ("only_listed", ["192.0.2.40", "198.51.100.0/28"])
    own = one(
        metabase(f'RelayIpList="{blob(["192.0.2.9"]).hex()}"', above=f'AuthFlags="1" RelayIpList="{RELAY.hex()}"')
    )
    assert listed(own.servers[0].relay_restrictions) == ("only_listed", ["192.0.2.9"])


def test_all_except_some() -> None:
    found = one(metabase(f'IPSecurity="{DENY.hex()}"'))
    assert listed(found.servers[0].connection_control) == ("all_except_listed", ["203.0.113.0/28"])
    policy = policy_of(found)
    assert [delivers(policy, each) for each in ("203.0.113.1", "203.0.113.16")] == [False, True]


def test_both_lists_are_kept_and_the_granted_one_counts() -> None:
    access = (
        one(metabase(f'IPSecurity="{blob(["192.0.2.0/24"], ["203.0.113.7"]).hex()}"')).servers[0].connection_control
    )
    assert listed(access) == ("only_listed", ["192.0.2.0/24"])
    assert [each.value for each in access.all_except_listed] == ["203.0.113.7"]


def test_a_relay_list_of_nobody_in_neither_mode_is_read_as_nobody() -> None:
    found = one(metabase(f'RelayIpList="{blob([]).hex()}"'))
    assert listed(found.servers[0].relay_restrictions) == ("only_listed", [])
    assert "a list of nobody" in told(found)


def test_a_list_that_is_not_understood_lets_nobody_in() -> None:
    for octets in (RELAY[:-1].hex(), "zz", "0102", RELAY.hex() + "0"):
        found = one(metabase(f'RelayIpList="{octets}" IPSecurity="{octets}"'))
        assert listed(found.servers[0].relay_restrictions) == ("only_listed", [])
        assert listed(found.servers[0].connection_control) == ("only_listed", [])
        assert len([each for each in found.left if "could not be read" in each.because]) == 2


def test_names_in_a_list() -> None:
    granted = bytearray(RELAY)
    at = int.from_bytes(granted[12:16], "little") & 0x7FFFFFFF
    granted[at] = 2
    found = one(metabase(f'RelayIpList="{granted.hex()}"'))
    assert listed(found.servers[0].relay_restrictions)[1] == ["192.0.2.40", "198.51.100.0/28"]
    assert "2 domain names" in told(found)
    denied = bytearray(DENY)
    denied[int.from_bytes(denied[8:12], "little") & 0x7FFFFFFF] = 1
    found = one(metabase(f'IPSecurity="{denied.hex()}"'))
    assert listed(found.servers[0].connection_control) == ("only_listed", [])


# Signing in and TLS.


def test_relaying_for_whoever_signs_in() -> None:
    for value, wanted in (("-1", True), ("1", True), ("0", False)):
        assert one(metabase(f'RelayForAuth="{value}"')).servers[0].allow_authenticated is wanted
    found = one(metabase())
    assert found.servers[0].allow_authenticated is False
    assert "RelayForAuth is not told" in told(found)


def test_without_anonymous_everybody_signs_in() -> None:
    server = one(metabase('AuthFlags="AuthBasic"')).servers[0]
    assert (server.authentication, server.authentication_required) == (True, True)


def test_what_a_part_of_a_file_does_not_tell_is_the_narrower() -> None:
    found = one(adsutil(RelayIpList=hexed(RELAY)))
    server = found.servers[0]
    assert (server.authentication_required, server.require_tls, server.allow_authenticated) == (True, True, False)
    assert {"AuthFlags is not told", "AccessSSLFlags is not told", "ipsecurity is not in the file"} <= set(told(found))


def test_a_flag_that_is_not_known_is_not_told() -> None:
    assert one(metabase('AuthFlags="AuthAnonymous | AuthMagic"')).servers[0].authentication_required


# Several, and what is told beside.


def test_several_virtual_servers() -> None:
    more = f'<IIsSmtpServer Location="/lm/smtpsvc/2" RelayIpList="{blob(["192.0.2.9"]).hex()}"/>'
    found = one(metabase(more=more))
    assert [each.name for each in found.servers] == ["default", "smtp-2"]
    assert listed(found.servers[1].relay_restrictions) == ("only_listed", ["192.0.2.9"])


def test_two_files_of_one_virtual_server() -> None:
    found = read([Source("a.xml", FORMS["metabase"]), Source("b.ldf", FORMS["ldif"])])
    assert [each.name for each in found.servers] == ["default", "default-2"]
    assert "default-2" in told(found)


def test_the_smart_host_is_where_relayed_mail_goes() -> None:
    assert one(metabase('SmartHost="[192.0.2.99]"')).relay_next_hop == "smtp://192.0.2.99:25"
    assert one(metabase('SmartHost="out.example.org"')).relay_next_hop == "smtp://out.example.org:25"


def test_odd_settings_are_named() -> None:
    found = one(metabase('SmtpIpRestrictionFlag="1" SmtpDisableRelay="1"'))
    assert {"SmtpIpRestrictionFlag 1", "SmtpDisableRelay 1", "ServerBindings :25:"} <= set(told(found))


# What is refused.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello\n", "is no MetaBase.xml"),
        (metabase()[:600], "no complete XML"),
        (metabase(more='<IIsSmtpServer Location="/LM/SMTPSVC/1"/>'), "stands twice"),
        (metabase().replace("<configuration", '<!DOCTYPE x [<!ENTITY a "aaaa">]><configuration'), "document type"),
        (FORMS["ldif"].rstrip(), "last line has no end"),
        (FORMS["adsutil"].rstrip(), "last line has no end"),
        (ldif() + "dn: x\r\nodd line\r\n\r\n", "no line of LDIF"),
        (ldif(msExchSmtpRelayIpList=RELAY).replace(":: ", ":: *"), "no base64"),
        (ldif(msExchSmtpRelayIpList=RELAY).replace("objectClass: top", "msExchSmtpRelayIpList:: AAAA"), "twice in one"),
    ],
)
def test_what_is_not_whole_is_refused_with_words(text: str, says: str) -> None:
    with pytest.raises(ImportFailedError, match=says):
        read([Source("file", text)])


def test_no_virtual_server() -> None:
    with pytest.raises(ImportFailedError, match="no virtual server of the SMTP service in file"):
        read([Source("file", '<x Location="/LM/SMTPSVC">IIsSmtp</x>')])
