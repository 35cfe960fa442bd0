"""Searches among many decisions: `python -m bench.decisions_at_scale [--millions N] [--sqlite] [--location URL]`.

Puts N million made-up records of 30 days into a store, on a PostgreSQL of its own (tests/peers) unless told otherwise,
and asks for pages of 100: by client, recipient, outcome, time, and combinations, the worst ones among them. Then the
intake is timed. The table of results goes to stdout. 50 million take some 40 minutes and 60 GB.

The made-up traffic: 200,000 clients and 5,000 recipients whose share falls off as in Zipf's law, seven of ten refused;
one client in front of all sends only permits but for three refusals on the oldest day.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import accumulate
from pathlib import Path

from tests.peers import postgresql

from arrowslit.observe.record import Record, to_json
from arrowslit.store.database import Database, open_database
from arrowslit.store.decision_row import Row, address_octets
from arrowslit.store.decision_table import ACTIONS, recipient_key
from arrowslit.store.moment import DAY_SECONDS, moment_of
from arrowslit.store.query import Query
from arrowslit.store.values import JournalLine

DAYS = 30
FIRST_DAY = 20_000  # 2024-10-04
BATCH = 20_000
ROUNDS = 5
DENSE_CLIENT = "198.18.0.1"
DENSE_RECIPIENT = "user0@example.test"
OTHER_RECIPIENT = "user1@example.test"  # who never got anything from DENSE_CLIENT
_LINE = (
    '{{"v":1,"time":{time:.3f},"id":"{id}","node":"mx1","worker":1,"virtual_server":"inbound","listener":"0.0.0.0:25",'
    '"kind":"decision","action":"{action}","stage":"recipient","code":{code},"enhanced":"5.7.1","reason":"{reason}",'
    '"rule":"{rule}","revision":12,"generation":3,"protocol":"ESMTPS","client_address":"{client}","client_port":40025,'
    '"client_name":"mail.example.test","reverse_name":"mail.example.test","helo_name":"mail.example.test",'
    '"tls":"TLSv1.3","reverse_path":"news@example.test","forward_path":"{recipient}","recipients":1,'
    '"reply":"Access denied; see https://example.test/why","seconds":0.012}}'
)


class Traffic:
    """Made-up records, the same at each run."""

    def __init__(self) -> None:
        self._chance = random.Random(25)  # noqa: S311
        self._clients = [f"198.18.{number >> 8 & 255}.{number & 255}" for number in range(1, 65_000)]
        self._clients += [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(135_000)]
        self._recipients = [f"user{number}@example{number % 20 or ''}.test" for number in range(5_000)]
        self._octets = {client: address_octets(client) for client in self._clients}
        self._client_weights = _zipf(len(self._clients))
        self._recipient_weights = _zipf(len(self._recipients))

    def day(self, day: int, count: int) -> Iterator[list[Row]]:
        """`count` rows of a day in the order of time, in batches. Each has the number 0 in its moment yet."""
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            clients = self._chance.choices(self._clients, cum_weights=self._client_weights, k=size)
            recipients = self._chance.choices(self._recipients, cum_weights=self._recipient_weights, k=size)
            times = [day * DAY_SECONDS + (start + index) * DAY_SECONDS / count for index in range(size)]
            rows = map(self._row, times, clients, recipients)
            yield list(rows)

    def _row(self, time: float, client: str, recipient: str) -> Row:
        chance = self._chance.random()
        action = 0 if chance < 0.25 else 2 if chance < 0.3 else 1
        rule = f"inbound/connect/only_listed/network:{int(chance * 40)}"
        if client == DENSE_CLIENT:
            oldest = time - FIRST_DAY * DAY_SECONDS < 600 and chance < 0.2
            action, rule = (1, "inbound/relay/rare") if oldest else (0, rule)
            recipient = recipient if recipient != OTHER_RECIPIENT else DENSE_RECIPIENT
        reason = ("listed", "not-listed", "name-look-up-failed")[action]
        code = (250, 550, 451)[action]
        outcome = None if action else "refused" if chance < 0.001 else "delivered"
        id_ = f"{int(time * 1000):x}{int(chance * 4096):03x}"
        record = _LINE.format(
            time=time, id=id_, action=ACTIONS[action], code=code, reason=reason, rule=rule, client=client,
            recipient=recipient,
        )  # fmt: skip
        return Row(
            moment_of(time), id_, action, "decision", "recipient", code, reason, rule, None, outcome, "inbound", 12, 3,
            self._octets[client], recipient_key(recipient), 1, None, record,
        )  # fmt: skip


def _zipf(count: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def fill(database: Database, rows: int, say: Callable[[str], None]) -> None:
    """Put `rows` records into the store, all days alike."""
    traffic, days = Traffic(), database.decisions._days
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        for batch in traffic.day(day, rows // DAYS):
            with days.writing(day) as (connection, table):
                numbers = days.numbers(connection, len(batch))
                numbered = [Row(row.at + number, *row[1:]) for row, number in zip(batch, numbers, strict=True)]
                days.put(connection, table, numbered)
        say(f"day {day - FIRST_DAY + 1} of {DAYS}")


def _day(number: float) -> float:
    return (FIRST_DAY + number) * DAY_SECONDS


QUERIES: dict[str, Query] = {
    "the newest": Query(),
    "until noon of the oldest day": Query(until=_day(0.5)),
    "one minute 15 days ago": Query(since=_day(15), until=_day(15) + 60),
    "a client that is everywhere": Query(client=ip_network(DENSE_CLIENT)),
    "a client that was met now and then": Query(client=ip_network("10.0.0.9")),
    "a client that was never met": Query(client=ip_network("203.0.113.1")),
    "three refusals of a client that is everywhere": Query(
        client=ip_network(DENSE_CLIENT), actions=frozenset({"reject"})
    ),
    "a network that is everywhere, 198.18.0.0/16": Query(client=ip_network("198.18.0.0/16")),
    "a network that was met now and then, 10.1.2.0/24": Query(client=ip_network("10.1.2.0/24")),
    "refusals within 0.0.0.0/0": Query(client=ip_network("0.0.0.0/0"), actions=frozenset({"reject"})),
    "a recipient who is everywhere": Query(recipient=DENSE_RECIPIENT),
    "a recipient who is rare": Query(recipient="user4999@example19.test"),
    "all of a domain": Query(recipient="@example7.test"),
    "all of a domain that is not ours": Query(recipient="@example.org"),
    "an action": Query(actions=frozenset({"defer"})),
    "an action that never was": Query(actions=frozenset({"drop"})),
    "delivered": Query(outcome="delivered"),
    "refused by the next hop (one in a thousand)": Query(outcome="refused"),
    "an outcome that never was": Query(outcome="unknown"),
    "a reason": Query(reason="name-look-up-failed"),
    "a reason that never was": Query(reason="loop"),
    "would have been refused, which never was": Query(would_be=True),
    "a rule that decides much": Query(rule="inbound/connect/only_listed/network:20"),
    "a rule that decided on the oldest day alone": Query(rule="inbound/relay/rare"),
    "a virtual server that never was": Query(virtual_server="none"),
    "sign-ins, which never were": Query(kind="sign-in"),
    "deliveries, which never were": Query(kind="delivery"),
    "a client and a rule": Query(client=ip_network(DENSE_CLIENT), rule="inbound/connect/only_listed/network:3"),
    "a client, a recipient, refused by the next hop": Query(
        client=ip_network(DENSE_CLIENT), recipient=DENSE_RECIPIENT, outcome="refused"
    ),
    "a client and a recipient, both everywhere, never together": Query(
        client=ip_network(DENSE_CLIENT), recipient=OTHER_RECIPIENT
    ),
    "a network and a domain, both everywhere, and a rule that never was": Query(
        client=ip_network("198.18.0.0/16"), recipient="@example.test", rule="none"
    ),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of the first search and the median of more; what the first one found and how far it looked."""

    first: float
    median: float
    records: int
    days: float | None


