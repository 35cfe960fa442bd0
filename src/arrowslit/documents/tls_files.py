"""Looks at the certificate, the key and the authorities that `[tls]` names before anybody depends on them.

Never changes a file and never asks for a key's password: a node starts without anybody at the keyboard.
"""

from __future__ import annotations

from pathlib import Path

from arrowslit.documents.files import why
from arrowslit.documents.reader import Reader
from arrowslit.documents.settings import TlsSettings
from arrowslit.policy.tree import Item, Table


class _EncryptedKeyError(Exception):
    pass


def check_tls_files(reader: Reader, tls: TlsSettings, root: Table) -> None:
    """A fault for each file that is not readable or does not fit."""
    item = root.items.get("tls")
    if item is None or not isinstance(item.value.data, Table):
        return
    items = item.value.data.items
    readable = {
        name: _readable(reader, name, getattr(tls, name), items) for name in ("certificate", "key", "client_ca")
    }
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if name in items and other not in items:
            message = f"[tls] has a {name} but no {other}"
            reader.fault("missing-key", f"tls.{other}", items[name].span, message, help=f'add {other} = "..."')
    if readable["certificate"] and readable["key"]:
        _check_pair(reader, tls, items)
    if readable["client_ca"]:
        _check_authorities(reader, tls, items)


def _readable(reader: Reader, name: str, path: Path | None, items: dict[str, Item]) -> bool:
    if path is None or name not in items:
        return False
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        message = f"cannot read {path}: {why(error)}"
        reader.fault("unreadable-file", f"tls.{name}", items[name].value.span, message, "this file")
        return False
    return True


def _check_pair(reader: Reader, tls: TlsSettings, items: dict[str, Item]) -> None:
    import ssl  # noqa: PLC0415 - 10 ms that most commands need not pay

    def no_password() -> str:
        raise _EncryptedKeyError

    assert tls.certificate is not None  # noqa: S101 - read a moment ago
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, no_password)
    except _EncryptedKeyError:
        message = f"{tls.key} is protected by a password"
        help = "store the key without one, mode 0600: a node must start with nobody at the keyboard"
        reader.fault("tls-files", "tls.key", items["key"].value.span, message, help=help)
    except ssl.SSLError as error:
        says = _pair_problem(error, tls)
        reader.fault("tls-files", "tls.key", items["key"].value.span, says)


def _pair_problem(error: OSError, tls: TlsSettings) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the key {tls.key} does not belong to the certificate {tls.certificate}"
    return f"{tls.certificate} and {tls.key} are no certificate with its key in PEM"


def _check_authorities(reader: Reader, tls: TlsSettings, items: dict[str, Item]) -> None:
    import ssl  # noqa: PLC0415

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(tls.client_ca)
    except ssl.SSLError:
        message = f"{tls.client_ca} holds no certificate in PEM"
        reader.fault("tls-files", "tls.client_ca", items["client_ca"].value.span, message)
