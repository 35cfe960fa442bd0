"""The files of [tls] with real certificates and keys, and the certificate that a node makes itself."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificate

from arrowslit.documents.own_certificate import CertificateFiles, certificate_files
from arrowslit.documents.settings import NodeSettings, Settings, TlsSettings
from arrowslit.documents.settings_file import load_settings

TOML = '[node]\nname = "mx.example.org"\n[[listeners]]\naddress = "127.0.0.1:25"\ntls = "starttls"\n[tls]\n'


def _made(folder: Path) -> CertificateFiles:
    return certificate_files(Settings(node=NodeSettings("mx.example.org", folder)))


def _problems(tmp_path: Path, certificate: Path, key: Path, extra: str = "") -> list[tuple[str, str]]:
    path = tmp_path / "arrowslit.toml"
    path.write_text(f'{TOML}certificate = "{certificate}"\nkey = "{key}"\n{extra}')
    return [(placed.finding.name, placed.finding.message) for placed in load_settings(path).findings]


def test_a_pair_that_fits(tmp_path: Path) -> None:
    files = _made(tmp_path / "state")
    assert _problems(tmp_path, files.certificate, files.key, f'client_ca = "{files.certificate}"\n') == []


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    one, other = _made(tmp_path / "one"), _made(tmp_path / "other")
    message = f"the key {other.key} does not belong to the certificate {one.certificate}"
    assert _problems(tmp_path, one.certificate, other.key) == [("tls-files", message)]


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path: Path) -> None:
    files = _made(tmp_path / "state")
    key = load_pem_private_key(files.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    files.key.write_bytes(locked)
    assert _problems(tmp_path, files.certificate, files.key) == [
        ("tls-files", f"{files.key} is protected by a password")
    ]


def test_the_own_certificate_is_made_once(tmp_path: Path) -> None:
    first = _made(tmp_path / "state")
    assert first.made
    assert first.key.stat().st_mode & 0o777 == 0o600
    octets = first.certificate.read_bytes(), first.key.read_bytes()
    again = _made(tmp_path / "state")
    assert not again.made
    assert (again.certificate.read_bytes(), again.key.read_bytes()) == octets


def test_the_own_certificate_says_the_name_and_serves(tmp_path: Path) -> None:
    files = _made(tmp_path / "state")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    certificate = load_pem_x509_certificate(files.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == ["mx.example.org"]


def test_files_that_are_named_are_used_as_they_are(tmp_path: Path) -> None:
    made = _made(tmp_path / "state")
    settings = Settings(tls=TlsSettings(made.certificate, made.key))
    assert certificate_files(settings) == replace(made, made=False)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(OSError):
        _made(tmp_path / "state")
