"""The self-signed certificate that a node makes itself where `[tls]` names none.

It lets clients encrypt and proves nothing about who we are; senders on port 25 do not check that anyway (RFC 7435).
Made once, in `tls` of the state folder, and kept: clients may have pinned it. Never replaces a file that is there.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from arrowslit.documents.atomic import write_atomically
from arrowslit.documents.settings import Settings

_DAYS = 3650
_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where certificate and key are (PEM); `made` is true where they were made just now."""

    certificate: Path
    key: Path
    made: bool = False


def certificate_files(settings: Settings) -> CertificateFiles:
    """The files of `[tls]`, or the node's own, which are made where they are not there yet.

    Raises OSError where they cannot be written.
    """
    if settings.tls.certificate is not None and settings.tls.key is not None:
        return CertificateFiles(settings.tls.certificate, settings.tls.key)
    folder = settings.node.state / "tls"
    files = CertificateFiles(folder / "cert.pem", folder / "key.pem")
    if files.certificate.exists() and files.key.exists():
        return files
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = _make(settings.node.name)
    write_atomically(files.key, key, 0o600)
    write_atomically(files.certificate, certificate, 0o644)
    return CertificateFiles(files.certificate, files.key, made=True)


def _make(name: str) -> tuple[bytes, bytes]:
    from cryptography import x509  # noqa: PLC0415 - 50 ms that only a first start pays
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_COMMON_NAME])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return certificate.public_bytes(form), key.private_bytes(form, pkcs8, plain)
