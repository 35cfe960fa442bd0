"""TLS that asks the client for a certificate and never ends the handshake over it (gateway-behaviour 4).

With the standard library's CERT_OPTIONAL, OpenSSL ends the handshake on a certificate that it can't verify, so asking
would lose mail; pyOpenSSL's own callback lets everything pass and remembers whether the chain held. Names count only
where it did (decisions 8). No session is ever resumed: a resumed one would bring a certificate that nobody verified
again, and OpenSSL ends such a handshake by itself. Never touches a socket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from arrowslit.gateway.client_hello import AlpnGate
from arrowslit.gateway.tls import NO_SMTP, TlsError, fingerprint
from arrowslit.policy.facts import Certificate

_READ = 65_536


def asking_context(certificate: Path, key: Path, client_ca: Path | None) -> SSL.Context:
    """The context of a listener with `ask_certificate`. Raises SSL.Error where a file cannot be used."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.check_privatekey()
    if client_ca is None:
        context.set_default_verify_paths()
    else:
        context.load_verify_locations(str(client_ca))
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_alpn_select_callback(_choose_protocol)
    return context


def _choose_protocol(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    return b"smtp" if b"smtp" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class AskingTls:
    """A `gateway.tls.TlsLayer` over pyOpenSSL."""

    __slots__ = ("_connection", "_faults", "_gate")

    def __init__(self, context: SSL.Context) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._connection.set_verify(SSL.VERIFY_PEER, self._judge)
        self._faults = 0
        self._gate = AlpnGate()

    def _judge(self, _connection: object, _certificate: object, _error: int, _depth: int, ok: int) -> bool:
        self._faults += 0 if ok else 1
        return True

    def handshake(self, data: bytes) -> bool:
        """See TlsLayer."""
        if self._gate.refuses(data):
            raise TlsError(NO_SMTP)
        try:
            if data:
                self._connection.bio_write(data)
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TlsError(_words(error)) from None
        return True

    def decrypt(self, data: bytes) -> tuple[bytes, bool]:
        """See TlsLayer."""
        parts: list[bytes] = []
        try:
            if data:
                self._connection.bio_write(data)
            while True:
                parts.append(self._connection.recv(_READ))
        except SSL.WantReadError:
            return b"".join(parts), False
        except SSL.ZeroReturnError:
            return b"".join(parts), True
        except SSL.Error as error:
            raise TlsError(_words(error)) from None

    def encrypt(self, data: bytes) -> bytes:
        """See TlsLayer."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise TlsError(_words(error)) from None
        return self.pending_output()

    def pending_output(self) -> bytes:
        """See TlsLayer."""
        parts: list[bytes] = []
        try:
            while True:
                parts.append(self._connection.bio_read(_READ))
        except SSL.WantReadError:
            return b"".join(parts)

    def close(self) -> bytes:
        """See TlsLayer."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return b""
        return self.pending_output()

    @property
    def description(self) -> str:
        """See TlsLayer."""
        return f"{self._connection.get_protocol_version_name()} {self._connection.get_cipher_name() or ''}".strip()

    @property
    def peer_certificate(self) -> Certificate | None:
        """See TlsLayer."""
        shown = self._connection.get_peer_certificate(as_cryptography=True)
        if shown is None:
            return None
        print_ = fingerprint(shown.public_bytes(Encoding.DER))
        return Certificate(print_, frozenset() if self._faults else _names(shown))


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return frozenset(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()


def _words(error: SSL.Error) -> str:
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "TLS: " + (str(reasons[-1][2]) if reasons else "the other end hung up")
