"""Idempotency keys in Postgres: claimed with the intent, the reply kept with the change (invariant 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, and_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import Call, KeptCall, KeyTaken, Present, Reply
from infrastructure.json_text import dump
from infrastructure.postgres.consistency import encode
from infrastructure.postgres.line import Prepared
from infrastructure.postgres.tables import idempotency_keys as keys
from infrastructure.postgres.unit_of_work import PostgresUnitOfWork, Transactions
from infrastructure.postgres.wall import WALL_NOW

LEASE = timedelta(seconds=30)
"""Longer than a request may take: after it the next try of the same key goes on with what this one began."""


_IS_IT = and_(
    keys.c.caller == bindparam("its_caller"), keys.c.route == bindparam("its_route"), keys.c.key == bindparam("its_key")
)
_CLAIM = Prepared(insert(keys).values(leased_until=WALL_NOW + LEASE).on_conflict_do_nothing().returning(keys.c.key))
# Only the first reply: a request that outlived its lease must not take back what was said to its repetition.
_KEEP = Prepared(update(keys).where(_IS_IT, keys.c.reply_status.is_(None)).returning(keys.c.key))
_FIND = select(keys, (keys.c.leased_until > WALL_NOW).label("running")).where(_IS_IT)
_TAKE_OVER = (
    update(keys)
    .where(_IS_IT, keys.c.leased_until <= WALL_NOW, keys.c.reply_status.is_(None))
    .values(leased_until=WALL_NOW + LEASE)
    .returning(keys.c.key)
)
_LET_GO = Prepared(update(keys).where(_IS_IT, keys.c.reply_status.is_(None)).values(leased_until=WALL_NOW))


def _place(call: Call) -> dict[str, Any]:
    return {"its_caller": call.caller, "its_route": call.route, "its_key": call.key}


def _reply_in(row: RowMapping) -> Reply | None:
    if row["reply_status"] is None:
        return None
    return Reply(row["reply_status"], row["reply_body"], row["reply_headers"], replayed=True)


@dataclass(slots=True)
class CallTransactions:
    """The transactions of one call; implements domain.ports.KeyedTransactions."""

    call: Call
    present: Present
    inner: Transactions
    reply: Reply | None = None
    _operation_id: UUID | None = field(default=None)

    def goes_on_with(self, operation_id: UUID) -> None:
        self._operation_id = operation_id

    async def let_go(self) -> None:
        async with self.inner() as uow:
            await uow.line.change(_LET_GO, _place(self.call))

    @asynccontextmanager
    async def first(self) -> AsyncIterator[PostgresUnitOfWork]:
        async with self.inner(self._claim, self._keep) as uow:
            yield uow

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PostgresUnitOfWork]:
        async with self.inner(None, self._keep) as uow:
            yield uow

    async def _claim(self, uow: PostgresUnitOfWork) -> None:
        # A second request waits here, on the index, until the first has committed or rolled back.
        new = {
            "caller": self.call.caller,
            "route": self.call.route,
            "key": self.call.key,
            "fingerprint": self.call.fingerprint,
            "created_at": uow.now,
        }
        if await uow.line.value(_CLAIM, new) is None:
            raise KeyTaken

    async def _keep(self, uow: PostgresUnitOfWork) -> None:
        kept: dict[str, Any] = {}
        if uow.result is not None:
            status, body = await self.present(uow.result, uow.documents)
            owed = await uow.owed_to_projections()
            headers = {"Consistency-Token": encode(owed.first, owed.last)}
            self.reply = Reply(status, dump(body) if status != 204 else b"", headers)
            kept = {
                "reply_status": status,
                "reply_body": self.reply.body,
                "reply_headers": dict(self.reply.headers),
            }
        elif self._operation_id is not None:
            kept = {"operation_id": self._operation_id}
        if kept and await uow.line.value(_KEEP, _place(self.call) | kept) is None:
            row = (await uow.connection.execute(_FIND, _place(self.call))).mappings().one_or_none()
            self.reply = (_reply_in(row) if row is not None else None) or self.reply


@dataclass(frozen=True, slots=True)
class PostgresIdempotencyKeys:
    """Implements domain.ports.IdempotencyKeys for the calls of one actor."""

    engine: AsyncEngine
    inner: Transactions

    async def find(self, call: Call) -> KeptCall | None:
        async with self.engine.connect() as connection:
            row = (await connection.execute(_FIND, _place(call))).mappings().one_or_none()
        if row is None:
            return None
        return KeptCall(row["fingerprint"], _reply_in(row), row["running"], row["operation_id"])

    async def take_over(self, call: Call) -> bool:
        """Take the lease of a request that has died; False where somebody else was quicker."""
        async with self.engine.begin() as connection:
            return (await connection.execute(_TAKE_OVER, _place(call))).scalar_one_or_none() is not None

    def transactions(self, call: Call, present: Present) -> CallTransactions:
        return CallTransactions(call, present, self.inner)
