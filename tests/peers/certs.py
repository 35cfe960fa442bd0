"""Certificates for tests: an authority, and what it or nobody has signed, good and bad.

    authority = Authority(folder)
    server = authority.issue("mail.example.test")
    expired = authority.issue("mail.example.test", expired=True)
    stranger = self_signed(folder, "filter.example.net")

Keys are P-256, so making one costs little. Never use these outside of tests: the keys lie readable.
"""

from __future__ import annotations

import datetime
import ipaddress
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = datetime.timedelta(days=1)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of one certificate, in PEM."""

    certificate_file: Path
    key_file: Path
    chain_file: Path  # key, certificate and issuer, in this order
    der: bytes

    def fingerprint(self) -> str:
        """Return the SHA-256 of the DER form, in hexadecimal."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.der)
        return digest.finalize().hex()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
    )


def _valid(
    builder: x509.CertificateBuilder, expired: bool, days: tuple[float, float] | None = None
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    start, end = days or ((-20, -10) if expired else (-1, 30))
    return builder.not_valid_before(now + start * DAY).not_valid_after(now + end * DAY)


def _leaf(
    builder: x509.CertificateBuilder, names: Sequence[str], client_auth: bool, server_auth: bool
) -> x509.CertificateBuilder:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH] if server_auth else []
    purposes += [ExtendedKeyUsageOID.CLIENT_AUTH] if client_auth else []
    alternative = x509.SubjectAlternativeName([_alternative(name) for name in names])
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return builder.add_extension(alternative, False).add_extension(x509.ExtendedKeyUsage(purposes), False)


def _write(folder: Path, key: Key, certificate: x509.Certificate, issuer: bytes = b"") -> Certificate:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{next(_numbers):03}"
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = [folder / f"{stem}{suffix}" for suffix in (".crt", ".key", ".pem")]
    for file, text in zip(files, (public + issuer, private, private + public + issuer), strict=True):
        file.write_bytes(text)
    public_file, key_file, chain_file = files
    return Certificate(public_file, key_file, chain_file, certificate.public_bytes(serialization.Encoding.DER))


def _key(old: bool) -> Key:
    if old:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Authority:
    """A certificate authority whose files lie in a folder."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        builder = _valid(_builder(self._subject, self._subject, self._key), expired=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.file = _write(folder, self._key, self._certificate).certificate_file

    def issue(
        self,
        *names: str,
        expired: bool = False,
        client_auth: bool = True,
        server_auth: bool = True,
        old_key: bool = False,
        days: tuple[float, float] | None = None,
    ) -> Certificate:
        """Sign a certificate for these DNS names and addresses.

        `old_key`: RSA instead of P-256. `days`: when it begins and ends, from now.
        """
        key = _key(old_key)
        builder = _valid(_builder(_name(names[0]), self._subject, key), expired, days)
        signed = _leaf(builder, names, client_auth, server_auth).sign(self._key, hashes.SHA256())
        return _write(self._folder, key, signed, self.file.read_bytes())


def self_signed(folder: Path, *names: str) -> Certificate:
    """Make a certificate that only its own key has signed, as Exchange does."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _valid(_builder(_name(names[0]), _name(names[0]), key), expired=False)
    return _write(folder, key, _leaf(builder, names, True, True).sign(key, hashes.SHA256()))
