"""Settings: defaults, what a file says, paths, and the way to the workers."""

from __future__ import annotations

import json
from dataclasses import fields
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from arrowslit.documents.declare import declaration
from arrowslit.documents.endpoint import Endpoint, parse_endpoint
from arrowslit.documents.settings import TABLES, EnforcementPoint, ListenerSettings, Settings, cores, own_name
from arrowslit.documents.settings_file import load_settings
from arrowslit.documents.settings_json import settings_from_json, settings_to_json
from arrowslit.mail.address import parse_address

EXAMPLE = Path(__file__).parents[2] / "examples" / "small-office" / "arrowslit.toml"
EVERYTHING = """
[node]
name = "MX.Straße.example."
state = "var"
workers = 3

[[listeners]]
address = "[::]:25"
tls = "starttls"
ask_certificate = true
proxy_protocol_from = ["10.0.0.5", "10.1.0.0/16", "2001:db8::1-2001:db8::9"]
xclient_from = ["10.0.0.6"]

[[listeners]]
address = "0.0.0.0:587"
virtual_server = "submission"
tls = "implicit"

[limits]
message_bytes = 1_000_000
recipients_a_message = 100
text_line_bytes = 2000
sessions = 7
spool_bytes = 2_000_000
spool_memory_bytes = 0
sign_in_failures = 3

[timeouts]
command = "5m"
data_block = "90s"
minimum_rate = 0
handshake = "500ms"
proxy_header = "1s"
drain = "1h"

[next_hops]
connect = "1s"

[dns]
servers = ["192.0.2.53", "2001:db8::53", "[::1]:5353"]
timeout = "2s"

[log]
decisions = ""
mail = "mail.log"

[metrics]
address = "127.0.0.1:9625"

[alarms]
mail = ["it@example.org"]
webhook = "https://alarms.example.org/hook"
syslog = true

[enforcement_points.router]
target = "nftables"
ports = [25, 587]
interface = "eth0"
addresses = ["192.168.0.5"]
"""


def _load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "arrowslit.toml"
    path.write_text(text, encoding="utf-8")
    loaded = load_settings(path)
    assert loaded.settings is not None, loaded.findings
    return loaded.settings


def test_the_example_loads_without_a_finding() -> None:
    loaded = load_settings(EXAMPLE)
    assert loaded.findings == ()
    assert loaded.settings is not None
    assert [listener.address.text for listener in loaded.settings.listeners] == ["127.0.0.1:2525", "127.0.0.1:2587"]
    assert loaded.settings.listeners[1].virtual_server == "submission"


def test_defaults(tmp_path: Path) -> None:
    settings = _load(tmp_path, '[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:25"\n')
    assert settings.limits.message_bytes == 37_748_736
    assert settings.limits.recipients_a_message == 200
    assert settings.limits.spool_bytes == 2**30
    assert settings.limits.spool_memory_bytes == 262_144
    times, hops = settings.timeouts, settings.next_hops
    assert (times.command, times.data_block, times.minimum_rate, times.handshake, times.proxy_header) == (
        300.0,
        180.0,
        500,
        60.0,
        5.0,
    )
    assert (hops.connect, hops.command, hops.data, hops.block, hops.dot, hops.verdict) == (10, 120, 120, 180, 600, 270)
    assert settings.node.workers == cores()
    assert settings.log.mail == "stderr"
    assert settings.metrics.address is None
    assert settings.listeners == (ListenerSettings(Endpoint(IPv4Address("127.0.0.1"), 25)),)


def test_what_lies_in_the_state_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    settings = _load(tmp_path, '[node]\nname = "mx.example"\nstate = "var"\n[[listeners]]\naddress = "127.0.0.1:25"\n')
    state = tmp_path / "var"
    assert settings.node.state == state
    assert settings.limits.spool == state / "spool"
    assert settings.log.decisions == state / "decisions.jsonl"
    assert settings.users_file == state / "users"
    assert settings.control_socket == state / "control.sock"


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = _load(tmp_path, EVERYTHING)
    assert settings.node.name == "mx.xn--strae-oqa.example"
    first, second = settings.listeners
    assert first.address == Endpoint(IPv6Address("::"), 25)
    assert first.ask_certificate
    assert parse_address("10.1.2.3") in first.proxy_protocol_from
    assert parse_address("2001:db8::5") in first.proxy_protocol_from
    assert parse_address("10.0.0.6") not in first.proxy_protocol_from
    assert parse_address("10.0.0.6") in first.xclient_from
    assert second.tls == "implicit"
    assert settings.timeouts.handshake == 0.5
    assert settings.timeouts.drain == 3600.0
    assert settings.dns.servers == ("192.0.2.53", "2001:db8::53", "[::1]:5353")
    assert settings.log.decisions is None
    assert settings.log.mail == tmp_path / "mail.log"
    assert settings.metrics.address == Endpoint(IPv4Address("127.0.0.1"), 9625)
    assert settings.alarms.mail == ("it@example.org",)
    assert settings.alarms.webhook == "https://alarms.example.org/hook"
    assert settings.alarms.syslog == Path("/dev/log")
    point = settings.enforcement_points["router"]
    assert (point.target, point.ports, point.virtual_server) == ("nftables", (25, 587), "default")


def test_settings_survive_the_way_to_the_workers(tmp_path: Path) -> None:
    settings = _load(tmp_path, EVERYTHING)
    assert settings_from_json(json.loads(json.dumps(settings_to_json(settings)))) == settings


