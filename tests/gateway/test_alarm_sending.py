"""Notices on their way: to a real SMTP server, a real web server and a real log socket, all on loopback."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

import pytest

from arrowslit.documents.alarm_routes import MailRoute
from arrowslit.documents.endpoint import Endpoint
from arrowslit.documents.settings import NextHopSettings
from arrowslit.gateway.alarm_sending import AlarmSending
from arrowslit.gateway.alarms import Alarms, Notice
from arrowslit.gateway.courier import PAUSES, Courier, NotSentError
from arrowslit.gateway.notices import as_mail, one_line
from arrowslit.gateway.plan import AlarmPlan
from arrowslit.gateway.webhook import Webhook, WebhookError
from arrowslit.mail.mailbox_text import parse_mailbox
from arrowslit.policy.parts import NextHop, NextHopAddress
from tests.gateway.scripted_hop import DROP, HANG, Answers, Hop, scripted
from tests.gateway.web_hook import hooked
from tests.peers import certs

BOB, EVE = parse_mailbox("bob@example.org"), parse_mailbox("eve@example.org")
NODE = "mx.example.org"
NASTY = "550 \x1b[2J\r\nBcc: victim@example.net\u202e <b>ü</b>"


class Sending:
    """A sender with its alarms on a loop of its own, whose clock runs as the test says."""

    def __init__(self, plan: AlarmPlan) -> None:
        self.alarms, self.said = Alarms(), list[str]()
        self.sending = AlarmSending(self.alarms, self.said.append)
        self.sending.take_up(plan, NODE)

    async def pass_time(self, seconds: float) -> None:
        """One turn, that much later than now, and then until nobody is at work."""
        loop = asyncio.get_running_loop()
        self.sending.turn(loop.time() + seconds, time.time() + seconds)
        while any(courier._tasks for courier in self.sending._couriers.values()):
            await asyncio.sleep(0.005)


def run(plan: AlarmPlan, story: Callable[[Sending], Awaitable[None]]) -> Sending:
    sending = Sending(plan)

    async def all_of_it() -> None:
        await story(sending)
        sending.sending.close()

    asyncio.run(asyncio.wait_for(all_of_it(), 20))
    return sending


def hop_at(hop: Hop, name: str = "inner", **more: object) -> NextHop:
    address = (NextHopAddress("smtp", *hop.at),)
    return NextHop(name, address, **({"tls": "off"} | more))  # type: ignore[arg-type]


def by_mail(*hops: NextHop, recipients: tuple[object, ...] = (BOB,), **more: object) -> AlarmPlan:
    return AlarmPlan(mail=(MailRoute(hops, recipients),), **more)  # type: ignore[arg-type]


def ring(text: str = NASTY) -> Callable[[Sending], Awaitable[None]]:
    async def story(sending: Sending) -> None:
        sending.alarms.ring("next-hop-misconfigured", text, time.time(), "inner")
        await sending.pass_time(0)

    return story


def read(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.SMTP)


# --- mail --------------------------------------------------------------------------------------------------------


def test_the_next_hop_gets_a_mail_with_the_null_reverse_path() -> None:
    with scripted() as hop:
        sending = run(by_mail(hop_at(hop)), ring())
    assert hop.connections[0][:3] == [f"EHLO {NODE}", hop.commands[1], "RCPT TO:<bob@example.org>"]
    assert hop.commands[1].startswith("MAIL FROM:<> SIZE=")
    message = read(hop.messages[0])
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == "bob@example.org"
    assert message["From"] == f"Arrowslit <postmaster@{NODE}>"
    assert message["Subject"] == f"[{NODE}] next-hop-misconfigured inner"
    assert message["Date"] and message["Message-ID"].endswith(f"@{NODE}>")
    assert sending.alarms.names() == {"next-hop-misconfigured"}


def test_nothing_that_a_stranger_chose_gets_out_of_its_line() -> None:
    with scripted() as hop:
        sending = run(by_mail(hop_at(hop)), ring())
    (octets,) = hop.messages
    assert octets.isascii()
    assert b"\x1b" not in octets
    message = read(octets)
    assert message["Bcc"] is None
    assert "  550 ?[2J??Bcc: victim@example.net? <b>\\xfc</b>" in message.get_content().splitlines()
    assert sending.said == [
        "alarm next-hop-misconfigured [inner]: 550 ?[2J??Bcc: victim@example.net? <b>\\xfc</b>",
    ]


@pytest.mark.parametrize("character", ["x", "ü", "\U0001f600"])
def test_no_line_is_longer_than_mail_may_have(character: str) -> None:
    notice = Notice("next-hop-down", character * 500, character * 500, 0.0, 0.0, 1)
    lines = as_mail([notice], NODE, [BOB], 0.0).split(b"\r\n")
    assert max(map(len, lines)) < 998
    assert not [line for line in lines if b"\n" in line or b"\r" in line]


def test_a_next_hop_behind_the_proxy_protocol_is_told_that_it_is_us() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readexactly(16))
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        inner = NextHop("inner", (NextHopAddress("smtp", *server.sockets[0].getsockname()),), tls="off")
        sending = Sending(by_mail(replace(inner, identify_client="proxy-v2")))
        await ring("x")(sending)
        server.close()

    asyncio.run(asyncio.wait_for(story(), 10))
    assert heard == [b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"]  # LOCAL: a connection of the proxy itself


def test_notices_of_one_moment_go_out_together_and_the_rest_half_a_minute_later() -> None:
    async def story(sending: Sending) -> None:
        sending.alarms.ring("worker-died", "one", time.time())
        sending.alarms.ring("next-hop-down", "two", time.time(), "a")
        await sending.pass_time(0)
        sending.alarms.ring("next-hop-down", "three", time.time(), "b")
        await sending.pass_time(1)
        sending.alarms.over("next-hop-down", "a")
        assert len(hop.messages) == 1
        await sending.pass_time(31)

    with scripted() as hop:
        run(by_mail(hop_at(hop)), story)
    first, second = map(read, hop.messages)
    assert first["Subject"] == f"[{NODE}] worker-died and 1 more"
    assert second["Subject"] == f"[{NODE}] over: next-hop-down a and 1 more"
    assert "ALARM: next-hop-down" in second.get_content()
    assert "OVER: next-hop-down" in second.get_content()


@pytest.mark.parametrize(
    "answers",
    [
        {"GREETING": DROP},
        {"GREETING": b"554 no\r\n"},
        {"MAIL": b"451 4.3.0 later\r\n"},
        {"RCPT": b"452 4.2.2 full\r\n"},
        {"DATA": b"451 later\r\n"},
        {"DATA": DROP},
        {".": b"452 4.3.1 full\r\n"},
        {".": DROP},
        {"EHLO": b"250-inner.test\r\n250 PIPELINING\r\n", "MAIL": b"451 later\r\n"},
    ],
)
def test_what_is_not_taken_is_tried_again_a_few_times_and_then_logged(answers: Answers) -> None:
    async def story(sending: Sending) -> None:
        await ring("first")(sending)
        for total in range(61, 4100, 60):
            sending.alarms.over("next-hop-misconfigured", "inner")
            await sending.pass_time(total)

    with scripted(answers) as hop:
        sending = run(by_mail(hop_at(hop)), story)
    tries = len(hop.connections)
    assert tries == 1 + len(PAUSES)
    assert [line for line in sending.said if line.startswith("an alarm was not sent by mail: next hop inner")]
    (shown,) = sending.alarms.as_message()
    assert (shown["name"], shown["subject"], shown["count"]) == ("alarm-not-sent", "mail", tries)


def test_a_next_hop_that_comes_back_gets_it_at_the_next_try() -> None:
    async def story(sending: Sending) -> None:
        await ring("first")(sending)
        assert "alarm-not-sent" in sending.alarms.names()
        await sending.pass_time(61)

    with scripted({"MAIL": [b"451 later\r\n", b"250 ok\r\n"]}) as hop:
        sending = run(by_mail(hop_at(hop)), story)
    assert len(hop.messages) == 1
    assert "alarm-not-sent" not in sending.alarms.names()


def test_a_refusal_for_good_is_said_and_not_tried_again() -> None:
    async def story(sending: Sending) -> None:
        await ring("first")(sending)
        await sending.pass_time(61)

    with scripted({"RCPT": b"550 5.1.1 no such\x1b[2J\r\n"}) as hop:
        sending = run(by_mail(hop_at(hop)), story)
    assert len(hop.connections) == 1
    assert [line for line in sending.said if "550" in line and "\x1b" not in line]


def test_who_has_it_does_not_get_it_again() -> None:
    async def story(sending: Sending) -> None:
        await ring("first")(sending)
        await sending.pass_time(61)

    with scripted({"RCPT": [b"250 ok\r\n", b"450 later\r\n", b"250 ok\r\n"]}) as hop:
        run(by_mail(hop_at(hop), recipients=(BOB, EVE)), story)
    assert [c for c in hop.commands if c.startswith("RCPT")] == [
        "RCPT TO:<bob@example.org>",
        "RCPT TO:<eve@example.org>",
        "RCPT TO:<eve@example.org>",
    ]
    assert len(hop.messages) == 2


def test_the_fallback_gets_it_when_the_next_hop_does_not_answer() -> None:
    with scripted({"GREETING": DROP}) as dead, scripted() as other:
        run(by_mail(hop_at(dead), hop_at(other, "other")), ring())
    assert len(other.messages) == 1


def test_lmtp_answers_for_each_recipient() -> None:
    answers = {"LHLO": b"250 inner.test\r\n", ".": b"250 2.0.0 ok\r\n452 4.2.2 full\r\n"}
    with scripted(answers) as hop:
        inner = NextHop("inner", (NextHopAddress("lmtp", *hop.at),), tls="off")
        sending = run(by_mail(inner, recipients=(BOB, EVE)), ring())
    assert hop.commands[0] == f"LHLO {NODE}"
    assert [one["name"] for one in sending.alarms.as_message() if "452" in one["text"]] == ["alarm-not-sent"]


def test_it_signs_in_where_the_next_hop_wants_that() -> None:
    with scripted({"EHLO": b"250-inner.test\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 ok\r\n"}) as hop:
        inner = hop_at(hop, username="node", password_file="secret")
        run(by_mail(inner, passwords={"inner": "hunter2"}), ring())
    assert hop.commands[1] == "AUTH PLAIN AG5vZGUAaHVudGVyMg=="
    assert len(hop.messages) == 1


def test_a_maildir_gets_a_file(tmp_path: Path) -> None:
    inner = NextHop("inner", (NextHopAddress("maildir", "Maildir"),))
    run(by_mail(inner, folder=tmp_path), ring(". begins with a dot"))
    (file,) = (tmp_path / "Maildir" / "new").iterdir()
    assert read(file.read_bytes())["Auto-Submitted"] == "auto-generated"


def test_a_next_hop_that_hangs_holds_up_neither_the_loop_nor_the_other_ways(tmp_path: Path) -> None:
    async def story(sending: Sending) -> None:
        sending.alarms.ring("worker-died", "x", time.time())
        sending.sending.turn(asyncio.get_running_loop().time(), time.time())
        for _ in range(100):
            await asyncio.sleep(0.01)
            sending.sending.turn(asyncio.get_running_loop().time(), time.time())
        assert log.recv(999).endswith(b"alarm worker-died: x")
        assert "alarm-not-sent" in sending.alarms.names()

    with log_socket(tmp_path / "log") as log, scripted({"GREETING": HANG}) as hop:
        times = NextHopSettings(command=0.2)
        run(by_mail(hop_at(hop), times=times, syslog=tmp_path / "log"), story)


# --- syslog ------------------------------------------------------------------------------------------------------


@contextmanager
def log_socket(at: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(at))
        sock.settimeout(5)
        yield sock


def test_a_datagram_in_the_shape_of_the_systems_log(tmp_path: Path) -> None:
    async def story(sending: Sending) -> None:
        await ring()(sending)
        sending.alarms.ring("reload-refused", "no", time.time())
        await sending.pass_time(31)
        sending.alarms.over("reload-refused")
        await sending.pass_time(62)

    with log_socket(tmp_path / "log") as log:
        run(AlarmPlan(syslog=tmp_path / "log"), story)
        first, second, third = (log.recv(2000).decode("ascii") for _ in range(3))
    assert first.startswith("<19>")
    assert first.partition("]: ")[2] == (
        "alarm next-hop-misconfigured [inner]: 550 ?[2J??Bcc: victim@example.net? <b>\\xfc</b>"
    )
    assert first[4:].split(" arrowslit[")[0] in {
        time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - ago)) for ago in range(5)
    }
    assert second.startswith("<19>") and "alarm reload-refused: no" in second
    assert third.startswith("<21>") and "over reload-refused: no" in third


def test_a_log_server_by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        place = Endpoint(ip_address("127.0.0.1"), server.getsockname()[1])
        run(AlarmPlan(syslog=place), ring("x"))
        line = server.recv(2000).decode("ascii")
    head, _, text = line.partition(" alarm - ")
    assert text == "alarm next-hop-misconfigured [inner]: x"
    priority, stamp, node, program, _pid = head.split(" ")
    assert (priority, node, program) == ("<19>1", NODE, "arrowslit")
    assert stamp.endswith("Z")


def test_no_log_socket_is_said_and_tried_again(tmp_path: Path) -> None:
    async def story(sending: Sending) -> None:
        await ring("x")(sending)
        assert sending.alarms.as_message()[0]["text"] == "syslog: No such file or directory"
        with log_socket(tmp_path / "log") as log:
            await sending.pass_time(61)
            assert log.recv(999).endswith(b": x")

    sending = run(AlarmPlan(syslog=tmp_path / "log"), story)
    assert "alarm-not-sent" not in sending.alarms.names()


# --- webhook -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def post(address: str) -> str:
    """Why it was not taken; empty when it was."""
    try:
        asyncio.run(Webhook(address).post(b"{}"))
    except WebhookError as error:
        return str(error)
    return ""


def test_a_post_with_json_over_verified_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = certs.Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with hooked(authority.issue("localhost")) as hook:
        address = f"https://bot:p%40ss@localhost:{hook.port}/T0/secret?key=1"
        sending = run(AlarmPlan(webhook=address), ring())
        assert "alarm-not-sent" not in sending.alarms.names()
    ((path, headers, body),) = hook.heard
    assert path == "/T0/secret?key=1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Basic Ym90OnBAc3M="
    said = json.loads(body)
    assert said["node"] == NODE
    assert body.isascii()
    (alarm,) = said["alarms"]
    assert (alarm["name"], alarm["subject"], alarm["count"], alarm["over"]) == (
        "next-hop-misconfigured",
        "inner",
        1,
        False,
    )
    assert alarm["text"] == "550 ?[2J??Bcc: victim@example.net? <b>ü</b>"


def test_a_certificate_of_nobody_gets_no_octet(tmp_path: Path) -> None:
    with hooked(certs.self_signed(tmp_path, "localhost")) as hook:
        assert "certificate is not good" in post(f"https://localhost:{hook.port}/secret")
        assert hook.heard == []


def test_a_certificate_for_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = certs.Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with hooked(authority.issue("other.test")) as hook:
        assert "certificate is not good" in post(f"https://localhost:{hook.port}/secret")
        assert hook.heard == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_is_followed(status: int) -> None:
    with hooked() as elsewhere, hooked() as hook:
        hook.status, hook.headers = status, {"Location": f"http://127.0.0.1:{elsewhere.port}/"}
        assert post(f"http://127.0.0.1:{hook.port}/secret") == f"127.0.0.1: it answered {status}"
        assert len(hook.heard) == 1
        assert elsewhere.heard == []


def test_no_fault_says_the_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with hooked() as hook:
        hook.status = 500
        texts = [
            post(f"http://user:hunter2@127.0.0.1:{hook.port}/hunter2"),
            post(f"http://user:hunter2@127.0.0.1:{port}/hunter2"),
            post(f"http://user:hunter2@127.0.0.1:{hook.port}/hunter2\x7f"),
        ]
    assert all(texts)
    assert not [text for text in texts if "hunter2" in text]
    assert "hunter2" not in repr(AlarmPlan(webhook="https://x/hunter2", passwords={"a": "hunter2"}))


def test_one_that_does_not_answer_is_waited_for_in_a_thread_and_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arrowslit.gateway.webhook._IN_ALL", 0.1)
    with hooked() as hook:
        hook.held.clear()
        webhook = Webhook(f"http://127.0.0.1:{hook.port}/")

        async def twice() -> None:
            with pytest.raises(WebhookError, match="no answer in time"):
                await webhook.post(b"{}")
            with pytest.raises(WebhookError, match="still under way"):
                await webhook.post(b"{}")

        asyncio.run(twice())
        assert len(hook.heard) == 1
        hook.held.set()
        assert webhook._thread is not None
        webhook._thread.join(5)


# --- the courier -------------------------------------------------------------------------------------------------


def test_a_courier_takes_a_limited_number_and_says_what_it_gives_up() -> None:
    said: list[str] = []

    async def never() -> None:
        raise NotSentError("no")

    async def story() -> None:
        courier = Courier("mail", lambda _why: None, lambda: None, said.append)
        for _ in range(60):
            courier.take(never, 0.0)
        courier.turn(0.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert courier.pending == 50
        courier.close()
        assert courier.pending == 0

    asyncio.run(story())
    assert said == [
        *["an alarm was not sent by mail: there are too many others to send"] * 10,
        "an alarm was not sent by mail: the node stops; 50 were under way",
    ]


def test_a_mistake_of_ours_ends_no_courier() -> None:
    failed: list[str] = []

    async def wrong() -> None:
        raise RuntimeError("ours")

    async def story() -> None:
        courier = Courier("mail", failed.append, lambda: None, lambda _line: None)
        courier.take(wrong, 0.0)
        for now in (0.0, 10.0, 61.0):
            courier.turn(now)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(story())
    assert failed == ["RuntimeError", "RuntimeError"]


def test_one_line_says_how_often() -> None:
    notice = Notice("next-hop-down", "a", "x", 0.0, 5.0, 3, over=True)
    assert one_line(notice) == "over next-hop-down [a]: x (3 times since 1970-01-01 00:00:00 UTC)"
