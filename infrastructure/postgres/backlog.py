"""What waits, for the metrics: counts and ages, each read by a partial index."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.observability.metrics import Backlog, Queue

_WAITING = text("""
    SELECT 'payment' AS what, status AS kind, count(*) AS waiting,
           coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(created_at)), 0) AS oldest_s
      FROM payments WHERE status IN ('pending', 'unknown') GROUP BY status
    UNION ALL
    SELECT 'refund', status, count(*), coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(created_at)), 0)
      FROM refunds WHERE status IN ('pending', 'unknown') GROUP BY status
    UNION ALL
    SELECT 'outbox', projection, count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)
      FROM outbox GROUP BY projection
    UNION ALL
    SELECT 'mail', 'owed', count(*), coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(created_at)), 0)
      FROM mails WHERE retry_by IS NOT NULL
    UNION ALL
    SELECT 'inbox', 'new', count(*), coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)
      FROM inbox WHERE retry_by IS NOT NULL
    UNION ALL
    SELECT 'charge', 'due', count(*), coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(next_charge_at)), 0)
      FROM subscriptions WHERE next_charge_at <= :now AND open_payment_id IS NULL AND NOT refunding
    UNION ALL
    SELECT 'case', kind, count(*), 0 FROM cases WHERE resolved_at IS NULL GROUP BY kind
""")


# An alert needs a nought to compare with: a figure that is not there raises none.
_OPEN = {"pending": Queue(), "unknown": Queue()}
_PROJECTIONS = {"history": Queue(), "access": Queue()}


async def read_backlog(engine: AsyncEngine, now: datetime) -> Backlog:
    """`now`: the service's time, by which charges fall due."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_WAITING, {"now": now})).all()
    found: dict[str, dict[str, Queue]] = {}
    for what, kind, waiting, oldest_s in rows:
        found.setdefault(what, {})[kind] = Queue(waiting, max(float(oldest_s), 0.0))
    return Backlog(
        open_payments=_OPEN | found.get("payment", {}),
        open_refunds=_OPEN | found.get("refund", {}),
        outbox=_PROJECTIONS | found.get("outbox", {}),
        mails_owed=found["mail"]["owed"],
        inbox_waiting=found["inbox"]["new"],
        charges_due=found["charge"]["due"],
        open_cases={kind: queue.waiting for kind, queue in found.get("case", {}).items()},
    )
