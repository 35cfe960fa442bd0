"""What a client hears in TLS, from any address: smtplib over a connection from the outside."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Sequence

from tests.peers.outside import Outside, _socket


def heard_in_tls(net: Outside, source: str, recipients: Sequence[str], *, signs_in: bool = False) -> dict[str, str]:
    """The first digit of the reply for each recipient. Signs in as anna, with the password "secret"."""

    def talk() -> dict[str, str]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP() as client:
            connection = _socket(source)
            connection.settimeout(20)
            connection.connect(net.at(source))
            client._get_socket = lambda host, port, timeout: connection  # type: ignore[attr-defined]
            client._host = "server"  # type: ignore[attr-defined]
            client.connect("server", 25)
            client.starttls(context=context)
            client.ehlo("x.test")
            if signs_in:
                assert client.docmd("AUTH PLAIN", base64.b64encode(b"\0anna\0secret").decode())[0] == 235
            client.mail("x@sender.test")
            return {to: str(client.rcpt(to)[0])[:1] for to in recipients}

    return net.clients.call(talk)
