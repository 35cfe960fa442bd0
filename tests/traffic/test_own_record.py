"""A rehearsal of our own record gives the very decisions that were made; and so does one of our own mail log, as far as
it tells.
"""

from __future__ import annotations

import base64
import datetime
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from arrowslit.documents.site import load_site
from arrowslit.documents.users import hash_password, write_users
from arrowslit.policy.model import Policy
from arrowslit.traffic.attempt import PERMITTED, REFUSED, Attempt
from arrowslit.traffic.rehearsal import CANNOT_TELL, NEWLY_PERMITTED, NEWLY_REFUSED, Rehearsing
from tests.gateway.node import RunningNode, serving
from tests.gateway.scripted_hop import scripted
from tests.gateway.wire import Wire
from tests.peers import certs, process
from tests.traffic.reading import read

POLICY = """\
version = 1
[next_hops.inner]
address = "smtp://127.0.0.1:{port}"
tls = "off"
[next_hops.outbound]
address = "smtp://127.0.0.1:{port}"
tls = "off"
[accepted_domains."example.org"]
next_hop = "inner"
[accepted_domains."example.net"]
next_hop = "inner"
[accepted_domains."example.net".delivery]
only_listed = [ {{ computer = "127.0.0.2" }} ]
[virtual_servers.default]
mode = "{mode}"
relay_next_hop = "outbound"
recipient_exceptions = ["postmaster@example.org"]
own_domains_from_outside = "reject"
[virtual_servers.default.authentication]
with = "users"
[virtual_servers.default.connection_control]
only_listed = [
  {{ computer = "127.0.0.2", note = "the filter" }},
  {{ group = "127.0.0.16/28", note = "the office" }},
  {{ computer = "127.0.0.4", require_tls = true }},
]
[virtual_servers.default.relay_restrictions]
only_listed = [ {{ computer = "127.0.0.17" }} ]
"""
CLIENTS = ("127.0.0.2", "127.0.0.4", "127.0.0.9", "127.0.0.15", "127.0.0.16", "127.0.0.17", "127.0.0.31", "127.0.0.32")
SENDERS = ("", "a@elsewhere.test", "ann@example.org")
RECIPIENTS = (
    "bob@example.org",
    "carl@example.net",
    "postmaster@example.org",
    "someone@elsewhere.test",
    "user%elsewhere.test@example.org",
    "nobody@example.org",
)


@dataclass(frozen=True)
class Told:
    """What the client heard."""

    client: str
    recipient: str
    code: int


@contextmanager
def node(folder: Path, mode: str) -> Iterator[tuple[RunningNode, str]]:
    own = certs.self_signed(folder, "mx.arrowslit.test")
    (folder / "state").mkdir()
    write_users(folder / "state" / "users", {"ann": hash_password("right")})
    more = f'[tls]\ncertificate = "{own.certificate_file}"\nkey = "{own.key_file}"\n[limits]\nsign_in_failures = 1000\n'
    listeners = ['address = "127.0.0.1:{port}"\ntls = "starttls"']
    with scripted() as hop:
        text = POLICY.format(port=hop.at[1], mode=mode)
        with serving(folder, text, listeners, more) as running:
            yield running, text


def sessions(running: RunningNode, number: int, seed: int) -> list[Told]:
    """Mixed sessions; what each RCPT, or the command before it, was answered."""
    chance = random.Random(seed)
    told: list[Told] = []
    for at in range(number):
        client = CLIENTS[at % len(CLIENTS)]
        with Wire(running.at, client) as wire:
            wire.say(f"EHLO h{chance.randrange(99)}.test")
            if chance.random() < 0.5:
                wire.starttls()
                wire.say("EHLO tls.test")
                if chance.random() < 0.5:
                    password = chance.choice(("right", "wrong"))
                    wire.say("AUTH PLAIN " + base64.b64encode(f"\0ann\0{password}".encode()).decode())
            for _ in range(chance.choice((1, 1, 2))):
                told += transaction(wire, client, chance)
            wire.say("QUIT")
        time.sleep(0.08)  # more than ten refusals of one client within a second would be one record
    return told


