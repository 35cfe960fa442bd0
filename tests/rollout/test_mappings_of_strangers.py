"""What devices may send instead of what they should: nothing of it hangs, swells, leads elsewhere or to a terminal."""

from __future__ import annotations

import io
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrowslit.cli.main import run
from arrowslit.rollout.mappings import ask, audit, pmp
from arrowslit.rollout.mappings.audit import Found, delete, look
from arrowslit.rollout.mappings.elements import read_elements
from arrowslit.rollout.mappings.search import Answers
from arrowslit.rollout.point import ChangedMeanwhileError, RolloutError
from tests.rollout.fake_router import Fake, answered, fake_router, fault, mapping, ok, said

ROUTER = IPv4Address("192.0.2.1")
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
    "<root>&c;</root>"
)
OUTSIDE = '<!DOCTYPE root [<!ENTITY a SYSTEM "file:///etc/passwd">]><root>&a;</root>'


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    with fake_router() as made:
        monkeypatch.setattr(audit, "search", lambda _interface, _seconds: Answers([made.place]))
        monkeypatch.setattr(pmp, "speaks", lambda _router, _own: ())
        yield made


def found(*ports: int) -> Found:
    return look(None, ports or (25,))


def unread(fake: Fake, answer: Callable[[str], bytes | Iterator[bytes]]) -> str:
    fake.instead["description"] = answer
    seen = found()
    assert seen.routers == ()
    return seen.unread[0]


# --- descriptions -----------------------------------------------------------------------------------------------


def _endless(head: bytes) -> Iterator[bytes]:
    yield head
    while True:
        yield b"<a></a>" * 1_000


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n<root>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000000\r\n\r\n<root>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n<root>",
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
    ids=["endless", "length", "chunk", "head"],
)
def test_what_is_too_large_is_not_read(fake: Fake, head: bytes) -> None:
    tracemalloc.start()
    unread(fake, lambda _: _endless(head))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 * ask.LARGEST


def test_answers_that_never_begin(fake: Fake) -> None:
    def answer(_body: str) -> Iterator[bytes]:
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n" * 100

    assert unread(fake, answer) == "127.0.0.1: it sends more than 256 KiB"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "document type"),
        (OUTSIDE, "document type"),
        ("<a>" * 100 + "</a>" * 100, "deeper than 32"),
        ("<a>" + "<b/>" * 6_000 + "</a>", "more than 5000 elements"),
        ("no xml", "no XML"),
        ('<?xml version="1.0" encoding="unicode_escape"?><a>\\]', "no XML"),
        ("", "no XML"),
    ],
    ids=["laughs", "outside", "deep", "many", "text", "codec", "empty"],
)
def test_xml_that_is_not_taken(fake: Fake, text: str, says: str) -> None:
    assert says in unread(fake, lambda _: ok(text))


def _drip(text: bytes) -> Iterator[bytes]:
    for one in text:
        yield bytes([one])
        time.sleep(0.05)


