"""Questions to an LDAP directory: does this password fit, does this recipient exist (RFC 4511, RFC 4513).

Terms: signing in is a simple bind as the name that `bind_name` makes of the login. Blocking: runs in a thread of its
own, every call bounded. Passwords go out under TLS with a verified certificate, by ldaps:// or by StartTLS; only to
this machine itself they go in clear. A directory that does not answer is `Unavailable`, never a wrong password: mail
programs delete the password on 535 (gateway-behaviour 2). An empty password is never tried: RFC 4513 5.1.2 makes of it
a bind that always succeeds. python-ldap is the extra `ldap`.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from arrowslit.policy.parts import Ldap

_TIMEOUT = 8.0
_ADDRESS_ATTRIBUTES = ("mail", "proxyAddresses", "mailAlternateAddress", "userPrincipalName")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_LOGIN = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


class Unavailable(Exception):  # noqa: N818 - a state of the directory, not an error of the program
    """The directory, or the means to ask it, is not there for now. The text is for an administrator."""


def load() -> ModuleType:
    """python-ldap. Raises Unavailable where the extra is not installed."""
    try:
        import ldap  # noqa: PLC0415 - an extra, and slow to load
        import ldap.dn  # noqa: PLC0415
        import ldap.filter  # noqa: PLC0415
    except ImportError as error:
        raise Unavailable("python-ldap is not installed: install arrowslit[ldap]") from error
    return ldap  # type: ignore[no-any-return]


def sign_in(directory: Ldap, folder: Path, username: str, password: str, *, own: bool) -> frozenset[str] | None:
    """The sender addresses of the login where `own` asks for them, else none; None for a wrong name or password.

    `folder` is what the directory's `ca_file` is relative to. Raises Unavailable.
    """
    if not password or not _LOGIN.fullmatch(username):
        return None
    ldap = load()
    try:
        connection = _connect(ldap, directory, folder)
        if not _bound(ldap, connection, _bind_name(ldap, directory, username), password):
            return None
        return _own_addresses(ldap, connection, directory, username) if own else frozenset()
    except ldap.LDAPError as error:
        raise Unavailable(f"{directory.url}: {_words(error)}") from error


def has_recipient(directory: Ldap, folder: Path, password: str, address: str) -> bool:
    """Whether an entry bears the mail address; `folder` as for `sign_in`. Raises Unavailable."""
    ldap = load()
    try:
        connection = _connect(ldap, directory, folder)
        if directory.bind_name:
            connection.simple_bind_s(directory.bind_name, password)
        wanted = directory.filter or "(|(mail={address})(proxyAddresses=smtp:{address}))"
        wanted = wanted.replace("{address}", ldap.filter.escape_filter_chars(address))
        return bool(_search(ldap, connection, directory.base, wanted, ["1.1"]))
    except ldap.LDAPError as error:
        raise Unavailable(f"{directory.url}: {_words(error)}") from error


def _connect(ldap: Any, directory: Ldap, folder: Path) -> Any:
    where = urlsplit(directory.url)
    connection = ldap.initialize(directory.url, bytes_mode=False)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, _TIMEOUT)
    connection.set_option(ldap.OPT_TIMEOUT, _TIMEOUT)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.protocol_version = 3
    trusted = str(folder / directory.ca_file) if directory.ca_file else ssl.get_default_verify_paths().cafile
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    if trusted:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, trusted)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # takes what was set before it
    if where.scheme == "ldap" and where.hostname not in _THIS_MACHINE:
        connection.start_tls_s()
    return connection


def _bound(ldap: Any, connection: Any, name: str, password: str) -> bool:
    try:
        connection.simple_bind_s(name, password)
    except (ldap.INVALID_CREDENTIALS, ldap.INVALID_DN_SYNTAX, ldap.NO_SUCH_OBJECT, ldap.UNWILLING_TO_PERFORM):
        return False
    return True


def _in_dn(directory: Ldap) -> bool:
    return "=" in directory.bind_name.partition("{username}")[0]


def _bind_name(ldap: Any, directory: Ldap, username: str) -> str:
    """The name to bind as. In a DN the login is escaped; `{username}@domain` (UPN) takes it as it is."""
    template = directory.bind_name or "{username}"
    return template.replace("{username}", ldap.dn.escape_dn_chars(username) if _in_dn(directory) else username)


def _own_addresses(ldap: Any, connection: Any, directory: Ldap, username: str) -> frozenset[str]:
    """The addresses of who has signed in. Where the bind was by his entry's own name it is read, without a search."""
    if _in_dn(directory) and not directory.filter:
        base = _bind_name(ldap, directory, username)
        rows = connection.search_ext_s(base, ldap.SCOPE_BASE, attrlist=list(_ADDRESS_ATTRIBUTES), timeout=_TIMEOUT)
        return frozenset(_addresses([values for _, values in rows]))
    escaped = ldap.filter.escape_filter_chars(username)
    wanted = directory.filter or (
        "(|(uid={username})(sAMAccountName={username})(userPrincipalName={username})(mail={username}))"
    )
    found = _search(ldap, connection, directory.base, wanted.replace("{username}", escaped), list(_ADDRESS_ATTRIBUTES))
    return frozenset(_addresses(found))


def _search(ldap: Any, connection: Any, base: str, wanted: str, attributes: list[str]) -> list[dict[str, list[bytes]]]:
    rows = connection.search_ext_s(base, ldap.SCOPE_SUBTREE, wanted, attributes, timeout=_TIMEOUT, sizelimit=10)
    return [values for name, values in rows if name is not None]


def _addresses(rows: list[dict[str, list[bytes]]]) -> list[str]:
    values = [value for row in rows for values in row.values() for value in values]
    texts = [value.decode("utf-8", "replace").lower() for value in values]
    return [text.removeprefix("smtp:") for text in texts if "@" in text]


def _words(error: Exception) -> str:
    """What went wrong, without what a client sent."""
    detail = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(detail.get("desc", type(error).__name__))