def ask(database: Database, query: Query) -> Timed:
    """Time one query."""
    begun = time.perf_counter()
    page = database.decisions.search(query)
    first = time.perf_counter() - begun
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        database.decisions.search(query)
        times.append(time.perf_counter() - begun)
    back = None if page.looked_to is None else _day(DAYS) / DAY_SECONDS - page.looked_to / DAY_SECONDS
    return Timed(first * 1000, statistics.median(times) * 1000, len(page.records), back)


def intake(database: Database, count: int = 100_000) -> tuple[float, float]:
    """Records a second of wall time and of this process's own, in batches as `upkeep` offers them."""
    lines, position = [], 0
    for number in range(count):
        record = Record(
            node="mx1", virtual_server="inbound", listener="0.0.0.0:25", action="reject", stage="recipient", code=550,
            enhanced="5.7.1", reason="not-listed", rule=f"inbound/connect/only_listed/network:{number % 40}",
            revision=12, generation=3, time=_day(DAYS) + number / 1000, id=f"{number:012x}",
            client_address=f"10.0.{number >> 8 & 255}.{number & 255}", client_port=2525,
            client_name="mail.example.test", helo_name="mail.example.test", tls="TLSv1.3",
            reverse_path="news@example.test",
            forward_path=f"user{number % 5000}@example.test", recipients=1, reply="Access denied", seconds=0.012,
        )  # fmt: skip
        line = to_json(record)
        lines.append(JournalLine("01730592000000000000-25-000000.jsonl", position, line))
        position += len(line)
    wall, own = time.perf_counter(), time.process_time()
    for start in range(0, count, 2_000):
        database.decisions.take(lines[start : start + 2_000])
    return count / (time.perf_counter() - wall), count / (time.process_time() - own)


