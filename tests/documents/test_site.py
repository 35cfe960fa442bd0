"""A site: both files, the files that the policy names, and whether it may be served."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path

import pytest

from arrowslit.documents.site import Site, load_site, settings_for_workers, site_for_worker
from arrowslit.documents.sources import normalise_address
from arrowslit.mail.address import parse_address

DATE = datetime.date(2026, 11, 25)
EXAMPLES = Path(__file__).parents[2] / "examples"
SETTINGS = '[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:2525"\n'
POLICY = """version = 1

[networks.filter]
addresses = ["192.0.2.1"]
file = "ranges.txt"

[next_hops.inside]
address = "smtp://192.168.0.5:25"
recipients_file = "recipients.txt"
username = "gateway"
password_file = "inside.password"

[accepted_domains."example.org"]
next_hop = "inside"

[virtual_servers.default]
relay_next_hop = "inside"

[virtual_servers.default.connection_control]
only_listed = [ { network = "filter" } ]

[[expectations]]
that = "the filter delivers"
from = "198.51.100.7"
to = "bob@example.org"
outcome = "permit"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "arrowslit.toml").write_text(SETTINGS)
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "ranges.txt").write_text("198.51.100.0/24\n")
    (tmp_path / "recipients.txt").write_text("Bob@Example.ORG\nüser@bücher.example # with remark\n")
    (tmp_path / "inside.password").write_text("top secret\n")
    (tmp_path / "inside.password").chmod(0o600)
    return tmp_path


def _load(folder: Path, *, secrets: bool = False) -> Site:
    return load_site(folder / "arrowslit.toml", date=DATE, secrets=secrets)


def _names(site: Site) -> set[str]:
    return {placed.finding.name for placed in site.findings}


def test_a_site_that_may_be_served(folder: Path) -> None:
    site = _load(folder, secrets=True)
    assert site.admissible
    assert site.policy is not None
    assert parse_address("198.51.100.7") in site.policy.networks["filter"].addresses
    assert site.sources.recipients["recipients.txt"] == {"bob@example.org", "üser@xn--bcher-kva.example"}
    assert site.policy_hash == hashlib.sha256((folder / "policy.toml").read_bytes()).hexdigest()
    assert site.policy.revision == 1


def test_secrets_are_read_only_where_asked_for_and_never_shown(folder: Path) -> None:
    assert _load(folder).sources.secrets == {}
    site = _load(folder, secrets=True)
    assert site.sources.secrets == {"inside.password": "top secret"}
    assert "top secret" not in repr(site)


def test_a_password_that_others_can_read(folder: Path) -> None:
    assert "secret-open" not in _names(_load(folder))
    (folder / "inside.password").chmod(0o640)
    site = _load(folder)
    assert "secret-open" in _names(site)
    assert site.admissible


def test_missing_files_are_warnings_and_broken_ones_hold_up(folder: Path) -> None:
    for name in ("recipients.txt", "inside.password"):
        (folder / name).unlink()
    site = _load(folder, secrets=True)
    assert [placed.finding.key for placed in site.findings if placed.finding.name == "source-missing"] == [
        "next_hops.inside.recipients_file",
        "next_hops.inside.password_file",
    ]
    assert site.admissible
    (folder / "ranges.txt").write_bytes(b"198.51.100.0/24\n\xff\n")
    assert {placed.finding.name for placed in _load(folder).errors} == {"source-broken"}


def test_a_missing_range_file_is_told_once(folder: Path) -> None:
    (folder / "ranges.txt").unlink()
    site = _load(folder)
    assert [name for name in ("network-file-missing", "source-missing") if name in _names(site)] == [
        "network-file-missing"
    ]
    assert not site.admissible  # the expectation rests on the file
    assert [result.expectation.that for result in site.broken_expectations] == ["the filter delivers"]


def test_many_broken_lines_are_told_in_few_findings(folder: Path) -> None:
    (folder / "ranges.txt").write_text("nonsense\n" * 5000)
    broken = [placed.finding.message for placed in _load(folder).errors]
    assert broken[0].startswith("ranges.txt:1: ")
    assert len(broken) == 6
    assert broken[-1] == "ranges.txt: and 95 or more like these"


def test_a_listener_without_its_virtual_server(folder: Path) -> None:
    (folder / "arrowslit.toml").write_text(SETTINGS + 'virtual_server = "defalt"\n')
    site = _load(folder)
    (placed,) = site.errors
    assert placed.document is not None
    assert (placed.document.name, placed.finding.name) == (str(folder / "arrowslit.toml"), "unknown-virtual-server")
    assert placed.finding.mark is not None
    assert (placed.finding.mark.span.line, placed.finding.mark.span.column) == (5, 18)
    assert placed.finding.help == 'did you mean "default"?'


def test_the_virtual_server_that_is_not_written_is_looked_for_too(folder: Path) -> None:
    (folder / "policy.toml").write_text(POLICY.replace("virtual_servers.default", "virtual_servers.inbound"))
    assert "unknown-virtual-server" in _names(_load(folder))


def test_without_a_policy_nothing_is_admissible(folder: Path) -> None:
    (folder / "policy.toml").unlink()
    site = _load(folder)
    assert not site.admissible
    assert _names(site) == {"unreadable-file"}


def test_a_policy_alone_reads_its_files_beside_it(folder: Path) -> None:
    site = load_site(None, folder / "policy.toml", date=DATE, revision=0)
    assert site.settings is None
    assert site.admissible


def test_files_lie_beside_the_settings(folder: Path, tmp_path: Path) -> None:
    draft = tmp_path / "drafts" / "draft.toml"
    draft.parent.mkdir()
    draft.write_text(POLICY)
    assert load_site(folder / "arrowslit.toml", draft, date=DATE).admissible
    assert not load_site(None, draft, date=DATE).admissible


def test_a_worker_sees_what_was_taken_up(folder: Path) -> None:
    settings = _load(folder).settings
    assert settings is not None
    told = json.loads(json.dumps(settings_for_workers(settings, folder / "arrowslit.toml", generation=5)))
    copy = folder / "copy.toml"
    copy.write_text(POLICY)
    for name in ("arrowslit.toml", "policy.toml"):
        (folder / name).write_text("broken [")
    site = site_for_worker(told, copy, revision=7)
    assert site.admissible
    assert site.settings == settings
    assert site.policy is not None
    assert (site.policy.revision, site.policy.generation) == (7, 5)
    assert site.sources.secrets == {"inside.password": "top secret"}


@pytest.mark.parametrize("name", ["small-office", "hosted-filter", "everything"])
def test_the_examples_are_admissible(name: str) -> None:
    settings = EXAMPLES / name / "arrowslit.toml"
    site = load_site(settings if settings.exists() else None, EXAMPLES / name / "policy.toml", date=DATE)
    assert site.admissible, site.errors


@pytest.mark.parametrize("text", ["bob", "@example.org", "bob@", "bob@-x-", "a b@example.org"])
def test_what_is_no_address_of_a_recipient(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        normalise_address(text)
