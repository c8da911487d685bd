"""Notifications on their way into the inbox: those that come while others are being written are written together.

The address of a webhook is open to everybody. However many come, they take one connection of the pool and one commit
at a time, so that a storm of them keeps nobody's command waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import IntakeFull, NewId, ReceivedNotification
from infrastructure.postgres.outage import is_outage

_TOGETHER = 200
_GATHER_S = 0.02
"""Between two batches. One that comes alone is written at once; nobody waits for more than this."""
_MOST_WAITING = 2000

# No stranger is what is open here, so that news of it are awaited, nor what only repeats how it ended here, for which
# nobody has to be asked. Whatever else is said of one that has ended is looked into, too, but at the strangers' pace:
# an id is no secret, and whoever knows one could have us ask as often as he likes.
# Sorted, so that two processes which write the same contents at once meet on the first of them and cannot deadlock.
_STORE = text("""
    INSERT INTO inbox (id, payment_system, kind, event, provider_object_id, digest, body, received, stranger)
    SELECT came.*, NOT (
        EXISTS (SELECT FROM payments WHERE came.kind <> 'refund' AND payments.payment_system = came.payment_system
            AND payments.provider_payment_id = came.provider_object_id
            AND (payments.status IN ('pending', 'unknown') OR came.event = came.kind || '.' || payments.status))
        OR EXISTS (SELECT FROM refunds WHERE came.kind = 'refund' AND refunds.payment_system = came.payment_system
            AND refunds.provider_refund_id = came.provider_object_id
            AND (refunds.status IN ('pending', 'unknown') OR came.event = came.kind || '.' || refunds.status)))
    FROM unnest(
        CAST(:ids AS uuid[]), CAST(:systems AS text[]), CAST(:kinds AS text[]), CAST(:events AS text[]),
        CAST(:objects AS text[]), CAST(:digests AS bytea[]), CAST(:bodies AS text[]), CAST(:times AS integer[])
    ) AS came(id, payment_system, kind, event, provider_object_id, digest, body, received)
    ORDER BY came.payment_system, came.digest
    ON CONFLICT (payment_system, digest) DO UPDATE SET received = inbox.received + excluded.received
""")


@dataclass(frozen=True, slots=True)
class _Waiting:
    notification: ReceivedNotification
    stored: asyncio.Future[None]


class PostgresIntake:
    """Implements domain.ports.Intake."""

    def __init__(self, engine: AsyncEngine, new_id: NewId) -> None:
        self._engine = engine
        self._new_id = new_id
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(self, notification: ReceivedNotification) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            raise IntakeFull
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(notification, stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await stored

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            try:
                await self._write_some(batch)
            finally:  # a caller that was cut off waits no longer, and nobody else is left waiting
                for one in batch:
                    one.stored.cancel()
            await asyncio.sleep(_GATHER_S)

    async def _write_some(self, batch: Sequence[_Waiting]) -> None:
        try:
            await self._write([one.notification for one in batch])
        except Exception as error:  # noqa: BLE001 -- it goes to those who wait for it
            if len(batch) == 1 or is_outage(error):
                _tell(batch, error)
                return
            for one in batch:  # one of them cannot be stored: not for that are the others lost
                await self._write_some([one])
        else:
            _tell(batch, None)

    async def _write(self, notifications: Sequence[ReceivedNotification]) -> None:
        times: dict[tuple[str, bytes], int] = {}
        distinct: dict[tuple[str, bytes], ReceivedNotification] = {}
        for one in notifications:
            key = (one.payment_system, one.digest)
            times[key] = times.get(key, 0) + 1
            distinct[key] = one
        rows = list(distinct.values())
        values = {
            "ids": [self._new_id() for _ in rows],
            "systems": [one.payment_system for one in rows],
            "kinds": [one.kind for one in rows],
            "events": [one.event for one in rows],
            "objects": [one.provider_object_id for one in rows],
            "digests": [one.digest for one in rows],
            "bodies": [one.body for one in rows],
            "times": list(times.values()),
        }
        async with self._engine.begin() as connection:
            await connection.execute(_STORE, values)


def _tell(batch: Sequence[_Waiting], error: Exception | None) -> None:
    for one in batch:
        if one.stored.done():  # its caller went away
            continue
        if error is None:
            one.stored.set_result(None)
        else:
            one.stored.set_exception(error)