def table(results: dict[str, Timed]) -> str:
    """In Markdown."""
    lines = ["| search | first, ms | again, ms | records | looked back |", "|---|---:|---:|---:|---|"]
    for name, timed in results.items():
        back = "all" if timed.days is None else f"{timed.days:.2f} days, said so"
        lines.append(f"| {name} | {timed.first:.0f} | {timed.median:.0f} | {timed.records} | {back} |")
    return "\n".join(lines)


def _location(stack: ExitStack, arguments: argparse.Namespace) -> str:
    if arguments.location:
        return str(arguments.location)
    if arguments.sqlite:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="decisions-"))
        return str(Path(folder) / "store.sqlite")
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "fsync": "on", "checkpoint_timeout": "15min"}
    return stack.enter_context(postgresql.server(**settings)).create("store")


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--millions", type=float, default=1.0)
    parser.add_argument("--sqlite", action="store_true", help="on SQLite in a temporary folder")
    parser.add_argument("--location", help="an empty store somewhere else")
    arguments = parser.parse_args()
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begun:5.0f} s] {line}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        database = stack.enter_context(open_database(_location(stack, arguments), create=True))
        fill(database, round(arguments.millions * 1_000_000), say)
        days = database.decisions.partitions()
        rows, octets = sum(day.rows for day in days), sum(day.octets for day in days)
        say("searches")
        results = {name: ask(database, query) for name, query in QUERIES.items()}
        begun_count = time.perf_counter()
        database.decisions.count_by_client(Query(since=_day(DAYS - 1)))
        count = time.perf_counter() - begun_count
        say("intake")
        wall, own = intake(database)
    print(f"{rows / 1e6:.1f} million records on {database.dialect}, {octets / rows:.0f} octets each\n")
    print(table(results))
    print(f"\nslowest: {max(timed.first for timed in results.values()):.0f} ms")
    print(f"clients of the last day by count: {count * 1000:.0f} ms")
    print(f"intake: {wall:.0f} records a second; {own:.0f} for each second of this process's own time")


if __name__ == "__main__":
    main()
