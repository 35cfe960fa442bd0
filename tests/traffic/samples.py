"""Attempts for tests, and what is known of places in them."""

from __future__ import annotations

from arrowslit.mail.address_range import address_set, parse_range
from arrowslit.traffic.attempt import PERMITTED, Attempt
from arrowslit.traffic.origins import Known, Place

DAY = 86_400.0
MONDAY = 20_514
"""2026-03-02, in days since 1970."""
FILTER = "192.0.2.25"
STRANGER = "203.0.113.9"
BRANCH = "198.51.100.20"
PRINTER = "192.168.0.40"


def place(name: str, *ranges: str) -> Place:
    return Place(name, address_set(parse_range(one) for one in ranges))


KNOWN = Known(
    filters=(place("network filter", "192.0.2.0/24"),),
    listed=place("", BRANCH, "192.168.0.0/24").addresses,
    listed_names=("*.branches.example.org",),
    places=(place("network office", "192.168.0.0/24"), place("service far", "198.51.100.0/25", "203.0.113.64/26")),
)


def mail(
    client: str | None = FILTER,
    to: str | None = "bob@example.org",
    *,
    day: int = 0,
    told: str = PERMITTED,
    sender: str | None = "a@example.net",
    user: str | None = "",
    name: str | None = None,
    helo: str | None = None,
    repeats: int = 1,
    first: bool = True,
) -> Attempt:
    """One recipient, at noon of the day after MONDAY."""
    return Attempt(
        (MONDAY + day + 0.5) * DAY,
        client,
        told,
        first=first,
        client_name=name,
        helo_name=helo,
        authenticated_as=user,
        reverse_path=sender,
        forward_path=to,
        repeats=repeats,
    )
