"""Checking credentials by the virtual server's back end, under the limits on failures (gateway-behaviour 2).

Back ends: own users (Argon2id, in a thread), LDAP bind (in a thread), the next hop's own AUTH (on a link that the
session then keeps). Limits are counted for the whole node, by login and by source; whoever is over them is not even
checked and gets 454, as does everybody while the back end is down: never 535.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from arrowslit.documents import users
from arrowslit.gateway import directory
from arrowslit.gateway.link import Link
from arrowslit.gateway.next_hops import NextHops
from arrowslit.gateway.search import Wanted
from arrowslit.gateway.sender import Identity
from arrowslit.mail.address import source_key
from arrowslit.policy.facts import TEMPORARY_FAILURE, Unknown
from arrowslit.policy.model import Authentication, NextHop
from arrowslit.policy.parts import Ldap
from arrowslit.session.actions import SignIn, SignInResult
from arrowslit.session.session import Session
from arrowslit.smtp.events import Credentials
from arrowslit.smtp.outcomes import Answered, Outcome, Step

_THREADS = 4
_WAITING = 64

_UNAVAILABLE = SignIn(SignInResult.UNAVAILABLE)
_WRONG = SignIn(SignInResult.WRONG)

T = TypeVar("T")
Tell = Callable[[SignIn], None]


@dataclass(slots=True)
class Limits:
    """Failures by login or by source (in 10 to 20 minutes) after which nothing is checked."""

    failures: int = 8


@dataclass(slots=True)
class SignInDesk:
    """All back ends of one worker. `secrets` are the texts of password files by name."""

    hops: NextHops
    users_file: Path
    limits: Limits
    secrets: dict[str, str] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS, "sign-in"))
    _under_way: int = 0

    def check(
        self, session: Session, identity: Identity, credentials: Credentials, keep: Callable[[Link], None], tell: Tell
    ) -> None:
        """Check, then `tell`. `keep` gets the link that the next hop's AUTH stands on, before that."""
        server = self.hops.services.node.virtual_server(session.virtual_server)
        authentication = server.authentication
        counting = self._counting(session, credentials, tell)
        if authentication is None or self._limited(session, credentials.username):
            tell(SignIn(SignInResult.LIMITED))
        elif authentication.with_ == "next_hop":
            self._ask_next_hop(server.relay_next_hop, identity, credentials, keep, counting)
        else:
            self._run(self._blocking(authentication, credentials), counting, _UNAVAILABLE)

    def has_recipient(self, hop: NextHop, address: str, tell: Callable[[bool | Unknown], None]) -> None:
        """Ask the next hop's directory for a recipient, in a thread."""
        where = hop.recipients_ldap
        if where is None:
            tell(TEMPORARY_FAILURE)
            return
        secret, folder = self.secrets.get(where.password_file, ""), self.hops.services.folder

        def ask() -> bool | Unknown:
            return directory.has_recipient(where, folder, secret, address)

        unknown: bool | Unknown = TEMPORARY_FAILURE
        self._run(ask, tell, unknown)

    # --- limits -------------------------------------------------------------------------------------------------

    def _limited(self, session: Session, username: str) -> bool:
        counters = self.hops.services.counters
        by_login, by_source = counters.sign_in_failures(
            session.node.moment.monotonic, _login(username), source_key(session.client_address)
        )
        return max(by_login, by_source) >= self.limits.failures or self._under_way >= _WAITING

    def _counting(self, session: Session, credentials: Credentials, tell: Tell) -> Tell:
        def counted(answer: SignIn) -> None:
            if answer.result is SignInResult.WRONG:
                self.hops.services.counters.sign_in_failed(
                    session.node.moment.monotonic, _login(credentials.username), source_key(session.client_address)
                )
            tell(answer)

        return counted

    # --- back ends in threads -----------------------------------------------------------------------------------

    def _blocking(self, authentication: Authentication, credentials: Credentials) -> Callable[[], SignIn]:
        where = authentication.ldap
        if authentication.with_ == "ldap" and where is not None:
            own, folder = authentication.sender_addresses == "own", self.hops.services.folder
            return lambda: _by_directory(where, folder, credentials, own=own)
        return lambda: _by_users(self.users_file, credentials)

    def _run(self, work: Callable[[], T], tell: Callable[[T], None], otherwise: T) -> None:
        self._under_way += 1
        future = self.hops.services.loop.run_in_executor(self._threads, work)
        future.add_done_callback(lambda done: self._done(done, tell, otherwise))

    def _done(self, done: asyncio.Future[T], tell: Callable[[T], None], otherwise: T) -> None:
        self._under_way -= 1
        error = done.exception()
        if error is None:
            tell(done.result())
            return
        self.hops.services.alarm("sign-in-unavailable", f"{error}" or type(error).__name__)
        tell(otherwise)

    # --- the next hop's own AUTH --------------------------------------------------------------------------------

    def _ask_next_hop(
        self,
        name: str | None,
        identity: Identity,
        credentials: Credentials,
        keep: Callable[[Link], None],
        tell: Tell,
    ) -> None:
        hop = identity.session.policy.next_hops.get(name or "")
        if hop is None or hop.tls not in ("required", "verify", "fingerprint"):
            tell(_UNAVAILABLE)
            return
        said = identity.said_to(hop)
        wanted = Wanted(hop, said.client, said.preamble, "xclient" if said.mode == "xclient" else "auth", fresh=True)

        def answered(link: Link, outcome: Outcome) -> None:
            link.on_outcome = None
            if isinstance(outcome, Answered) and outcome.step is Step.AUTH and outcome.reply.positive:
                keep(link)
                tell(SignIn(SignInResult.ACCEPTED))
                return
            link.end(polite=True)
            wrong = isinstance(outcome, Answered) and outcome.reply.code == 535
            tell(_WRONG if wrong else _UNAVAILABLE)

        def found(link: Link) -> None:
            link.on_outcome = lambda outcome: answered(link, outcome)
            link.engine.auth(credentials.username, credentials.password)
            link.go(self.hops.services.times.command)

        self.hops.search(wanted, found, lambda _outcome: tell(_UNAVAILABLE))


def _login(username: str) -> bytes:
    return username.lower().encode("utf-8", "replace")


def _by_users(path: Path, credentials: Credentials) -> SignIn:
    """Own users. Raises users.UsersError or OSError where the file is broken: then nobody is told 535."""
    fits = users.password_fits(users.read_users(path), credentials.username, credentials.password)
    return SignIn(SignInResult.ACCEPTED) if fits else _WRONG


def _by_directory(where: Ldap, folder: Path, credentials: Credentials, *, own: bool) -> SignIn:
    addresses = directory.sign_in(where, folder, credentials.username, credentials.password, own=own)
    if addresses is None:
        return _WRONG
    return SignIn(SignInResult.ACCEPTED, addresses if own else None)
