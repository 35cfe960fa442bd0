"""The unit for Exim behind the gateway, with a real one, by the lines that its text gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from arrowslit.smtp.proxy import encode_v2
from arrowslit.targets.inner_exim import LIMIT, MAIN
from arrowslit.targets.target import Place
from tests.peers import exim
from tests.peers.outside import Outside, _reply, _socket, outside
from tests.targets.samples import POLICIES, made
from tests.targets.test_inner_postfix import bare_newline, connections

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("exim")]

GATEWAY, GATEWAY6, OTHER = "192.168.0.5", "2001:db8:5::5", "192.168.0.9"
OURS, FOREIGN = "anna@example.org", "somebody@elsewhere.test"
PLACE = Place(server=(ip_address(GATEWAY), ip_address(GATEWAY6)))
BOTH = f"{Outside.ADDRESS4} ; {Outside.ADDRESS6}"
PROXIED = POLICIES["small"].replace("[next_hops.inner]\n", '[next_hops.inner]\nidentify_client = "proxy-v2"\n')
CONFIGURATION = """\
begin acl
acl_check_rcpt:
  accept hosts = 192.168.0.0/16 : <; 2001:db8:5::/64
         domains = elsewhere.test
  defer  message = greylisted
begin routers
known:
  driver = redirect
  local_parts = anna
  data = :blackhole:
unknown:
  driver = redirect
  local_parts = never*
  data = :fail: no such mailbox
elsewhere:
  driver = redirect
  domains = elsewhere.test
  data = :blackhole:
"""
BEFORE = ("smtp_accept_max = 200", "acl_smtp_rcpt = acl_check_rcpt", "smtp_accept_max_per_host = 10")


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    monkeypatch.setattr(exim, "COMMON", exim.COMMON.replace("smtp_accept_max = 0\n", ""))
    with outside() as found:
        yield found


@contextmanager
def server(net: Outside, settings: tuple[str, ...], acl: str = "") -> Iterator[exim.Exim]:
    files = {"arrowslit-inner.acl": acl}
    own = [line.replace("DIR/", "{inside}/") for line in settings]
    template = "\n".join(line.replace("{", "{{").replace("}", "}}").replace("{{inside}}", "{inside}") for line in own)
    with exim._instance(
        f"{template}\n{CONFIGURATION}", {}, certificate=None, settings=(), host=net.machine, address=BOTH, port=25,
        files=files,
    ) as running:  # fmt: skip
        yield running


def unit(policy: str) -> tuple[tuple[str, ...], str]:
    compiled = made("inner-exim", policy, PLACE)
    lines = tuple(step.removeprefix(MAIN) for step in compiled.body.apply if step.startswith(MAIN))
    lines = tuple(line.replace(LIMIT, "10") for line in lines)  # as the note says
    return lines, compiled.text


def heard(net: Outside, client: str, *recipients: str) -> list[str]:
    lines = ["EHLO gw.test", "MAIL FROM:<a@sender.test>", *(f"RCPT TO:<{to}>" for to in recipients)]
    return net.answers([client], lines)[client][3:]


NEVER = [f"never{number}@example.org" for number in range(25)]


def test_before_it_the_gateway_relays_and_is_limited(net: Outside) -> None:
    with server(net, BEFORE):
        assert [one[:3] for one in heard(net, GATEWAY, FOREIGN, OURS)] == ["250", "451"]
        assert connections(net, GATEWAY, 50) <= 10


def test_after_it_the_gateway_may_deliver_and_nothing_else(net: Outside) -> None:
    lines, acl = unit(POLICIES["small"])
    with server(net, lines, acl) as running:
        for client in (GATEWAY, GATEWAY6):
            said = heard(net, client, OURS, FOREIGN, "user%elsewhere.test@example.org", *NEVER, OURS)
            assert [one[:3] for one in said] == ["250", "550", "550", *["550"] * 25, "250"]
        assert connections(net, GATEWAY, 50) == 50
        assert connections(net, OTHER, 50) <= 10
        assert [one[:3] for one in heard(net, OTHER, FOREIGN, OURS)] == ["250", "451"]
        # Exim takes a lone LF within a line, and never for the end of a message.
        assert not bare_newline(net, GATEWAY).startswith("354")
        assert running.log().count("<= a@sender.test") <= 1
        assert "b@sender.test" not in running.log()


def test_commands_without_purpose_do_not_count(net: Outside) -> None:
    lines, acl = unit(POLICIES["small"])
    given = ["EHLO gw.test", *["NOOP"] * 40]
    with server(net, lines, acl):
        assert net.answers([GATEWAY], given)[GATEWAY][-1].startswith("250")
        assert not net.answers([OTHER], given)[OTHER][-1].startswith("250")


@pytest.mark.parametrize(("client", "to", "says"), [
    ("198.51.100.9", OURS, "250"), ("198.51.100.9", FOREIGN, "550"), (OTHER, FOREIGN, "550"),
])  # fmt: skip
def test_with_the_proxy_header_the_client_is_known(net: Outside, client: str, to: str, says: str) -> None:
    lines, acl = unit(PROXIED)

    def talk() -> str:
        with _socket(GATEWAY) as one:
            one.settimeout(20)
            one.connect(net.at(GATEWAY))
            one.sendall(encode_v2((ip_address(client), 1234), (ip_address(net.ADDRESS4), 25)))
            with one.makefile("rb") as stream:
                said = _reply(stream)
                for line in ("EHLO gw.test", "MAIL FROM:<a@sender.test>", f"RCPT TO:<{to}>"):
                    one.sendall(line.encode() + b"\r\n")
                    said = _reply(stream)
        return said

    with server(net, lines, acl) as running:
        assert net.clients.call(talk).startswith(says)
        if says == "550":
            assert f"[{client}]" in running.log()
