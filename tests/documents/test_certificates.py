"""Certificates that end, by findings of a site and by the command that shows them."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from arrowslit.cli.main import run
from arrowslit.documents.certificates import ALARMED, CertificateUse, Term, named_in, term
from arrowslit.documents.site import Site, load_site
from tests.peers.certs import Authority, Certificate

DAY = 86_400.0
SETTINGS = """[node]
name = "mx.example.org"
[[listeners]]
address = "127.0.0.1:2525"
tls = "starttls"
[tls]
certificate = "{0}"
key = "{1}"
"""
POLICY = """version = 1
[next_hops.inner]
address = "smtp://192.168.0.5:25"
tls = "required"
tls_certificate = "{0}"
tls_key = "{1}"
[accepted_domains."example.org"]
next_hop = "inner"
[virtual_servers.default]
[virtual_servers.default.connection_control]
only_listed = [ {{ computer = "192.0.2.1" }} ]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def _write(folder: Path, listeners: Certificate, hop: Certificate) -> Path:
    """Both files and the certificates beside them, named relatively."""
    for name, made in (("listeners", listeners), ("hop", hop)):
        (folder / f"{name}.crt").write_bytes(made.certificate_file.read_bytes())
        (folder / f"{name}.key").write_bytes(made.key_file.read_bytes())
    (folder / "arrowslit.toml").write_text(SETTINGS.format("listeners.crt", "listeners.key"))
    (folder / "policy.toml").write_text(POLICY.format("hop.crt", "hop.key"))
    return folder / "arrowslit.toml"


def _load(settings: Path, now: float | None) -> Site:
    today = datetime.datetime.now(datetime.UTC).date()
    return load_site(settings, date=today, certificates_at=now)


def _found(site: Site) -> list[tuple[str, str, str, int]]:
    return [
        (one.finding.name, one.finding.key, one.document.name.rpartition("/")[2], one.finding.mark.span.line)
        for one in site.findings
        if one.finding.name.startswith("certificate") and one.document is not None and one.finding.mark is not None
    ]


IN_SETTINGS = ("tls.certificate", "arrowslit.toml", 7)
IN_POLICY = ("next_hops.inner.tls_certificate", "policy.toml", 5)


@pytest.mark.parametrize(
    ("days", "name"),
    [
        ((-1, 22), ""),
        ((-1, 20), "certificate-ends"),
        ((-20, -0.01), "certificate-expired"),
        ((0.5, 30), "certificate-not-yet-valid"),
    ],
)
def test_both_files_are_looked_at_and_the_site_may_be_served(
    tmp_path: Path, authority: Authority, days: tuple[float, float], name: str
) -> None:
    good, doubtful = authority.issue("a.test", days=(-1, 30)), authority.issue("b.test", days=days)
    site = _load(_write(tmp_path, doubtful, good), time.time())
    assert site.admissible
    assert _found(site) == ([(name, *IN_SETTINGS)] if name else [])
    site = _load(_write(tmp_path, good, doubtful), time.time())
    assert site.admissible
    assert _found(site) == ([(name, *IN_POLICY)] if name else [])
    assert _found(_load(tmp_path / "arrowslit.toml", None)) == []


def test_a_chain_is_as_good_as_its_worst_part(tmp_path: Path, authority: Authority) -> None:
    leaf, ended = authority.issue("a.test", days=(-1, 90)), authority.issue("b.test", expired=True)
    (tmp_path / "chain.pem").write_bytes(leaf.certificate_file.read_bytes() + ended.certificate_file.read_bytes())
    found = term(CertificateUse("listeners", tmp_path / "chain.pem"))
    assert found.state(time.time()) == "certificate-expired"
    # The authority ends in 30 days, the leaf in 90.
    assert abs(term(CertificateUse("listeners", leaf.certificate_file)).ends - time.time() - 30 * DAY) < 600


def test_what_cannot_be_read_is_a_state_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    broken, absent = (term(CertificateUse("next hop a", tmp_path / name)) for name in ("text", "absent"))
    assert broken.state(0.0) == absent.state(0.0) == "certificate-unreadable"
    assert broken.says(0.0).endswith("cannot be read: it is no certificate in PEM")
    assert absent.says(0.0).endswith("cannot be read: No such file or directory")


def test_the_edges() -> None:
    one = Term(CertificateUse("listeners", Path("a.pem")), 1000.0, 1000.0 + 30 * DAY)
    end = one.ends
    states = [one.state(at) for at in (999.0, 1000.0, end - 21 * DAY, end - 21 * DAY + 1, end, end + 1)]
    assert states == [
        "certificate-not-yet-valid",
        "",
        "",
        "certificate-ends",
        "certificate-ends",
        "certificate-expired",
    ]
    assert one.state(end - 8 * DAY, ALARMED) == ""
    assert one.state(end - 7 * DAY + 1, ALARMED) == "certificate-ends"
    assert one.says(1000.0) == "the certificate for listeners (a.pem) ends on 1970-01-31 00:16 UTC"
    assert one.says(end + 1) == "the certificate for listeners (a.pem) ended on 1970-01-31 00:16 UTC"
    assert one.says(0.0) == "the certificate for listeners (a.pem) is valid from 1970-01-01 00:16 UTC on"


def test_names_are_relative_to_the_settings_file(tmp_path: Path, authority: Authority) -> None:
    made = authority.issue("a.test")
    site = _load(_write(tmp_path, made, made), None)
    uses = list(named_in(site.settings, site.policy, tmp_path))
    assert uses == [
        CertificateUse("listeners", tmp_path / "listeners.crt"),
        CertificateUse("next hop inner", tmp_path / "hop.crt"),
    ]


def test_lint_shows_it_as_a_warning(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    good = authority.issue("a.test", days=(-1, 30))
    settings = _write(tmp_path, authority.issue("b.test", days=(-1, 6)), good)
    assert run(["policy", "lint", "-c", str(settings)]) == 0
    out = capsys.readouterr().out
    assert "warning[certificate-ends]: the certificate for listeners (" in out
    assert "arrowslit.toml:7:15" in out
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=40)).date()
    assert run(["policy", "lint", "-c", str(settings), "--date", str(later)]) == 0
    out = capsys.readouterr().out
    assert out.count("warning[certificate-expired]") == 2
