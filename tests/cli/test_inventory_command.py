"""The command `inventory`, run as a shell would: a small log in, what an administrator reads out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.command import EXAMPLES, Result, arrowslit

DAY = 86_400
MONDAY = 20_514 * DAY


def record(
    client: str, to: str = "bob@example.org", *, day: int = 0, sender: str = "a@example.net", **more: str
) -> str:
    found = {
        "v": 1,
        "time": MONDAY + day * DAY,
        "kind": "delivery",
        "id": f"{client}-{to}-{day}-{sender}",
        "client_address": client,
        "reverse_path": sender,
        "forward_paths": [to],
        **more,
    }
    return json.dumps(found, separators=(",", ":"))


LOG = [
    *(record("83.245.15.239", f"u{n}@example.org", day=n % 3) for n in range(30)),
    record("203.0.113.9", client_name="mx.stranger.example"),
    record("203.0.113.9", helo_name="\x1b[31mw", sender="c@example.net"),
    record("198.51.100.20"),
    record("192.168.0.40", "x@elsewhere.example", sender="scanner@example.org"),
    record("203.0.113.200", authenticated_as="ann"),
    *(record("172.18.0.1", sender=f"a@stranger{n}.example", day=n) for n in range(5)),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "decisions.jsonl").write_text("\n".join(LOG) + "\n", "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    return arrowslit("inventory", *arguments, cwd=folder, XDG_STATE_HOME=str(folder / "state"))


def test_who_delivers_by_filter_and_domain(folder: Path) -> None:
    done = run(folder, "decisions.jsonl", "--filter", "83.245.15.0/24", "--domain", "example.org")
    assert done.code == 0
    assert done.out.splitlines()[:7] == [
        "2026-03-02..03-06: 40 recipients let in, 0 refused",
        "  f  through the filter                   30   75.0 %",
        "  i  from inside                           5   12.5 %  5 of them strangers'",
        "  s  signed in                             1    2.5 %",
        "  o  relayed outward                       1    2.5 %",
        "  A  around the filter                     3    7.5 %  the lock-down stops it",
        "",
    ]
    assert "HIDDEN CLIENTS: strangers' mail comes from 172.18.0.1, 5 recipients" in done.out
    assert "2026-03-03  11  " + "f" * 40 + "i" * 4 + "\n" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out
    assert '"\\x1b[31mw"' in done.out


def test_by_the_policy_its_lists_and_networks_count(folder: Path) -> None:
    policy = str(EXAMPLES / "small-office" / "policy.toml")
    done = run(folder, "decisions.jsonl", "--policy", policy, "--json")
    found = json.loads(done.out)
    assert found["ways"] == {"filter": 30, "inside": 5, "signed_in": 1, "outward": 1, "listed": 1, "around": 2}
    assert found["domains_told"] is True
    assert found["proposed_domains"] == []
    assert found["hidden_clients"] == ["172.18.0.1"]
    assert found["days"][0] == {
        "day": "2026-03-02",
        "filter": 10,
        "listed": 1,
        "inside": 1,
        "signed_in": 1,
        "outward": 1,
        "around": 2,
    }
    assert [day["day"] for day in found["days"]] == [f"2026-03-0{n}" for n in range(2, 7)]
    filter_ = found["places"][0]
    assert (filter_["title"], filter_["let_in"], filter_["days"]) == ("network filter", 30, 3)
    assert found["reading"]["lines"]["read"] == len(LOG)


def test_without_a_word_about_domains_or_filter_it_proposes_and_says_so(folder: Path) -> None:
    done = run(folder, "decisions.jsonl")
    assert "Nobody said who filters (--filter)" in done.out
    assert "they seem to be: example.org" in done.out.replace("\n", " ")
    assert "  A  around the filter                    33   82.5 %\n" in done.out


def test_a_service_of_the_catalogue_by_its_id_and_as_a_hint(tmp_path: Path) -> None:
    log = [record("216.17.3.7", f"u{n}@example.org") for n in range(9)] + [record("203.0.113.9")]
    (tmp_path / "log").write_text("\n".join(log), "utf-8")
    assert "9 recipients came from securence" in run(tmp_path, "log").out
    done = run(tmp_path, "log", "--filter", "securence")
    assert "through the filter                    9   90.0 %" in done.out
    assert "only DNS tells" in done.err


def test_an_inside_address_that_the_policy_does_not_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(record("192.168.7.7") + "\n" + record("83.245.15.239"), "utf-8")
    done = run(tmp_path, "log", "--policy", str(EXAMPLES / "small-office" / "policy.toml"))
    assert "1 recipient came from inside addresses that the policy does not list" in done.out


def test_a_hidden_client_that_the_policy_lists_is_told_twice(tmp_path: Path) -> None:
    log = [record("192.168.0.1", sender=f"a@stranger{n}.example") for n in range(5)]
    (tmp_path / "log").write_text("\n".join(log), "utf-8")
    done = run(tmp_path, "log", "--policy", str(EXAMPLES / "small-office" / "policy.toml"))
    assert "The policy lists it already: take it off, or nothing is locked." in done.out


def test_mail_of_strangers_that_went_on_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(record("203.0.113.9", "v@elsewhere.example"), "utf-8")
    done = run(tmp_path, "log", "--domain", "example.org")
    assert "1 recipient went to none of your domains" in done.out.replace("\n", " ")


def test_the_picture(folder: Path) -> None:
    done = run(folder, "decisions.jsonl", "--domain", "example.org", "--svg", "days.svg", "--json")
    assert done.code == 0
    json.loads(done.out)
    root = ET.parse(folder / "days.svg").getroot()
    assert root.get("aria-label") == "Who delivers, 2026-03-02..03-06"
    assert "the days are in days.svg" in done.err


def test_packed_and_from_several_files(folder: Path) -> None:
    (folder / "decisions.jsonl.1.gz").write_bytes(gzip.compress(("\n".join(LOG[:5])).encode()))
    (folder / "decisions.jsonl").write_text("\n".join(LOG[5:]), "utf-8")
    found = json.loads(run(folder, "decisions.jsonl", "decisions.jsonl.1.gz", "--json").out)
    assert found["let_in"] == 40


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name the logs"),
        (("nothing.log",), "nothing.log"),
        (("decisions.jsonl", "--filter", "securense"), 'did you mean "securence"?'),
        (("decisions.jsonl", "--filter", "sophos-email"), "the catalogue has no ranges of Sophos"),
        (("decisions.jsonl", "--filter", "192.0.2.0/99"), "is no network of the policy"),
        (("decisions.jsonl", "--domain", "-x-"), "is no domain"),
        (("decisions.jsonl", "--policy", "nothing.toml"), "nothing.toml"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    done = run(folder, *arguments)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err


def test_a_line_that_is_not_understood_makes_it_a_part(folder: Path) -> None:
    with (folder / "decisions.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    done = run(folder, "decisions.jsonl")
    assert done.code == 1
    assert "decisions.jsonl:41" in done.err


def test_no_mail_at_all(tmp_path: Path) -> None:
    line = json.dumps({"v": 1, "time": MONDAY, "kind": "session"}, separators=(",", ":"))
    (tmp_path / "log").write_text(line, "utf-8")
    done = run(tmp_path, "log", "--svg", "days.svg")
    assert "there is no mail in these logs" in done.out
    ET.parse(tmp_path / "days.svg")
