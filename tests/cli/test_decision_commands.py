"""`decision list|watch|show` on a store that is filled as a node fills it: on SQLite, and the search on PostgreSQL too.

With ARROWSLIT_WRITE=1 what is printed is written to `golden_decisions/`.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arrowslit.cli.decision_news import BACK, News
from arrowslit.observe.record import Record
from arrowslit.store.database import Database, open_database
from arrowslit.store.query import Query
from tests.cli.command import Result, arrowslit, watching
from tests.peers import postgresql
from tests.store.records import NOON, lines

GOLDEN = Path(__file__).parent / "golden_decisions"
STRANGE = "\x1b[31m<script>\u202e"

REFUSED = Record(
    node="mx1",
    virtual_server="inbound",
    action="reject",
    stage="connect",
    code=550,
    enhanced="5.7.1",
    reason="may-not-connect",
    rule="inbound/connect/only_listed/end-of-list",
    revision=41,
    generation=7,
    time=NOON,
    id="AAAAAAAAAAAA",
    client_address="203.0.113.9",
    helo_name=STRANGE,
    reverse_path="",
    forward_path=f"{STRANGE}@example.org",
    reply=f"{STRANGE} may not deliver here",
)
DELIVERED = Record(
    node="mx1",
    virtual_server="inbound",
    kind="delivery",
    stage="delivery",
    next_hop="exchange",
    outcome="delivered",
    revision=41,
    generation=7,
    time=NOON + 60,
    id="BBBBBBBBBBBB",
    client_address="2001:db8::25",
    reverse_path="anna@elsewhere.test",
    forward_path="bob@example.org",
    next_hop_reply="250 2.0.0 Ok: queued as 4XYZ",
)
OBSERVED = DELIVERED._replace(
    time=NOON + 120,
    id="CCCCCCCCCCCC",
    client_address="198.51.100.7",
    would_be="may-not-connect",
    virtual_server="branch",
)
FLOOD = REFUSED._replace(time=NOON + 180, id="DDDDDDDDDDDD", repeats=25)
DECIDED = DELIVERED._replace(kind="decision", outcome=None, stage="recipient", time=NOON + 59, rule="filter")
RECORDS = [REFUSED, DECIDED, DELIVERED, OBSERVED, FLOOD]


def _site(folder: Path, store: str = "store.sqlite") -> Path:
    folder.mkdir(exist_ok=True)
    settings = f'[node]\nname = "mx1.test"\nstore = "{store}"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
    (folder / "arrowslit.toml").write_text(settings)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings and a store that has the records."""
    folder = _site(tmp_path_factory.mktemp("site"))
    with open_database(folder / "store.sqlite", create=True) as database:
        database.decisions.take(lines(RECORDS))
    return folder


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def either(request: pytest.FixtureRequest, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same on both."""
    if request.param == "sqlite":
        yield site
        return
    with postgresql.server() as server:
        location = server.create("decisions")
        with open_database(location, create=True) as database:
            database.decisions.take(lines(RECORDS))
        yield _site(tmp_path_factory.mktemp("postgresql"), location)


def _ids(result: Result) -> list[str]:
    assert result.code == 0, result.err
    return [record["id"][0] for record in json.loads(result.out)["decisions"]]


FOUND = {
    "": "DCBBA",
    "--client 203.0.113.9": "DA",
    "--client 203.0.113.0/24": "DA",
    "--client 2001:db8::/32": "BB",
    "--recipient BOB@example.org": "CBB",
    "--recipient @example.org": "DCBBA",
    "--outcome delivered": "CB",
    "--action reject": "DA",
    "--action reject --action permit": "DCBBA",
    "--action drop": "",
    "--reason may-not-connect": "DA",
    "--rule filter": "B",
    "--virtual-server branch": "C",
    "--would-be": "C",
    "--since 2024-10-04T12:02": "DC",
    "--until 2024-10-04T12:02": "BBA",
    "--since 2024-10-04T14:01+02:00 --until 2024-10-04T12:02Z": "B",
    "--since 7d": "",
    "--until 1h --client 203.0.113.9 --action reject --limit 1": "D",
}


@pytest.mark.parametrize("options", FOUND)
def test_each_filter_finds_what_fits_newest_first(site: Path, options: str) -> None:
    assert _ids(arrowslit("decision", "list", "--json", *options.split(), cwd=site)) == list(FOUND[options])


def test_pages_leave_nothing_out_on_either_store(either: Path) -> None:
    found: list[str] = []
    cursor: list[str] = []
    for _ in range(4):
        result = arrowslit("decision", "list", "--json", "--limit", "2", *cursor, cwd=either)
        found += _ids(result)
        page = json.loads(result.out)
        assert page["version"] == 1
        assert page["looked_to"] is None
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    assert found == list("DCBBA")
    counts = json.loads(arrowslit("decision", "list", "--by-client", "--json", cwd=either).out)["clients"]
    assert [(one["client"], one["count"]) for one in counts] == [
        ("203.0.113.9", 26),
        ("2001:db8::25", 2),
        ("198.51.100.7", 1),
    ]
    shown = arrowslit("decision", "show", "BBBBBBBBBBBB", "--json", cwd=either)
    assert [record["kind"] for record in json.loads(shown.out)["records"]] == ["decision", "delivery"]


CASES = {
    "list": "decision list",
    "list-page": "decision list --limit 2",
    "list-none": "decision list --client 192.0.2.1",
    "list-json": "decision list --would-be --json",
    "by-client": "decision list --by-client",
    "show": "decision show AAAAAAAAAAAA",
    "show-delivered": "decision show BBBBBBBBBBBB",
    "show-none": "decision show 'X\x1b[0m'",
    "wrong-client": "decision list --client 203.0.113.9/33",
    "wrong-time": "decision list --since yesterday",
    "wrong-cursor": "decision list --cursor X",
    "wrong-pages": "decision list --by-client --cursor 1",
    "wrong-command": "decision lst",
    "usage": "decision --help",
    "usage-list": "decision list --help",
    "usage-watch": "decision watch --help",
    "usage-session": "session --help",
    "usage-network": "network --help",
    "usage-store": "store --help",
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, site: Path) -> None:
    result = arrowslit(*shlex.split(CASES[name]), cwd=site)
    line = CASES[name].encode("unicode_escape").decode()
    text = f"$ arrowslit {line}\n{result.out}--- stderr\n{result.err}--- exit {result.code}\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("ARROWSLIT_WRITE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert all(line.isprintable() for line in text.splitlines())


def test_every_golden_file_is_checked() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


def test_a_search_that_stops_early_says_how_far_it_looked_and_goes_on_there(tmp_path: Path) -> None:
    """The process looks at few rows at once, so that few records are too many."""
    (tmp_path / "few").mkdir()
    few = "import arrowslit.store.decisions as d, arrowslit.store.look as l\n"
    few += "l._FEW, l._SMALLEST_WINDOW, l._LARGEST_WINDOW = 8, 4, 4\nd.Decisions.__init__.__defaults__ = (1, 9.0)\n"
    (tmp_path / "few" / "sitecustomize.py").write_text(few)
    path = f"{tmp_path / 'few'}:{Path(__file__).parents[2] / 'src'}"
    folder = _site(tmp_path / "site")
    with open_database(folder / "store.sqlite", create=True) as database:
        records = [DELIVERED._replace(time=NOON + number, id=f"{number}") for number in range(40)]
        database.decisions.take(lines([REFUSED, *records]))
    said = arrowslit("decision", "list", "--outcome", "delivered", "-q", cwd=folder, PYTHONPATH=path)
    assert said.code == 0
    assert said.err.startswith("looked back to 2024-10-04 12:00:3")
    found = said.out.splitlines()
    while "--cursor " in said.err:
        cursor = said.err.partition("--cursor ")[2].split()[0]
        more = ("decision", "list", "--outcome", "delivered", "-q", "--cursor", cursor)
        said = arrowslit(*more, cwd=folder, PYTHONPATH=path)
        found += said.out.splitlines()
    assert [line.split()[2] for line in found] == [str(number) for number in reversed(range(40))]
    counted = arrowslit("decision", "list", "--by-client", "--outcome", "delivered", cwd=folder, PYTHONPATH=path)
    assert "looked back to 2024-10-04 12:00:" in counted.err


def test_no_store(tmp_path: Path) -> None:
    for command in (["list"], ["watch"], ["show", "X"]):
        said = arrowslit("decision", *command, cwd=_site(tmp_path / "site"))
        assert (said.code, said.out) == (1, "")
        assert "there is no store" in said.err
    assert not (tmp_path / "site" / "store.sqlite").exists()


# --- watching -------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store without records, in a folder with settings."""
    with open_database(_site(tmp_path / "site") / "store.sqlite", create=True) as made:
        yield made


class Feed:
    """Records as a node brings them in, one segment."""

    def __init__(self, database: Database) -> None:
        self._database, self._position = database, 0

    def take(self, *records: Record) -> None:
        batch = lines(records, start=self._position)
        self._position = batch[-1].position + 10_000
        assert self._database.decisions.take(batch) == len(records)


def _shown(found: list[dict[str, Any]]) -> list[str]:
    return [record["id"] for record in found]


def test_news_are_shown_once_each_also_those_that_come_late_or_are_equal(database: Database) -> None:
    feed, news = Feed(database), News(database.decisions, Query(), NOON)
    feed.take(REFUSED._replace(time=NOON - 5, id="before"))
    assert news.look(NOON + 1) == []
    feed.take(REFUSED._replace(time=NOON + 1, id="a"), REFUSED._replace(time=NOON + 1, id="a"))
    assert _shown(news.look(NOON + 2)) == ["a", "a"]
    feed.take(REFUSED._replace(time=NOON + 3, id="c"))
    assert _shown(news.look(NOON + 3)) == ["c"]
    feed.take(REFUSED._replace(time=NOON + 2, id="late"), REFUSED._replace(time=NOON + 1, id="a"))
    assert _shown(news.look(NOON + 4)) == ["a", "late"]
    assert news.look(NOON + 5) == []
    feed.take(REFUSED._replace(time=NOON + 10 * BACK, id="clock ahead"))
    assert _shown(news.look(NOON + 6)) == ["clock ahead"]
    feed.take(REFUSED._replace(time=NOON + 7, id="too late"))
    for number in range(1, 12):
        assert news.look(NOON + 7 + number * BACK + 1) == []
    assert len(news._shown) <= 1


def _is_cut(news: News) -> bool:
    return news.cut


def test_news_that_are_too_many_for_one_look_say_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arrowslit.cli.decision_news._PAGE", 2)
    monkeypatch.setattr("arrowslit.cli.decision_news._PAGES", 3)
    feed, news = Feed(database), News(database.decisions, Query(), NOON)
    feed.take(*(REFUSED._replace(time=NOON + number, id=f"{number}") for number in range(5)))
    assert _shown(news.look(NOON + 10)) == list("01234")
    assert _is_cut(news) is False
    feed.take(*(REFUSED._replace(time=NOON + 9 + number, id=f"{number}") for number in range(8)))
    assert _shown(news.look(NOON + 20)) == list("234567")
    assert _is_cut(news) is True
    assert news.look(NOON + 21) == []
    assert news.look(NOON + 9 + BACK + 4) == []
    assert _is_cut(news) is False


def test_watching_tells_what_fits_at_once_and_ends_at_ctrl_c(database: Database, tmp_path: Path) -> None:
    feed = Feed(database)
    with watching(tmp_path / "site", "decision", "watch", "--action", "reject") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("time (UTC)")
        now = time.time()
        feed.take(DELIVERED._replace(time=now + 1), REFUSED._replace(time=now + 2))
        line = process.stdout.readline()  # hangs, up to the test's end, where lines wait for a full buffer
        assert line.startswith("20")
        assert "AAAAAAAAAAAA  203.0.113.9" in line
        assert "\\x1b[31m<script>\\u202e@example.org" in line
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == ""
        assert "Traceback" not in process.stderr.read()


def test_watching_for_some_seconds(database: Database, tmp_path: Path) -> None:
    Feed(database).take(REFUSED._replace(time=time.time() + 60))
    said = arrowslit("decision", "watch", "--seconds", "1", "--json", "-q", cwd=tmp_path / "site")
    assert (said.code, said.err) == (0, "")
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == ["AAAAAAAAAAAA"]


def test_watching_has_no_times_of_its_own(database: Database, tmp_path: Path) -> None:
    assert arrowslit("decision", "watch", "--since", "2h", cwd=tmp_path / "site").code == 2