@pytest.mark.parametrize("text", [b"", b"HTTP/1.1 200 OK\r\n" * 99, b"HTTP/1.1 200 OK\r\n\r\n" + b"<a>" * 99])
def test_what_drips_is_over_in_time(fake: Fake, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(ask, "_SECONDS", 0.6)
    start = time.monotonic()

    def answer(_body: str) -> Iterator[bytes]:
        yield from _drip(text)
        time.sleep(2)

    assert unread(fake, answer) == "127.0.0.1: no answer in time"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
def test_redirections_are_not_followed(fake: Fake, status: str) -> None:
    with fake_router() as other:
        where = f"http://127.0.0.1:{other.port}/description"
        assert "not followed" in unread(fake, lambda _: ok("", status, Location=where))
        assert other.asked == []


@pytest.mark.parametrize(
    ("control", "base"),
    [
        ("http://127.0.0.2:80/control", ""),
        ("//127.0.0.2/control", ""),
        ("/control", "http://127.0.0.2/"),
        ("http://router.example/control", ""),
        ("https://127.0.0.1/control", ""),
        ("file:///etc/passwd", ""),
        ("http://ann@127.0.0.1/control", ""),
        ("http://127.0.0.1:0/control", ""),
        ("http://127.0.0.1:99999/control", ""),
        ("http://[/control", ""),
        ("/con trol", ""),
        ("/con&#13;&#10;trol: x", ""),
        ("/" + "c" * 2_000, ""),
    ],
)
def test_nobody_but_the_device_is_asked(fake: Fake, control: str, base: str) -> None:
    fake.control, fake.base = control, base
    seen = found()
    # A URL parser may take line ends away; what is left is still a path of the device itself.
    if seen.routers:
        assert all(one.control.address == fake.place.address for one in seen.routers[0].device.services)
        assert "\n" not in seen.routers[0].device.services[0].control.path
    else:
        assert seen.unread[0].startswith("127.0.0.1: ")


@pytest.mark.parametrize("text", [b"", b"\x00\xff\xfe", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 999999 x\r\n\r\n"])
def test_who_speaks_no_http_is_named(fake: Fake, text: bytes) -> None:
    assert unread(fake, lambda _: text).startswith("127.0.0.1: ")


@given(st.binary(max_size=300))
def test_any_octets_are_xml_or_refused(data: bytes) -> None:
    for text in (data, b"<a>" + data + b"</a>", b'<?xml version="1.0" encoding="' + data + b'"?><a/>'):
        try:
            read_elements(text)
        except RolloutError:
            continue


# --- answers to the search --------------------------------------------------------------------------------------


def _said(location: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nST: urn:x\r\nLocation: {location}\r\n\r\n".encode("latin-1", "replace")


@pytest.mark.parametrize(
    "location",
    [
        "http://192.0.2.2/d.xml",
        "http://router.example/d.xml",
        "http://localhost/d.xml",
        "http://3221225985/d.xml",
        "https://192.0.2.1/d.xml",
        "ftp://192.0.2.1/d.xml",
        "http://192.0.2.1@192.0.2.2/d.xml",
        "http://ann:secret@192.0.2.1/d.xml",
        "http://192.0.2.1:0/d.xml",
        "http://[::1]/d.xml",
        "d.xml",
        "",
        "\x1b[2J",
    ],
)
def test_a_location_elsewhere_is_refused(location: str) -> None:
    answers = Answers()
    answers.take(_said(location), ROUTER)
    assert answers.places == []
    assert answers.refused[0].startswith("192.0.2.1: ")


def test_any_number_of_answers_makes_few_questions() -> None:
    gateway = IPv4Address("198.51.100.1")
    answers = Answers(gateways=(gateway,))
    for number in range(2_000):
        answers.take(_said(f"http://192.0.2.1/{number}"), ROUTER)
        other = IPv4Address(int(ROUTER) + number)
        answers.take(_said(f"http://{other}/d"), other)
    answers.take(_said(f"http://{gateway}/d"), gateway)
    assert len(answers.places) <= 17
    assert answers.places[-1].address == gateway
    assert len(answers.refused) == 1
    answers.take(b"NOTIFY * HTTP/1.1\r\nLocation: http://192.0.2.1/x\r\n\r\n", ROUTER)
    answers.take(b"\xff" * 2_000, ROUTER)
    answers.take(b"HTTP/1.1 200 OK\r\n\r\n", ROUTER)
    assert len(answers.refused) == 1


# --- lists ------------------------------------------------------------------------------------------------------


def ports_of(seen: Found, *ports: int) -> list[tuple[int, str]]:
    return [(one.port, one.to) for _, one in seen.of(ports or (25,))]


def test_a_list_in_circles_comes_to_an_end(fake: Fake) -> None:
    fake.instead["GetGenericPortMappingEntry"] = lambda _: answered("GetGenericPortMappingEntry", mapping())
    seen = found()
    assert ports_of(seen) == [(25, "192.168.1.9")]
    assert "no end" in seen.routers[0].problem
    assert len(fake.asked) < 30


def test_a_list_without_end_comes_to_an_end(fake: Fake) -> None:
    numbers = count(1)
    fake.instead["GetGenericPortMappingEntry"] = lambda _: answered(
        "GetGenericPortMappingEntry", mapping(next(numbers), to_port=80)
    )
    seen = found()
    assert ports_of(seen) == [(25, "192.168.1.9")]
    assert seen.routers[0].problem == "its list is longer than 1000 entries"


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "\x00", "</NewPortMappingDescription>", "&", "\xff", "<!-- ", "]]>", "&a;"]
)
def test_nobody_hides_mappings_by_a_name(fake: Fake, name: str) -> None:
    fake.listed = [mapping(80), mapping(25)]

    def entry(body: str) -> bytes:
        index = int(said(body, "NewPortMappingIndex"))
        if index >= 2:
            return fault(713)
        one = fake.listed[index] | ({"NewPortMappingDescription": name} if index == 0 else {})
        return answered("GetGenericPortMappingEntry", one, raw=True).replace("\xff".encode(), b"\xff?")

    fake.instead["GetGenericPortMappingEntry"] = entry
    assert ports_of(found()) == [(25, "192.168.1.9")]
    assert run(["target", "mappings", "-q"]) == 3


def test_what_is_beside_an_entry_that_can_not_be_read_is_deleted(fake: Fake) -> None:
    fake.listed = [mapping(80) | {"NewExternalPort": "none"}, mapping(25)]
    assert run(["target", "mappings", "--all", "--yes"]) == 1  # it may have had port 25 too
    assert [one["NewExternalPort"] for one in fake.listed] == ["none"]


def test_a_list_of_nothing_but_nonsense(fake: Fake) -> None:
    fake.instead["GetGenericPortMappingEntry"] = lambda _: ok("nonsense")
    fake.hidden = [mapping()]
    assert ports_of(found()) == [(25, "192.168.1.9")]
    assert len(fake.asked) < 30


@pytest.mark.parametrize("port", ["", "-1", "65536", "9" * 5_000, "٢٥", "25.0", "0x19"])
def test_ports_that_are_none(fake: Fake, port: str) -> None:
    fake.listed = [mapping() | {"NewExternalPort": port}]
    seen = found()
    assert ports_of(seen) == []
    assert "can't be read" in seen.routers[0].problem
    assert run(["target", "mappings", "-q"]) == 1


def test_a_list_that_breaks_off_is_told(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.instead["GetGenericPortMappingEntry"] = lambda _: fault(501, "Action\x1b[2J \u202eFailed")
    assert run(["target", "mappings"]) == 1
    error = capsys.readouterr().err
    assert "this may not be all: its list breaks off at entry 0: it says 501 (Action?[2J \\u202eFailed)" in error


# --- what counts ------------------------------------------------------------------------------------------------


def test_what_is_found_by_its_port_only(fake: Fake) -> None:
    fake.hidden = [mapping()]
    seen = found()
    assert ports_of(seen) == [(25, "192.168.1.9")]
    delete(*seen.of((25,))[0])
    assert fake.hidden == []


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (mapping(), "port 25 is also forwarded to 192.168.1.9"),
        (mapping(to="127.0.0.1"), "port 25 is also forwarded to 127.0.0.1 (this machine)"),
        (mapping(to_port=2525), "port 25 is also forwarded to port 2525 of 192.168.1.9"),
        (mapping(2525, to_port=25), "port 2525 is forwarded to port 25 of 192.168.1.9"),
        (mapping(0, to_port=0), "every port that is not forwarded otherwise is forwarded to 192.168.1.9"),
        (mapping(NewProtocol="TCP/UDP"), "port 25 is also forwarded to 192.168.1.9"),
        (mapping(NewProtocol="UDP"), ""),
        (mapping(26), ""),
    ],
)
def test_which_mappings_let_strangers_to_the_port(
    fake: Fake, capsys: pytest.CaptureFixture[str], one: dict[str, str], says: str
) -> None:
    fake.listed = [one]
    assert run(["target", "mappings", "-q"]) == (3 if says else 0)
    out = capsys.readouterr().out
    assert out.partition("\n")[0].strip() == (f"1  {says}" if says else "")


def test_how_it_is_told(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    more = {"NewRemoteHost": "198.51.100.7", "NewEnabled": "0", "NewLeaseDuration": "7300"}
    fake.listed = [mapping() | more]
    run(["target", "mappings"])
    told = capsys.readouterr()
    assert told.out.splitlines()[1].strip() == (
        'router 127.0.0.1: TCP, for 198.51.100.7 only, which many routers don\'t enforce, for 2 h, named "game",'
        " switched off"
    )
    assert told.err.splitlines()[0] == 'router 127.0.0.1, which calls itself "fake": 1 mapping, 1 of port 25'


NASTY = "\u202e\u2066\x85\x9b31m\ud7ff\u200b\n\t" + "x" * 5_000


def test_texts_of_routers_are_escaped_and_short(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.listed = [
        mapping() | {"NewPortMappingDescription": NASTY, "NewInternalClient": NASTY, "NewRemoteHost": NASTY[:100]}
    ]
    assert run(["target", "mappings"]) == 3
    told = capsys.readouterr()
    assert told.out.count("\n") == 2
    assert all(text.replace("\n", "").isprintable() for text in told)
    assert len(told.out) < 2_000
    assert run(["target", "mappings", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["mappings"][0]["description"].startswith("\u202e")


# --- deleting ---------------------------------------------------------------------------------------------------


def test_only_what_is_named_is_deleted(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.listed = [mapping(80), mapping(25), mapping(2525, to_port=25), mapping(25, NewProtocol="UDP")]
    assert run(["target", "mappings", "--delete", "2", "--yes"]) == 3
    assert [key["NewExternalPort"] for key in fake.listed] == ["80", "25", "25"]
    assert run(["target", "mappings", "--all", "--yes"]) == 0
    assert [key["NewExternalPort"] for key in fake.listed] == ["80", "25"]
    assert run(["target", "mappings", "--all", "--yes"]) == 0
    assert "2 is deleted" in capsys.readouterr().out
    assert set(fake.asked) <= {
        "description",
        "GetGenericPortMappingEntry",
        "GetSpecificPortMappingEntry",
        "DeletePortMapping",
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--delete", "1"], 2),  # nobody can be asked
        (["--all"], 2),
        (["--all", "--json"], 2),
        (["--delete", "1", "--all", "--yes"], 2),
        (["--yes"], 2),
        (["--dry-run"], 2),
        (["--delete", "2", "--yes"], 2),
        (["--delete", "0", "--yes"], 2),
        (["--delete", "1", "--yes", "--token", "another"], 4),
        (["--delete", "1", "--dry-run"], 3),
        (["--all", "--dry-run", "--json"], 3),
    ],
)
def test_what_deletes_nothing(fake: Fake, words: list[str], code: int) -> None:
    fake.listed = [mapping()]
    assert run(["target", "mappings", *words]) == code
    assert "DeletePortMapping" not in fake.asked


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("says", "code", "left"), [("n\n", 130, 1), ("", 130, 1), ("y\n", 0, 0)])
def test_somebody_at_a_terminal_is_asked(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, says: str, code: int, left: int
) -> None:
    fake.listed = [mapping()]
    monkeypatch.setattr(sys, "stdin", _Terminal(says))
    assert run(["target", "mappings", "--delete", "1"]) == code
    assert len(fake.listed) == left


def test_the_token_of_what_was_shown(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.listed = [mapping(NewLeaseDuration="3600")]
    run(["target", "mappings", "--json"])
    token = json.loads(capsys.readouterr().out)["token"]
    fake.listed[0]["NewLeaseDuration"] = "3599"
    fake.listed.append(mapping(2525, to_port=25))
    assert run(["target", "mappings", "--delete", "1", "--yes", "--token", token]) == 4
    fake.listed.pop()
    assert run(["target", "mappings", "--delete", "1", "--yes", "--token", token]) == 0


def test_what_somebody_changed_meanwhile_is_left(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.listed = [mapping()]
    seen = found().of((25,))[0]
    fake.listed = [mapping(to="192.168.1.10")]
    with pytest.raises(ChangedMeanwhileError):
        delete(*seen)
    assert fake.listed == [mapping(to="192.168.1.10")]
    fake.listed = []
    delete(*seen)  # gone by itself
    assert "DeletePortMapping" not in fake.asked


def test_a_router_that_says_yes_and_keeps_it(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.listed = [mapping()]
    fake.instead["DeletePortMapping"] = lambda _: answered("DeletePortMapping", {})
    assert run(["target", "mappings", "--all", "--yes"]) == 3
    assert "1 is not deleted: the router says that it has deleted it, and still lists it" in capsys.readouterr().err


def test_a_router_that_refuses(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.listed = [mapping()]
    fake.instead["DeletePortMapping"] = lambda _: fault(606, "Action not authorized\u202e")
    assert run(["target", "mappings", "--all", "--yes"]) == 3
    assert "\u202e" not in capsys.readouterr().err
    assert run(["target", "mappings", "--all", "--yes", "--json"]) == 3
    row = json.loads(capsys.readouterr().out)["mappings"][0]
    assert row["deleted"] is False
    assert row["problem"].startswith("it says 606 (Action not authorized\u202e): it may let only 192.168.1.9 delete it")


def test_a_router_that_falls_silent_after_deleting(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.listed = [mapping()]
    seen = found().of((25,))[0]

    def gone(_body: str) -> bytes:
        fake.instead = dict.fromkeys(("GetGenericPortMappingEntry", "GetSpecificPortMappingEntry"), lambda _: b"")
        return answered("DeletePortMapping", {})

    fake.instead["DeletePortMapping"] = gone
    with pytest.raises(RolloutError, match="can't be told"):
        delete(*seen)


def test_what_a_router_named_is_said_back_to_it_as_text(fake: Fake) -> None:
    host = "</NewRemoteHost><NewExternalPort>1</NewExternalPort>&amp;"
    fake.listed = [mapping() | {"NewRemoteHost": host}]
    delete(*found().of((25,))[0])
    assert fake.listed == []
