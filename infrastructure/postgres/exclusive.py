"""Locks between processes that end with whoever holds them: Postgres' advisory locks, outside of any transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


class HeldByAnother(Exception):  # noqa: N818 -- named for what happened
    """Somebody else is at it."""


@asynccontextmanager
async def exclusive(engine: AsyncEngine, number: int, *, wait: bool = True) -> AsyncIterator[None]:
    """Hold lock `number`; without `wait` raises HeldByAnother at once. A connection that dies gives it back."""
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with autocommit.connect() as connection:
        if wait:
            await connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
        elif not (
            await connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number})
        ).scalar_one():
            raise HeldByAnother
        try:
            yield
        finally:
            try:
                await connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})
            except BaseException:
                await connection.invalidate()  # a session that kept the lock in a pool would keep it for ever
                raise
