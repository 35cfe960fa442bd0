"""Taking up another plan without losing a connection, or not at all.

The order: new listeners are opened (what fails most often fails first), then all workers take up settings, policy and
listeners, and only when every one has said so are removed listeners closed. When one refuses, the others are put
back. Never leaves workers with two policies.
"""

from __future__ import annotations

from arrowslit.gateway.listeners import Listener, Listeners
from arrowslit.gateway.plan import NodePlan
from arrowslit.gateway.pool import WorkerPool
from arrowslit.gateway.worker_link import Message
from arrowslit.gateway.workers import WorkerFailedError


async def apply_plan(pool: WorkerPool, listeners: Listeners, before: NodePlan, plan: NodePlan) -> None:
    """Bring all workers from `before` to `plan`.

    Raises ListenerError or WorkerFailedError, and then nothing has changed.
    """
    added, removed = listeners.prepare(plan.listeners)
    asked = pool.ready()
    done: list[Message] = []
    try:
        for message, undo in _steps(before, plan):
            done.append(undo)
            await pool.ask_all(message)
        await _move_listeners(pool, listeners, plan, added, removed)
    except WorkerFailedError:
        for undo in done:  # settings before the policy, which is loaded with them
            await pool.put_back(undo)
        for listener in added:
            listener.socket.close()
        raise
    pool.mark(plan, asked)
    listeners.commit(added, removed)


def needs_restart(before: NodePlan, plan: NodePlan) -> list[str]:
    """What was changed and can't be taken up by a running node."""
    fixed = {
        "the node's name": (before.name, plan.name),
        "the number of workers": (before.workers, plan.workers),
        "the state directory": (before.state_directory, plan.state_directory),
        "the address of the metrics": (before.metrics_address, plan.metrics_address),
        "the decision log": (before.decision_log, plan.decision_log),
        "the mail log": (before.mail_log, plan.mail_log),
    }
    return [name for name, (old, new) in fixed.items() if old != new]


def _steps(before: NodePlan, plan: NodePlan) -> list[tuple[Message, Message]]:
    """What workers are told, each with what takes it back."""
    steps = []
    if plan.settings != before.settings:
        steps.append((_settings(plan), _settings(before)))
    if plan.policy != before.policy or steps:
        steps.append((_policy(plan), _policy(before)))
    return steps


def _settings(plan: NodePlan) -> Message:
    return {"do": "settings", "settings": dict(plan.settings)}


def _policy(plan: NodePlan) -> Message:
    return {"do": "policy", "path": str(plan.policy.path), "revision": plan.policy.revision}


async def _move_listeners(
    pool: WorkerPool, listeners: Listeners, plan: NodePlan, added: list[Listener], removed: list[Listener]
) -> None:
    """Workers begin with what is added or has other settings, and stop accepting on what is removed."""
    changed = listeners.changed(plan.listeners)
    if not (added or removed or changed):
        return
    opened = [*added, *changed]
    message = {
        "do": "listeners",
        "open": [listener.as_message() for listener in opened],
        "close": [listener.key for listener in (*removed, *changed)],
    }
    back = [*removed, *(listeners.open[listener.key] for listener in changed)]
    try:
        await pool.ask_all(message, [listener.socket.fileno() for listener in opened])
    except WorkerFailedError:
        undo = {
            "do": "listeners",
            "open": [listener.as_message() for listener in back],
            "close": [listener.key for listener in opened],
        }
        await pool.put_back(undo, [listener.socket.fileno() for listener in back])
        raise
    listeners.commit(changed, ())
