"""Tells people of alarms: by mail, by webhook, in the system's log, and always in the node's own log.

Runs in the parent, beside its loop, and never on a message's path. Notices of the same second go out together, and
not more often than twice a minute, whatever happens. Never sends an alarm about sending.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from arrowslit.documents.alarm_routes import MailRoute
from arrowslit.documents.endpoint import Endpoint
from arrowslit.gateway.alarms import Alarms, Notice, printable
from arrowslit.gateway.courier import Courier, Errand, NotSentError
from arrowslit.gateway.deadlines import Deadlines
from arrowslit.gateway.notices import as_json, as_mail, one_line, syslog_lines
from arrowslit.gateway.plan import AlarmPlan
from arrowslit.gateway.submission import Submission, Way
from arrowslit.gateway.webhook import Webhook, WebhookError
from arrowslit.mail.mailbox import Mailbox

NOT_SENT: Final = "alarm-not-sent"
_GAP: Final = 30.0


class AlarmSending:
    """See the module. `say` takes a line for the node's own log."""

    def __init__(self, alarms: Alarms, say: Callable[[str], None], *, gap: float = _GAP) -> None:
        self._alarms, self._say, self._gap = alarms, say, gap
        self._plan, self._node = AlarmPlan(), ""
        self._deadlines = Deadlines()
        self._submission: Submission | None = None
        self._webhook = Webhook("")
        self._couriers = {name: self._courier(name) for name in ("mail", "webhook", "syslog")}
        self._next = float("-inf")

    def take_up(self, plan: AlarmPlan, node: str) -> None:
        """From now on tell those. What is under way goes where it was meant to go."""
        if plan.webhook != self._plan.webhook:
            self._webhook = Webhook(plan.webhook)
        self._plan, self._node = plan, node

    def turn(self, now: float, unix: float) -> None:
        """Tell what is due. To be called every second or so, on the loop; `now` is the loop's time."""
        self._deadlines.turn(now)
        if now >= self._next and (notices := self._alarms.due(unix)):
            self._next = now + self._gap
            for notice in notices:
                self._say(one_line(notice))
            self._dispatch(notices, now, unix)
        for courier in self._couriers.values():
            courier.turn(now)

    def close(self) -> None:
        """No more is sent."""
        for courier in self._couriers.values():
            courier.close()

    def _courier(self, name: str) -> Courier:
        return Courier(
            name,
            failed=lambda why: self._alarms.ring(NOT_SENT, f"{name}: {why}", time.time(), name),
            worked=lambda: self._alarms.over(NOT_SENT, name),
            say=lambda line: self._say(printable(line)),
        )

    def _dispatch(self, notices: list[Notice], now: float, unix: float) -> None:
        plan, node = self._plan, self._node
        for route in plan.mail:
            self._couriers["mail"].take(self._mail(route, notices, unix), now)
        if plan.webhook:
            self._couriers["webhook"].take(partial(_post, self._webhook, as_json(notices, node, unix)), now)
        if plan.syslog is not None:
            remote = isinstance(plan.syslog, Endpoint)
            lines = syslog_lines(notices, node, unix, remote=remote)
            self._couriers["syslog"].take(partial(_log, plan.syslog, lines), now)

    def _mail(self, route: MailRoute, notices: Sequence[Notice], unix: float) -> Errand:
        """The mail to one next hop, or its fallbacks. Who has it does not get it again when the others are tried."""
        plan, node = self._plan, self._node
        message = as_mail(notices, node, route.recipients, unix)
        left = list(route.recipients)

        async def errand() -> None:
            whys: list[str] = []
            for hop in route.hops:
                way = Way(hop, node, plan.folder, plan.times, plan.passwords.get(hop.name, ""))
                whys += await self._hand_in(way, left, message)
                if not left:
                    break
            if whys:
                raise NotSentError("; ".join(whys), final=not left)

        return errand

    async def _hand_in(self, way: Way, recipients: list[Mailbox], message: bytes) -> list[str]:
        """Why somebody was left out; `recipients` are then those that may be tried again."""
        if self._submission is None:
            self._submission = Submission(asyncio.get_running_loop(), self._deadlines)
        left = await self._submission.hand_in(way, recipients, message)
        recipients[:] = [one for found in left if not found.final for one in found.recipients]
        return [found.why for found in left]


async def _post(webhook: Webhook, body: bytes) -> None:
    try:
        await webhook.post(body)
    except WebhookError as error:
        raise NotSentError(str(error)) from None


async def _log(place: Path | Endpoint, lines: Sequence[bytes]) -> None:
    """Datagrams are sent or not, but never waited for."""
    family, target = _target(place)
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect(target)
            for line in lines:
                sock.send(line)
    except OSError as error:
        raise NotSentError(error.strerror or type(error).__name__) from None


def _target(place: Path | Endpoint) -> tuple[int, str | tuple[str, int]]:
    if isinstance(place, Path):
        return socket.AF_UNIX, str(place)
    family = socket.AF_INET6 if place.address.version == 6 else socket.AF_INET
    return family, (str(place.address), place.port)
