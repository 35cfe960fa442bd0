"""Which policy an enforcement point should follow: what this machine's node has taken up, else the file.

The agent reads the node's copies (`documents.local_copy`) as anybody could who may read them: it takes no rules from
whoever asks it for something, only the word that it should act.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arrowslit.documents.local_copy import LocalCopies
from arrowslit.documents.packed import packed
from arrowslit.documents.settings import EnforcementPoint, Settings
from arrowslit.documents.settings_file import LoadedSettings, load_settings
from arrowslit.documents.site import POLICY_NAME, Site, load_site
from arrowslit.rollout.point import RolloutError
from arrowslit.targets.gaps import Term
from arrowslit.targets.register import target
from arrowslit.targets.rules import Rules, rules_of
from arrowslit.targets.target import CONNECT, Compiled, Origin, Place, PlaceError, compiled


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should hold at an enforcement point. `version` changes with the policy and with its networks."""

    compiled: Compiled
    origin: Origin
    place: Place
    version: str

    @property
    def rules(self) -> Rules:
        """The rules of the virtual server."""
        return rules_of(self.origin.policy, self.origin.server, self.origin.date)

    @property
    def sets_nothing(self) -> bool:
        """True where nobody is to be refused yet, and the place can't count either."""
        own = target(self.compiled.target)
        return self.rules.observes and own.scope == CONNECT and Term.OBSERVE not in own.terms

    @property
    def why_not_early(self) -> str:
        """Why dropping early would take away what the policy says about later stages (decisions 24); else empty."""
        server = self.origin.policy.virtual_servers[self.origin.server]
        if target(self.compiled.target).scope != CONNECT:
            return ""  # a mail server refuses as late as the policy says
        if server.refuse_at != "connect" and server.forward != "splice":
            return (
                f'{server.name} has refuse_at = "recipient": a follower would drop before anybody knows whose mail it'
                ' is, so it is off; write refuse_at = "connect", or apply it by hand'
            )
        return ""


@dataclass(frozen=True, slots=True)
class InForce:
    """The files of one machine."""

    settings_path: Path
    today: Callable[[], datetime.date] = lambda: datetime.datetime.now(datetime.UTC).date()

    def settings(self) -> Settings:
        """The settings. Raises RolloutError where they do not load."""
        return self._loaded().settings or Settings()

    def point(self, name: str) -> EnforcementPoint:
        """The enforcement point of that name. Raises RolloutError where there is none."""
        points = self.settings().enforcement_points
        if name not in points:
            known = ", ".join(points) or "it has none"
            raise RolloutError(f"{self.settings_path} has no [enforcement_points.{name}]: {known}")
        return points[name]

    def version(self) -> str:
        """Changes with the policy that is in force, its networks, and the day."""
        settings = self.settings()
        active = LocalCopies(settings.node.state).active()
        day = self.today().isoformat()
        if active is not None:
            return f"{active.revision}.{active.generation}.{day}"
        try:
            found = (self.settings_path.parent / POLICY_NAME).stat()
        except OSError:
            return f"none.{day}"
        return f"file.{found.st_mtime_ns}.{found.st_size}.{day}"

    def wanted(self, name: str) -> Wanted:
        """What should hold there. Raises RolloutError where the policy can't be used or can't be said there."""
        point, version, site = self.point(name), self.version(), self._site()
        policy = site.policy
        if policy is None or not site.loads or site.errors or site.broken_expectations:
            raise RolloutError("the policy may not be used as it is; see: arrowslit policy lint; arrowslit policy test")
        if point.virtual_server not in policy.virtual_servers:
            raise RolloutError(f"the policy has no virtual server {point.virtual_server}")
        named = f"revision {policy.revision}, generation {policy.generation}" if policy.revision else POLICY_NAME
        origin, place = Origin(policy, named, point.virtual_server, self.today()), place_of(name, point)
        try:
            made = compiled(target(point.target), origin, place)
        except PlaceError as error:
            raise RolloutError(str(error)) from None
        if made.gaps:
            names = ", ".join(gap.name for gap in made.gaps)
            raise RolloutError(
                f"{point.target} can't express this policy: {names}; see: arrowslit target compile {name}"
            )
        return Wanted(made, origin, place, version)

    def _site(self) -> Site:
        loaded = self._loaded()
        settings = loaded.settings or Settings()
        active = LocalCopies(settings.node.state).active()
        if active is None:
            return load_site(self.settings_path, date=self.today(), revision=0, settings_in_force=loaded)
        path = LocalCopies(settings.node.state).path(active.revision)
        return load_site(
            self.settings_path,
            path,
            date=self.today(),
            revision=active.revision,
            generation=active.generation,
            contents=packed(path, active.generation),
            settings_in_force=loaded,
        )

    def _loaded(self) -> LoadedSettings:
        loaded = load_settings(self.settings_path)
        if loaded.settings is None:
            raise RolloutError(f"{self.settings_path} does not load; see: arrowslit policy lint")
        return loaded


def place_of(name: str, point: EnforcementPoint) -> Place:
    """The place as the settings have it."""
    single = tuple(first for first, last in point.addresses.ranges() if first == last)
    return Place(name, point.ports, point.interface, single)
