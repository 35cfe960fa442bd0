"""What asking a source comes to: addresses, or why there are none for now. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from arrowslit.mail.address_set import EMPTY, AddressSet


@dataclass(frozen=True, slots=True)
class Found:
    """`warnings` are for an administrator; `seconds` is how long the answer holds, None where nobody says."""

    addresses: AddressSet = EMPTY
    warnings: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The source gave nothing that could be used; what it gave before stays. `why` is for an administrator."""

    why: str


Answer = Found | Failed


def together(answers: list[Answer]) -> Answer:
    """All of them as one; a single failure is the failure of all, since half a list is no list."""
    for answer in answers:
        if isinstance(answer, Failed):
            return answer
    found = [answer for answer in answers if isinstance(answer, Found)]
    times = [one.seconds for one in found if one.seconds is not None]
    warnings = tuple(dict.fromkeys(warning for one in found for warning in one.warnings))
    return Found(EMPTY.union(*(one.addresses for one in found)), warnings, min(times, default=None))
