"""Looks once a day, and whenever files were taken up, how long the certificates in use are still valid.

What is wrong becomes an alarm whose subject is the certificate's purpose; it is over once the file there is good.
Never changes what is in use: a certificate that has ended goes on being shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from arrowslit.documents.certificates import ALARMED, DAY, CertificateUse, Term, term
from arrowslit.gateway.alarms import Alarms
from arrowslit.observe.metrics import Metrics

STATES: Final = ("certificate-ends", "certificate-expired", "certificate-not-yet-valid", "certificate-unreadable")
_ENDS: Final = "arrowslit_certificate_expires_timestamp_seconds"


class CertificateWatch:
    """See the module. `uses` gives the certificates in use now."""

    def __init__(self, uses: Callable[[], Sequence[CertificateUse]], alarms: Alarms, metrics: Metrics) -> None:
        self._uses, self._alarms, self._metrics = uses, alarms, metrics
        self._terms: list[Term] = []
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """Whether it is time for `look`, by a clock that only goes forward; then not again for a day."""
        if now < self._next:
            return False
        self._next = now + DAY
        return True

    def again(self) -> None:
        """Other files are in use, or the same with other content."""
        self._next = float("-inf")

    async def look(self, unix: float) -> None:
        """Read all files, in a thread, and judge them as of `unix`."""
        uses = tuple(self._uses())
        self.judge(await asyncio.get_running_loop().run_in_executor(None, lambda: [term(use) for use in uses]), unix)

    def judge(self, terms: list[Term], unix: float) -> None:
        """Raise, or end, the alarms."""
        self._terms = terms
        bad = {one.use.purpose for one in terms if one.state(unix, ALARMED)}
        for state in STATES:
            wrong = {one.use.purpose: one for one in terms if one.state(unix, ALARMED) == state}
            for purpose, one in wrong.items():
                self._alarms.ring(state, one.says(unix), unix, purpose)
            self._alarms.over_except(state, set(wrong), quietly=bad)
        self._metrics.replace(_ENDS, {(one.use.purpose,): one.ends for one in terms if not one.problem})

    def as_message(self, unix: float) -> list[dict[str, Any]]:
        """For `arrowslit status`: purpose, file, begin and end (Unix seconds), and what is wrong, if anything."""
        return [
            {
                "purpose": one.use.purpose,
                "file": str(one.use.path),
                "begins": None if one.problem else one.begins,
                "ends": None if one.problem else one.ends,
                "wrong": one.state(unix),
                "text": one.says(unix),
            }
            for one in list(self._terms)
        ]
