"""Which metrics a record counts in. Labels are names of ours only: reasons, stages, next hops."""

from __future__ import annotations

from arrowslit.observe.metrics import Metrics
from arrowslit.observe.record import Record


def count(metrics: Metrics, record: Record) -> None:
    """Count one record."""
    reason = record.reason or ""
    if record.kind == "decision":
        metrics.decision(record.action, record.stage or "", reason)
    elif record.kind == "delivery":
        metrics.add("arrowslit_deliveries", (record.outcome or "",))
        if record.outcome == "delivered" and record.message_bytes:
            metrics.add("arrowslit_message_bytes", (), record.message_bytes)
    elif record.kind == "sign-in":
        metrics.add("arrowslit_sign_ins", (reason.removeprefix("sign-in-"),))
    else:
        metrics.add("arrowslit_faults", (reason,))
