"""Locks between processes that end with whoever holds them: Postgres' advisory locks, outside of any transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_LOCK = text("SELECT true FROM pg_advisory_lock(:number)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:number)")
_UNLOCK = text("SELECT pg_advisory_unlock(:number)")


class HeldByAnother(Exception):  # noqa: N818 -- named for what happened
    """Somebody else is at it."""


@asynccontextmanager
async def exclusive(engine: AsyncEngine, number: int, *, wait: bool = True) -> AsyncIterator[None]:
    """Hold lock `number`; without `wait` raises HeldByAnother at once. A connection that dies gives it back."""
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as connection:
        if not await _asked(connection, _LOCK if wait else _TRY_LOCK, number):
            raise HeldByAnother
        try:
            yield
        finally:
            await _asked(connection, _UNLOCK, number)


async def _asked(connection: AsyncConnection, question: TextClause, number: int) -> bool:
    try:
        return bool((await connection.execute(question, {"number": number})).scalar_one())
    except BaseException:
        await connection.invalidate()  # a session that got or kept the lock in a pool would keep it for ever
        raise
