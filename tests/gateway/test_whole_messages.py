"""Whole messages over sockets: whatever the octets, they arrive as they were sent, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.inside import Inside, inside
from tests.gateway.scripted_hop import Hop, scripted
from tests.gateway.wire import Wire
from tests.peers_gateway.site import at, next_hop, policy

SENDER, RECIPIENT = "a@elsewhere.test", "anna@example.test"

_LINE = st.one_of(
    st.sampled_from([b"", b".", b"..", b".x", b"x.", b"From here", b"\t", b" ", b"caf\xe9", b"\xff\xfe", b"x" * 998]),
    st.binary(max_size=60).map(lambda octets: re.sub(rb"[\r\n\0]", b"", octets)),
    st.integers(900, 5000).map(lambda size: b"y" * size),
)
BODIES = st.lists(_LINE, max_size=12).map(
    lambda lines: b"Subject: x\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
)
_OURS = re.compile(rb"\AReceived: from [^\n]*\n(?:[ \t][^\n]*\n)*")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inside, Hop]]:
    """A gateway and its next hop."""
    with scripted() as hop:
        text = policy(next_hop("inner", at(hop.at)), server=["message_bytes = 65536"])
        with inside(tmp_path_factory.mktemp("whole"), text) as node:
            yield node, hop


def transaction(wire: Wire) -> None:
    """Up to the recipient."""
    wire.say("EHLO client.test")
    assert wire.say(f"MAIL FROM:<{SENDER}>")[0] == 250
    assert wire.say(f"RCPT TO:<{RECIPIENT}>")[0] == 250


def by_data(wire: Wire, body: bytes, cuts: list[int]) -> tuple[int, str]:
    """The message by DATA, stuffed, in pieces."""
    assert wire.say("DATA")[0] == 354
    octets = re.sub(rb"(?m)^\.", b"..", body) + b".\r\n"
    places = sorted({cut % (len(octets) + 1) for cut in cuts})
    for begin, end in zip([0, *places], [*places, len(octets)], strict=True):
        wire.send(octets[begin:end])
    return wire.reply()


def by_bdat(wire: Wire, body: bytes, cuts: list[int]) -> tuple[int, str]:
    """The message by BDAT, a chunk for each piece."""
    places = sorted({cut % (len(body) + 1) for cut in cuts})
    for begin, end in zip([0, *places[:-1]], places, strict=True) if places else ():
        wire.send(b"BDAT %d\r\n" % (end - begin) + body[begin:end])
        assert wire.reply()[0] == 250
    rest = body[places[-1] if places else 0 :]
    wire.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
    return wire.reply()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(body=BODIES, cuts=st.lists(st.integers(0, 70_000), max_size=5), how=st.sampled_from([by_data, by_bdat]))
def test_any_body_arrives_as_it_was_sent(site: tuple[Inside, Hop], body: bytes, cuts: list[int], how: object) -> None:
    node, hop = site
    hop.messages.clear()
    with Wire(node.at) as wire:
        transaction(wire)
        assert how(wire, body, cuts)[0] == 250  # type: ignore[operator]
    (arrived,) = hop.messages
    unstuffed = re.sub(rb"(?m)^\.", b"", arrived)
    ours = _OURS.match(unstuffed)
    assert ours is not None
    assert unstuffed[ours.end() :] == body


_BAD = st.sampled_from([b"bare\nlf", b"bare\rcr", b"nul\0", b"\n.\n", b"\r.\r", b"z" * 70_000])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    before=BODIES,
    bad=_BAD,
    after=BODIES,
    cuts=st.lists(st.integers(0, 70_000), max_size=5),
    how=st.sampled_from([by_data, by_bdat]),
)
def test_what_is_refused_leaves_no_octet(
    site: tuple[Inside, Hop], before: bytes, bad: bytes, after: bytes, cuts: list[int], how: object
) -> None:
    node, hop = site
    hop.messages.clear()
    hop.partial.clear()
    heard = len(hop.commands)
    with Wire(node.at) as wire:
        transaction(wire)
        try:
            code, _ = how(wire, before + bad + b"\r\n" + after, cuts)  # type: ignore[operator]
        except AssertionError:
            code = 500  # an early chunk was refused already
        assert code >= 500
        assert wire.say("NOOP")[0] in (250, 0, 503, 550, 552)
    assert (hop.messages, hop.partial) == ([], [])
    assert not [one for one in hop.commands[heard:] if one.upper() == "DATA"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([f"MAIL FROM:<{SENDER}> SIZE=70000"], 552),
        ([f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@elsewhere.test>"], 550),
        ([f"MAIL FROM:<{SENDER}>", "RCPT TO:<a%elsewhere.test@example.test>"], 550),
        ([f"MAIL FROM:<{SENDER}>", "DATA"], 503),
        (["MAIL FROM:<caf\u00e9@elsewhere.test>"], 553),
    ],
)
def test_what_is_refused_before_the_message_is_not_even_asked(
    site: tuple[Inside, Hop], lines: list[str], code: int
) -> None:
    node, hop = site
    heard = len(hop.commands)
    with Wire(node.at) as wire:
        wire.say("EHLO client.test")
        answers = [wire.say(line)[0] for line in lines]
        assert answers[-1] == code
    assert not [one for one in hop.commands[heard:] if one.split(" ")[0] in ("MAIL", "RCPT", "DATA")]
