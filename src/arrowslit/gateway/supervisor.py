"""The parent process of a node: holds the listening sockets, keeps the workers alive, never touches a message.

Signals: SIGHUP reload, SIGTERM and SIGINT drain and exit (the second one: now), SIGUSR1 open log files anew, SIGUSR2
hand over to another program (`gateway.upgrade`). A reload that fails changes nothing and says why. Terms: the *plan*
is what is in force; `reload` gives the next one, for the policy that is active or for another *target*
(`gateway.following`). Never accepts a connection and never decides about mail.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from arrowslit.documents.local_copy import LocalCopies, Target
from arrowslit.gateway.alarm_sending import AlarmSending
from arrowslit.gateway.alarms import Alarms
from arrowslit.gateway.certificate_watch import CertificateWatch
from arrowslit.gateway.control import ControlServer, Verb
from arrowslit.gateway.counters import SharedCounters
from arrowslit.gateway.early_drops import EarlyDrops
from arrowslit.gateway.following import Following
from arrowslit.gateway.intents import intents_path
from arrowslit.gateway.left_behind import LeftBehind
from arrowslit.gateway.listeners import Listener, Listeners, open_listener
from arrowslit.gateway.notify import Notify
from arrowslit.gateway.plan import ListenerPlan, NodePlan
from arrowslit.gateway.pool import WorkerPool
from arrowslit.gateway.reload import apply_plan, needs_restart
from arrowslit.gateway.sessions import NodeSessions
from arrowslit.gateway.status import status, unready
from arrowslit.gateway.upgrade import Predecessor, UpgradeError, start_next
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import Birth, Worker
from arrowslit.observe.http import NodeEndpoint
from arrowslit.observe.metrics import NodeMetrics
from arrowslit.observe.writer import DecisionWriter

_METRICS: Final = "metrics"
_TURN: Final = 1.0
_EARLY_SECONDS: Final = 10.0

Reload = Callable[[Target | None], NodePlan]
"""Gives the next plan: with the policy of that target, or of the one that is active."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Supervisor:
    """One node. `reload` is called in a thread and may raise anything to refuse; `say` takes lines for the operator."""

    def __init__(
        self,
        plan: NodePlan,
        reload: Reload | None = None,
        *,
        say: Callable[[str], None] = _to_stderr,
        environment: MutableMapping[str, str] = os.environ,
    ) -> None:
        self.plan = plan
        self.since = time.time()
        self.draining = False
        self.alarms = Alarms()
        self.metrics = NodeMetrics()
        self.listeners = Listeners()
        self.counters = SharedCounters.create(plan.workers)
        self.certificates = CertificateWatch(lambda: self.plan.certificates, self.alarms, self.metrics.own)
        self._reload, self._say = reload, say
        self._sending = AlarmSending(self.alarms, say)
        self._sending.take_up(plan.alarms, plan.name)
        self._predecessor = Predecessor(environment)
        self.listeners.adopt(environment)
        self._notify = Notify()
        self._writer = DecisionWriter(plan.decision_log, plan.mail_log, journal=plan.journal, metrics=self.metrics.own)
        self._left_behind = LeftBehind(self._writer, self.metrics.own, self.alarm)
        self._early_drops = EarlyDrops(plan.name, self._writer, self.metrics.own)
        self._early_due = 0.0
        self.pool = WorkerPool(self._plan, self._birth, self._heard, self._died, self.alarm)
        self.following = Following(self._plan, self.reload, self.alarms, self.metrics, self.alarm, say)
        self._control = ControlServer(plan.control_socket, self._verbs())
        self._endpoint: NodeEndpoint | None = None
        self._endpoint_listener: Listener | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._announced = False

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Run until told to stop; 0 when every session ended by itself, else 1.

        Raises ListenerError when a listener can't be opened and OSError when the state directory can't be used.
        """
        try:
            await self._start()
            await self._stop.wait()
            return await self._drain()
        finally:
            self._control.close()
            if self._endpoint is not None:
                self._endpoint.close()
            self.listeners.close()
            self._sending.close()
            self._writer.close(time.monotonic())

    async def _start(self) -> None:
        plan = self.plan
        plan.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        added, _ = self.listeners.prepare(plan.listeners)
        self.listeners.commit(added, ())
        self._open_endpoint()
        for address in self.listeners.drop_spare():
            self.alarm("socket-not-used", f"a socket for {address} was passed on, and no listener has that address")
        self._left_behind.sweep(plan.state_directory)
        await self._control.start()
        self._catch_signals()
        self.pool.start(plan.workers)
        self.following.start()
        self._spawn(self._turns())

    def _open_endpoint(self) -> None:
        address = self.plan.metrics_address
        if address is None:
            return
        plan, key = ListenerPlan(address), f"{_METRICS} {address}"
        passed_on = self.listeners.spare(key)
        listener = Listener(key, plan, passed_on) if passed_on else open_listener(key, plan)
        self._endpoint_listener = listener
        self._endpoint = NodeEndpoint(listener.socket, self.metrics, lambda: unready(self))

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self.reload()))
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGUSR1, self.reopen)
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._spawn(self.upgrade()))

    def _spawn(self, work: Any) -> None:
        """Run a coroutine beside; what it raises goes to the loop's handler."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Drain and exit; when that is under way already: exit now."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reopen(self) -> None:
        """Log files were rotated."""
        self._writer.reopen()
        self.pool.tell_all({"do": "reopen"})

    async def _drain(self) -> int:
        self.draining = True
        seconds = self.plan.drain_seconds
        self._say(f"stopping: waiting up to {seconds:g} s for sessions to end")
        self._notify.stopping("waiting for sessions to end")
        self._notify.extend(seconds + 10)
        self.listeners.close()
        in_time = await self.pool.drain(seconds, self._hurry)
        await self.following.stop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._say("stopped" if in_time else "stopped before every session had ended")
        return 0 if in_time else 1

    # --- changes ------------------------------------------------------------------------------------------------

    async def reload(self, target: Target | None = None) -> str:
        """Take up the next plan, with the policy of `target` where one is named.

        Gives why it was refused, and then nothing has changed; empty when all is well.
        """
        if self._reload is None:
            return "this node has nothing to reload from"
        async with self._changing:
            loop = asyncio.get_running_loop()
            self._notify.reloading(time.monotonic())
            try:
                plan = await loop.run_in_executor(None, self._reload, target)
                await apply_plan(self.pool, self.listeners, self.plan, plan)
            except Exception as error:  # whatever is wrong with the new files, the old plan stays in force
                refused = str(error) or type(error).__name__
                self.alarm("reload-refused", refused)
                self._say(f"reload refused, revision {self.plan.policy.revision} stays active: {refused}")
                return refused
            finally:
                self._notify.ready(self._summary())
            self._took_up(plan)
            return ""

    def _took_up(self, plan: NodePlan) -> None:
        before, self.plan = self.plan, plan
        self.pool.took_up(plan)
        if plan.beside:
            self._remember(plan)
        self.following.took_up(before, plan)
        self.alarms.over("reload-refused")
        self._sending.take_up(plan.alarms, plan.name)
        self.certificates.again()
        for name in needs_restart(before, plan):
            self.alarm("restart-needed", f"{name} was changed; that needs a restart (SIGUSR2 loses no connection)")
        self._say(f"reloaded: revision {plan.policy.revision} is active")

    def _remember(self, plan: NodePlan) -> None:
        """What a start without the store would begin with."""
        try:
            LocalCopies(plan.state_directory).set_active(Target(plan.policy.revision, plan.policy.generation))
        except OSError as error:
            self.alarm("copies-not-written", f"{plan.state_directory}: {error.strerror or error}")

    async def upgrade(self) -> str:
        """Hand over to another program. Gives why it did not take over; empty when it did, and this node drains."""
        async with self._changing:
            sockets = {key: listener.socket.fileno() for key, listener in self.listeners.open.items()}
            if self._endpoint_listener is not None:
                sockets[self._endpoint_listener.key] = self._endpoint_listener.socket.fileno()
            try:
                pid = await start_next(self.plan.upgrade_argv, sockets)
            except UpgradeError as error:
                self.alarm("upgrade-failed", str(error))
                self._say(f"upgrade failed, this process goes on: {error}")
                return str(error)
            self._notify.main_process(pid)
            self._say(f"process {pid} has taken over")
            self.stop()
            return ""

    # --- workers ------------------------------------------------------------------------------------------------

    def _plan(self) -> NodePlan:
        return self.plan

    def _birth(self, number: int) -> Birth:
        plan = self.plan
        listeners = list(self.listeners.open.values())
        message: Message = {
            "do": "start",
            "node": plan.name,
            "worker": number,
            "workers": plan.workers,
            "parent": os.getpid(),
            "listeners": [listener.as_message() for listener in listeners],
            "counters": self.counters.place.as_message(),
            "state_directory": str(plan.state_directory),
            "intents": str(intents_path(plan.state_directory, os.getpid(), number)),
            "policy": {"path": str(plan.policy.path), "revision": plan.policy.revision},
            "settings": dict(plan.settings),
            "journal": None if plan.journal is None else str(plan.journal),
            "decision_log": None if plan.decision_log is None else str(plan.decision_log),
            "mail_log": plan.mail_log,
        }
        return Birth(plan.worker_argv, message, [self.counters.place.fd, *(at.socket.fileno() for at in listeners)])

    def _heard(self, worker: Worker, message: Message) -> None:
        what = message.get("is")
        if what == "metrics":
            self.metrics.take(worker.number, message["metrics"])
        elif what == "alarm":
            name, text, subject = (str(message[key]) for key in ("name", "text", "subject"))
            self.alarm(name, text, subject, int(message["count"]))
        elif what == "over":
            self.alarms.over(str(message["name"]), str(message["subject"]))
        elif what == "ready":
            self._announce()
        elif what == "failed" and not worker.ready:
            self.alarm("worker-start", f"worker {worker.number}: {message.get('error')}")
            self._say(f"worker {worker.number} can't start: {message.get('error')}")
            worker.kill()

    def _died(self, worker: Worker, code: int) -> None:
        self.counters.forget(worker.number)
        self.metrics.retire(worker.number)
        self._left_behind.collect(intents_path(self.plan.state_directory, os.getpid(), worker.number))
        if not self.draining:
            self.metrics.own.add("arrowslit_worker_restarts")
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            self.alarm("worker-died", f"worker {worker.number} (process {worker.pid}) ended {how}")
            self._say(f"worker {worker.number} (process {worker.pid}) ended {how}; it is started again")

    def _announce(self) -> None:
        """All workers are at work for the first time."""
        if self._announced or len(self.pool.ready()) < self.plan.workers:
            return
        self._announced = True
        for listener in self.listeners.open.values():
            self._say(f"listening on {listener.bound}")
        self._notify.ready(self._summary())
        self._predecessor.tell_ready()

    def _summary(self) -> str:
        return f"revision {self.plan.policy.revision}, {len(self.pool.ready())} workers"

    # --- what happens by itself ---------------------------------------------------------------------------------

    async def _turns(self) -> None:
        period = min(_TURN, self._notify.watchdog_seconds / 3 or _TURN)
        while True:
            self._turn(time.monotonic())
            await asyncio.sleep(period)

    def _turn(self, now: float) -> None:
        own = self.metrics.own
        self._notify.watchdog()
        self.pool.watch(asyncio.get_running_loop().time())
        self._writer.flush(now)
        for name, text in self._writer.problems().items():
            self.alarm(name, text)
        own.set("arrowslit_workers", (), len(self.pool.ready()))
        own.set("arrowslit_policy_loaded", (), float("reload-refused" not in self.alarms.names()))
        own.replace("arrowslit_revision_info", {(str(self.plan.policy.revision),): 1.0})
        own.replace("arrowslit_alarms", {(name,): 1.0 for name in self.alarms.names()})
        self._tell()
        self.following.turn()
        if self.plan.agent_counters is not None and now >= self._early_due:
            self._early_due = now + _EARLY_SECONDS
            self._spawn(self._early_drops.look(self.plan.agent_counters, time.time()))
        if self.certificates.due(now):
            self._spawn(self.certificates.look(time.time()))

    def _tell(self) -> None:
        """A mistake of ours in telling people must not keep the node from being looked after."""
        loop = asyncio.get_running_loop()
        try:
            self._sending.turn(loop.time(), time.time())
        except Exception as error:
            loop.call_exception_handler({"message": "alarms could not be sent for a fault of ours", "exception": error})

    def alarm(self, name: str, text: str, subject: str = "", count: int = 1) -> None:
        """Something that somebody must act on."""
        self.alarms.ring(name, text, time.time(), subject, count)

    async def _status(self, _request: Message) -> Message:
        return await asyncio.get_running_loop().run_in_executor(None, status, self)

    def _verbs(self) -> dict[str, Verb]:
        """What commands may ask over the control socket."""
        return {
            "status": self._status,
            "reload": self._reload_verb,
            "refresh": self._refresh,
            **NodeSessions(self.pool).verbs(),
        }

    async def _refresh(self, request: Message) -> Message:
        self.following.refresh(request.get("network"))
        return {}

    async def _reload_verb(self, _request: Message) -> Message:
        refused = await self.reload()
        if refused:
            raise ValueError(refused)
        return {"revision": self.plan.policy.revision}


def serve(plan: NodePlan, reload: Reload | None = None, *, say: Callable[[str], None] = _to_stderr) -> int:
    """Run a node in this process until it is told to stop; its exit code. Raises ListenerError and OSError."""

    async def main() -> int:
        return await Supervisor(plan, reload, say=say).run()

    return asyncio.run(main())