def test_every_field_is_declared_with_a_meaning() -> None:
    for cls in (*(cls for _, cls in TABLES), ListenerSettings, EnforcementPoint):
        for of in fields(cls):
            made = declaration(of)
            assert made is not None, f"{cls.__name__}.{of.name}"
            assert made.doc
            assert made.kind.name


def test_a_name_that_is_none_has_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "no name at all")
    assert own_name() == "no name at all"
    path = tmp_path / "arrowslit.toml"
    path.write_text('[[listeners]]\naddress = "127.0.0.1:25"\n')
    loaded = load_settings(path)
    assert loaded.settings is None
    assert [placed.finding.key for placed in loaded.findings] == ["node.name"]


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1:25", "127.0.0.1:25", True),
        ("127.0.0.1:25", "127.0.0.1:26", False),
        ("127.0.0.1:25", "127.0.0.2:25", False),
        ("0.0.0.0:25", "127.0.0.2:25", True),
        ("[::]:25", "127.0.0.2:25", True),
        ("[::]:25", "0.0.0.0:25", True),
        ("0.0.0.0:25", "[::1]:25", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_listeners_that_cannot_both_be_there(one: str, other: str, clash: bool) -> None:
    assert parse_endpoint(one).clashes(parse_endpoint(other)) is clash
    assert parse_endpoint(other).clashes(parse_endpoint(one)) is clash


@pytest.mark.parametrize("text", ["127.0.0.1:25", "[2001:db8::1]:587", "[::]:0"])
def test_an_endpoint_is_printed_as_it_is_written(text: str) -> None:
    assert parse_endpoint(text).text == text


@pytest.mark.parametrize(
    "text", ["", "25", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:+5", "127.0.0.1:\u0665", "[127.0.0.1]:25"]
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|ADDRESS|brackets"):
        parse_endpoint(text)


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    loaded = load_settings(tmp_path / "no-such.toml")
    assert loaded.settings is None
    assert [placed.finding.name for placed in loaded.findings] == ["unreadable-file"]


def test_a_file_that_is_not_utf8_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "arrowslit.toml"
    path.write_bytes(b'[node]\nname = "m\xfc"\n')
    (placed,) = load_settings(path).findings
    assert placed.finding.name == "unreadable-file"
    assert "octet 16 is 0xfc" in placed.finding.message


@pytest.mark.parametrize("word", ["off", ""])
def test_off_turns_a_log_off_and_names_no_file(tmp_path: Path, word: str) -> None:
    path = tmp_path / "arrowslit.toml"
    text = f'[[listeners]]\naddress = "127.0.0.1:25"\n[log]\ndecisions = "{word}"\nmail = "{word}"\n'
    path.write_text(f'{text}[metrics]\naddress = "{word}"\n')
    settings = load_settings(path).settings
    assert settings is not None
    assert (settings.log.decisions, settings.log.mail, settings.metrics.address) == (None, None, None)
    path.write_text(text.replace(f'mail = "{word}"', 'mail = "./off"'))
    settings = load_settings(path).settings
    assert settings is not None
    assert settings.log.mail == tmp_path / "off"


def test_a_table_where_a_path_or_off_stands_is_the_wrong_type(tmp_path: Path) -> None:
    path = tmp_path / "arrowslit.toml"
    path.write_text('[[listeners]]\naddress = "127.0.0.1:25"\n[log]\nmail = { off = true }\n')
    loaded = load_settings(path)
    assert [placed.finding.name for placed in loaded.findings] == ["wrong-type"]


_POINT = """\
[node]
name = "mx.example.test"
[[listeners]]
address = "127.0.0.1:2525"
[enforcement_points.firewall]
target = "nftables"
"""


def test_an_api_that_an_enforcement_point_is_reached_over(tmp_path: Path) -> None:
    path = tmp_path / "arrowslit.toml"
    digits = "AB:" * 31 + "AB"
    path.write_text(
        f'{_POINT}url = "https://firewall.example.test:8443/"\nfingerprint = "{digits}"\n'
        'credentials_file = "firewall.credentials"\nca_file = "/etc/ca.pem"\nclose = true\n'
    )
    loaded = load_settings(path)
    assert loaded.settings is not None, loaded.findings
    point = loaded.settings.enforcement_points["firewall"]
    assert (point.url, point.fingerprint) == ("https://firewall.example.test:8443", "ab" * 32)
    assert (point.credentials_file, point.ca_file) == (tmp_path / "firewall.credentials", Path("/etc/ca.pem"))
    assert settings_from_json(json.loads(json.dumps(settings_to_json(loaded.settings)))) == loaded.settings


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('url = "http://firewall.example.test"', "credentials would go over the network in clear"),
        ('url = "https://admin:secret@firewall.example.test"', "this holds more than a server and a path"),
        ('url = "https://firewall.example.test/?key=secret"', "this holds more than a server and a path"),
        ('url = "firewall.example.test"', "this is no web address"),
        ('fingerprint = "sha256:abc"', "this is no SHA-256 fingerprint"),
    ],
)
def test_an_api_that_no_credentials_should_be_sent_to(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "arrowslit.toml"
    path.write_text(f"{_POINT}{line}\n")
    loaded = load_settings(path)
    assert loaded.settings is None
    assert any(says in placed.finding.message for placed in loaded.findings)
    assert not any("secret" in placed.finding.message for placed in loaded.findings)


def test_an_api_on_this_machine_may_be_in_clear(tmp_path: Path) -> None:
    path = tmp_path / "arrowslit.toml"
    path.write_text(f'{_POINT}url = "http://127.0.0.1:8080"\n')
    assert load_settings(path).settings is not None
