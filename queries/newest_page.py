"""The newest page of a person's payment history (20 rows, no filter): what almost every visit asks for."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.payment_history import ALL, PaymentHistory
from infrastructure.postgres.reading.access import version_of
from infrastructure.redis.line import RedisLine, RedisUnavailable
from infrastructure.redis.newest_page import NewestPageCache, key_of
from infrastructure.redis.single_flight import SingleFlight
from queries.history_page import finished_page

ROWS: Final = 20
_TRIES: Final = 3


class NewestPage:
    """Finished JSON from Redis; built from Postgres (the truth, at a version) on a miss, once however many ask."""

    def __init__(self, engine: AsyncEngine, redis: RedisLine, books: PaymentHistory) -> None:
        self._engine = engine
        self._books = books
        self._cache = NewestPageCache(redis)
        self._flights = SingleFlight(redis)

    async def of(self, user_id: UUID, *, fresh: bool = False) -> bytes:
        """`fresh`: the caller knows of a change that is taken in: a page that others began to read before won't do."""
        try:
            found = await self._cache.get(user_id)
        except RedisUnavailable:
            if fresh:
                return await self._build(user_id)
            return await self._flights.fetch(key_of(user_id), _nothing, lambda: self._build(user_id), shared=False)
        if found is not None:
            return found
        if fresh:
            return await self._fill(user_id)
        return await self._flights.fetch(
            key_of(user_id), lambda: self._cache.get(user_id), lambda: self._fill(user_id), shared=True
        )

    async def _fill(self, user_id: UUID) -> bytes:
        """The version is read before the page: one that is newer than its label is thrown away too early at worst.

        It is read once more after the write, see ActiveSubscriptions.
        """
        version = await version_of(self._engine, user_id)
        body = await self._build(user_id)
        with suppress(RedisUnavailable):
            for _ in range(_TRIES):
                await self._cache.put(user_id, version, body)
                later = await version_of(self._engine, user_id)
                if later == version:
                    break
                await self._cache.outdate([(user_id, later)])
                version, body = later, await self._build(user_id)
        return body

    async def _build(self, user_id: UUID) -> bytes:
        return finished_page(user_id, ALL, await self._books.page(user_id, ALL, None, ROWS))


async def _nothing() -> None:
    return None
