"""OpenLDAP's slapd with a small directory, on loopback. Needs no root.

    with directory({"anna": Person("anna@example.test", "secret")}) as server:
        server.uri           # ldap://127.0.0.1:PORT
        server.base          # ou=people,dc=example,dc=test
        server.dn("anna")    # uid=anna,ou=people,dc=example,dc=test

Everybody may bind; only the reader (`READER_DN`, `READER_PASSWORD`) and the person may search.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import install, process
from tests.peers.certs import Authority
from tests.peers.netns import Host
from tests.peers.process import PeerError, Running

SUFFIX = "dc=example,dc=test"
BASE = f"ou=people,{SUFFIX}"
READER_DN = f"cn=reader,{SUFFIX}"
READER_PASSWORD = "reader-secret"

CONFIG = """\
include {root}/etc/ldap/schema/core.schema
include {root}/etc/ldap/schema/cosine.schema
include {root}/etc/ldap/schema/inetorgperson.schema
modulepath {root}/usr/lib/ldap
moduleload back_mdb.so
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
{tls}
database mdb
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
directory {folder}/data
maxsize 33554432
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by self read by anonymous auth by * none
"""
TOP = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {READER_DN}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {READER_PASSWORD}

dn: {BASE}
objectClass: organizationalUnit
ou: people
"""


@dataclass(frozen=True, slots=True)
class Person:
    """What the directory knows about somebody."""

    mail: str
    password: str
    more_mail: tuple[str, ...] = ()


@dataclass(slots=True)
class Directory:
    """A running slapd."""

    running: Running
    address: str
    port: int
    tls_port: int | None
    base: str = BASE

    @property
    def uri(self) -> str:
        """Return where it listens, in plain text (and with StartTLS where it has a certificate)."""
        return f"ldap://{self.address}:{self.port}"

    @property
    def tls_uri(self) -> str:
        """Return where it listens with TLS."""
        return f"ldaps://{self.address}:{self.tls_port}"

    def dn(self, uid: str) -> str:
        """Return somebody's distinguished name."""
        return f"uid={uid},{self.base}"


@contextmanager
def directory(
    people: Mapping[str, Person],
    *,
    authority: Authority | None = None,
    host: Host | None = None,
    address: str = "127.0.0.1",
) -> Iterator[Directory]:
    """Run a slapd that knows these people; with an authority it speaks TLS too."""
    folder = Path(tempfile.mkdtemp(prefix="slapd-"))
    (folder / "data").mkdir()
    config = folder / "slapd.conf"
    config.write_text(_config(folder, authority, address))
    port = process.free_port(host, address)
    tls_port = process.free_port(host, address) if authority else None
    uris = f"ldap://{address}:{port}/" + (f" ldaps://{address}:{tls_port}/" if tls_port else "")
    argv = process.by_loader("openldap", "usr/sbin/slapd", "-d", "0", "-h", uris, "-f", str(config))
    try:
        _load(config, folder / "people.ldif", people)
        name = process.unique("slapd")
        ready = process.answers(address, port, host=host)
        with process.started(name, argv, folder / "slapd.log", ready, host=host) as running:
            yield Directory(running, address, port, tls_port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _config(folder: Path, authority: Authority | None, address: str) -> str:
    tls = ""
    if authority:
        own = authority.issue(address, "ldap.example.test")
        tls = f"TLSCertificateFile {own.certificate_file}\nTLSCertificateKeyFile {own.key_file}"
    return CONFIG.format(root=install.root("openldap"), folder=folder, tls=tls, suffix=SUFFIX, reader=READER_DN)


def _load(config: Path, ldif: Path, people: Mapping[str, Person]) -> None:
    ldif.write_text("\n".join([TOP, *(_entry(uid, person) for uid, person in people.items())]))
    # slapadd is slapd under another name, and goes by what it is called.
    argv = process.by_loader("openldap", "usr/sbin/slapd", "-T", "add", "-q", "-f", str(config), "-l", str(ldif))
    done = process.output(argv)
    if done.returncode:
        raise PeerError(f"slapadd: {done.stderr}")


def _entry(uid: str, person: Person) -> str:
    mail = "".join(f"mail: {address}\n" for address in (person.mail, *person.more_mail))
    return (
        f"dn: uid={uid},{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
        f"{mail}userPassword: {person.password}\n"
    )
