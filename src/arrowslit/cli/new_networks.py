"""Networks that a policy asks for and the store knows nothing of yet: asked before the policy is judged.

So lint, expectations and rehearsal see the true addresses, and a filter is not refused for the first second. They are
in the store before the revision is, and are taken out again where the revision does not come about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.output import escaped

if TYPE_CHECKING:
    from arrowslit.documents.settings import Settings
    from arrowslit.policy.parts import Network
    from arrowslit.store.database import Database
    from arrowslit.store.values import NetworkState
    from arrowslit.upkeep.living import Refreshed


class NewNetworks:
    """Asks at once; `states` are those of the store with what was found."""

    def __init__(self, database: Database, settings_path: Path, settings: Settings, text: str) -> None:
        self._database = database
        self._before = database.networks.states()
        self._made = self._ask(settings_path, settings, text)
        self.states: Mapping[str, NetworkState] = self._before
        if self._made:
            from arrowslit.upkeep.networks import states_of  # noqa: PLC0415

            self.states = states_of(self._made, time.time(), self._before)

    def _ask(self, settings_path: Path, settings: Settings, text: str) -> list[Refreshed]:
        from arrowslit.documents.toml import TomlError  # noqa: PLC0415
        from arrowslit.networks.ask import described  # noqa: PLC0415
        from arrowslit.networks.resolver import Resolver  # noqa: PLC0415
        from arrowslit.upkeep.living import ask_all, contents_of, judged, living, policy_of  # noqa: PLC0415

        try:
            policy = policy_of(text)
        except TomlError:
            return []
        networks: dict[str, Network] = {} if policy is None else living(policy)
        new = {
            name: network
            for name, network in networks.items()
            if contents_of(self._before.get(name)).described != described(network)
        }
        if policy is None or not new:
            return []
        answers = asyncio.run(ask_all(new, Resolver(settings.dns.servers), settings_path.parent))
        return judged(policy, new, answers, self._before, time.time())

    def must_be_known(self) -> None:
        """A network without any address would refuse those whom it should let in."""
        for one in self._made:
            if not len(one.outcome.contents.accepted) and not one.network.pinned:
                why = "; ".join(source.problem for source in one.outcome.contents.sources.values() if source.problem)
                message = f"no address is known of network {one.network.name}: {escaped(why)}; nothing was changed"
                raise ProblemError(message, ExitCode.FAILED, "try again, or pin its addresses: addresses = [ ... ]")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put them into the store, and take them out again where what is done within fails."""
        from arrowslit.upkeep.living import write  # noqa: PLC0415

        head = self._database.revisions.head()
        if not self._made or head is None:
            yield
            return
        head = write(self._database, head, self._made, time.time())
        try:
            yield
        except BaseException:
            names = [one.network.name for one in self._made]
            old = [self._before[name] for name in names if name in self._before]
            gone = [name for name in names if name not in self._before]
            self._database.networks.write(old, (), expected_generation=head.generation, forget=gone)
            raise
