"""TLS in memory: octets of the wire in, plain octets out, and back, over `ssl.MemoryBIO` under our own control.

Terms: a *layer* is one TLS connection's state; a *context* is shared by many. Server layers look at the ClientHello
first: a client that sends ALPN without `smtp` is ended (cross-protocol attacks, gateway-behaviour 4). A failure of the
other end is `TlsError`, never an `ssl.SSLError`. Never touches a socket. RFC 3207, RFC 7301, RFC 8446.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from typing import Protocol

from arrowslit.gateway.client_hello import AlpnGate
from arrowslit.policy.facts import Certificate

NO_SMTP = "client's ALPN has no smtp"


class TlsError(Exception):
    """The handshake or a record failed; the text is for the record and holds nothing of the other end's octets."""


class TlsLayer(Protocol):
    """What a channel needs of a TLS implementation."""

    def handshake(self, data: bytes) -> bool:
        """Take in octets of the wire; True once the handshake is done. Raises TlsError."""

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """The plain octets, and whether the other end closed TLS in order. Raises TlsError."""

    def encrypt(self, data: bytes) -> bytes:
        """The octets for the wire. Raises TlsError."""

    def pending_output(self) -> bytes:
        """Octets that TLS itself wants sent."""

    def close(self) -> bytes:
        """The closing alert's octets."""

    @property
    def description(self) -> str:
        """Protocol and cipher, for the record."""

    @property
    def peer_certificate(self) -> Certificate | None:
        """What the other end showed; None where nothing."""


class MemoryTls:
    """A layer over the standard library's `ssl`."""

    __slots__ = ("_gate", "_in", "_object", "_out")

    def __init__(self, context: ssl.SSLContext, *, server: bool, server_name: str | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._gate = AlpnGate() if server else None
        self._object = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=server_name)

    def handshake(self, data: bytes) -> bool:
        """See TlsLayer."""
        if self._gate is not None and self._gate.refuses(data):
            raise TlsError(NO_SMTP)
        self._in.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise TlsError(_words(error)) from None
        return True

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """See TlsLayer."""
        if data:
            self._in.write(data)
        parts: list[bytes] = []
        try:
            while part := self._object.read(65_536):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as error:
            raise TlsError(_words(error)) from None
        return b"".join(parts), True

    def encrypt(self, data: bytes) -> bytes:
        """See TlsLayer."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._object.write(view) :]
        except ssl.SSLError as error:
            raise TlsError(_words(error)) from None
        return self._out.read()

    def pending_output(self) -> bytes:
        """See TlsLayer."""
        return self._out.read()

    def close(self) -> bytes:
        """See TlsLayer."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._object.unwrap()  # puts the alert into the buffer; the other end's own is not waited for
        return self._out.read()

    @property
    def description(self) -> str:
        """See TlsLayer."""
        cipher = self._object.cipher()
        return f"{self._object.version()} {cipher[0] if cipher else ''}".strip()

    @property
    def peer_certificate(self) -> Certificate | None:
        """See TlsLayer. Names are left out: with this implementation nobody verified a client's chain."""
        der = self._object.getpeercert(binary_form=True)
        return Certificate(fingerprint(der)) if der else None


def fingerprint(der: bytes) -> str:
    """ "sha256:" and the digest of a certificate's DER form (decisions 8)."""
    return "sha256:" + hashlib.sha256(der).hexdigest()


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None) or type(error).__name__
    verify = getattr(error, "verify_message", None)
    return f"TLS: {str(reason).lower().replace('_', ' ')}" + (f" ({verify})" if verify else "")


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """The context for clients. `certificate` and `key` are paths of PEM files. Raises OSError or ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["smtp"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def client_context(level: str, profile: str, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """The context towards a next hop. Only "verify" checks chain and name; "fingerprint" is compared afterwards.

    `profile` "legacy" also speaks TLS 1.0 with old ciphers, for Exchange 2003 to 2010, and only by that name.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if level == "verify":
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if profile == "legacy":
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if certificate:
        context.load_cert_chain(certificate, key)
    return context
