"""Holds what a reader made of a log against the truth: what clients asked of the server, and were answered.

    hold(attempts, asked, truth, may_lack={PERMITTED: {"helo_name"}, ...})

Each attempt must fit one recipient that was asked for: every fact of it is right or None, and None only where
`may_lack` names the fact for what was told. Each recipient must be found, save those that `lost` says the log leaves
out.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from arrowslit.traffic.attempt import PERMITTED, REFUSED, REFUSED_OTHERWISE, Attempt
from arrowslit.traffic.formats.register import format_of, recognised
from arrowslit.traffic.reader import Piece
from arrowslit.traffic.tally import Tally
from tests.traffic.mixed_traffic import SITE, Asked, Site
from tests.traffic.rehearsed_alike import rehearsed_alike

FACTS = ("client_address", "helo_name", "tls", "authenticated_as", "reverse_path", "forward_path")


def read_real(text: str, name: str = "", reference: float | None = None) -> tuple[list[Attempt], Tally]:
    """The attempts in a log that was just written, in a format that is recognised or named."""
    lines = text.encode(errors="surrogateescape").split(b"\n")[:-1]
    found = format_of(name) if name else recognised([line.decode("utf-8", "replace") for line in lines[:200]])
    assert found is not None, "the format was not recognised"
    reader = found.make()
    reader.begin(Piece("log", reference or datetime.datetime.now(datetime.UTC).timestamp()))
    attempts = [*reader.read(lines, 1), *reader.end()]
    assert reader.tally.read == len(lines)
    return attempts, reader.tally


def truth_of(site: Site) -> Callable[[Asked], str]:
    """What became of a recipient on a server that does as `site` says, and asks for access before all else."""

    def told(one: Asked) -> str:
        if one.accepted:
            return PERMITTED
        # Syntax comes before access.
        return REFUSED if not site.permits(one) and one.reply[:3] not in {"500", "501", "553"} else REFUSED_OTHERWISE

    return told


def hold(
    attempts: Sequence[Attempt],
    asked: Sequence[Asked],
    truth: Callable[[Asked], str],
    *,
    may_lack: Mapping[str, Set[str]],
    lost: Callable[[Asked], bool] = lambda _: False,
) -> list[tuple[Attempt, Asked]]:
    """Which attempt tells of whom. Fails with the first attempt that fits nobody or lacks too much, or the first
    recipient that nobody tells of.
    """
    left, pairs = list(asked), []
    for attempt in sorted(attempts, key=lambda one: sum(getattr(one, name) is None for name in FACTS)):
        fitting = [one for one in left if _fits(attempt, one, truth(one))]
        assert fitting, f"nobody asked for this: {attempt}\n" + _near(attempt, left)
        # Of recipients that fit equally well one that must be found is taken first.
        chosen = min(fitting, key=lost)
        left.remove(chosen)
        pairs.append((attempt, chosen))
        lacks = {name for name in FACTS if getattr(attempt, name) is None}
        wanted = may_lack.get(attempt.told, frozenset())
        assert lacks <= wanted, f"{lacks - wanted} is not told: {attempt}"
    missed = [one for one in left if not lost(one)]
    assert not missed, f"{len(missed)} are missing, the first is {missed[0]}"
    rehearsed_alike(SITE, pairs)
    return pairs


def _facts(one: Asked) -> dict[str, Any]:
    return {
        "client_address": one.client_address,
        "helo_name": one.helo_name,
        "tls": one.tls,
        "authenticated_as": one.authenticated_as,
        "reverse_path": one.reverse_path,
        "forward_path": one.path,
    }


def _fits(attempt: Attempt, one: Asked, told: str) -> bool:
    if attempt.told != told:
        return False
    return all(
        (found := getattr(attempt, name)) is None or _same(found, wanted) for name, wanted in _facts(one).items()
    )


def _same(found: Any, wanted: Any) -> bool:
    return bool(
        found.lower() == wanted.lower() if isinstance(found, str) and isinstance(wanted, str) else found == wanted
    )


def _near(attempt: Attempt, left: Sequence[Asked]) -> str:
    return "\n".join(str(one) for one in left if one.client_address == attempt.client_address)[:3000]