def transaction(wire: Wire, client: str, chance: random.Random) -> Iterator[Told]:
    code = wire.say(f"MAIL FROM:<{chance.choice(SENDERS)}>")[0]
    if code != 250:
        yield Told(client, "", code)
        return
    accepted = False
    for recipient in chance.sample(RECIPIENTS, chance.choice((1, 1, 2, 3))):
        code = wire.say(f"RCPT TO:<{recipient}>")[0]
        accepted = accepted or code == 250
        yield Told(client, recipient, code)
    if accepted:
        assert wire.say("DATA")[0] == 354
        wire.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert wire.reply()[0] == 250
    else:
        wire.say("RSET")


def policy_of(running: RunningNode, text: str) -> Policy:
    site = load_site(None, running.folder / "policy.toml", date=datetime.datetime.now(datetime.UTC).date(), text=text)
    assert site.policy is not None
    return site.policy


def rehearsed(policy: Policy, attempts: list[Attempt]) -> Rehearsing:
    rehearsing = Rehearsing(policy, datetime.datetime.now(datetime.UTC).date())
    rehearsing.take(attempts)
    return rehearsing


def verdict(one: Told) -> tuple[str, str, str]:
    return one.client, one.recipient, PERMITTED if one.code == 250 else REFUSED


@pytest.mark.parametrize("mode", ["enforce", "defer", "observe"])
def test_a_rehearsal_of_the_record_gives_the_very_decisions(tmp_path: Path, mode: str) -> None:
    with node(tmp_path, mode) as (running, text):
        told = sessions(running, 70, seed=len(mode))
        running.wait_for()
        policy = policy_of(running, text)
    attempts, tally = read((tmp_path / "decisions.jsonl").read_bytes())
    assert tally.not_understood == 0
    heard = Counter(verdict(one) for one in told)
    recorded = Counter((str(one.client_address), one.forward_path or "", one.told) for one in attempts)
    assert recorded == heard
    assert {PERMITTED, REFUSED} <= {one.told for one in attempts}
    result = rehearsed(policy, attempts).result
    assert result.unchanged + result.counted("observed") == len(told)
    assert (mode == "observe") is bool(result.observed)
    for group in (NEWLY_REFUSED, NEWLY_PERMITTED, CANNOT_TELL):
        assert not result.group(group), group


def test_the_commands_take_the_nodes_own_store(tmp_path: Path) -> None:
    with node(tmp_path, "enforce") as (running, _):
        told = sessions(running, 16, seed=3)

        def rehearsal() -> dict[str, Any]:
            done = running.run("policy", "rehearse", "--json")
            assert done.returncode == 0, done.stderr
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        assert process.until(lambda: rehearsal()["looked_at"] == len(told), 15)
        said = rehearsal()
        assert (said["unchanged"], said["newly_refused"], said["cannot_tell"]) == (len(told), [], [])
        done = running.run("inventory", "--json")
        assert done.returncode == 0, done.stderr
        counts = json.loads(done.stdout)
        assert counts["let_in"] == sum(one.code == 250 for one in told)
        assert counts["let_in"] + counts["refused"] == len(told)


def test_our_own_mail_log_differs_only_in_what_it_does_not_tell(tmp_path: Path) -> None:
    with node(tmp_path, "enforce") as (running, text):
        told = sessions(running, 50, seed=2)
        running.wait_for()
        policy = policy_of(running, text)
    attempts, tally = read((tmp_path / "mail.log").read_bytes())
    assert tally.not_understood == 0
    heard = Counter((one.client, one.recipient) for one in told if one.code != 250 and one.recipient)
    refused = Counter((one.client_address, one.forward_path) for one in attempts if one.told != PERMITTED)
    assert refused == heard
    assert {one.told for one in attempts} == {PERMITTED, REFUSED}
    result = rehearsed(policy, attempts).result
    assert not result.newly_refused
    assert not result.newly_permitted
