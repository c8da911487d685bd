"""Which subscriptions give a user access now: what the auth service asks before each token (AUTH-2)."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.access import Access, still_active
from domain.ports import Clock
from domain.rules import Rules
from infrastructure.postgres.reading.access import access_of, version_of
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache, key_of
from infrastructure.redis.line import RedisLine, RedisUnavailable
from infrastructure.redis.single_flight import SingleFlight

_TRIES: Final = 3


class ActiveSubscriptions:
    """Redis in one round trip; Postgres on a miss, once however many ask, and while Redis is down."""

    def __init__(self, engine: AsyncEngine, redis: RedisLine, clock: Clock, rules: Rules) -> None:
        self._engine = engine
        self._cache = ActiveSubscriptionsCache(redis)
        self._flights = SingleFlight(redis)
        self._clock = clock
        self._rules = rules

    async def of(self, user_id: UUID, *, fresh: bool = False, from_books: bool = False) -> Access:
        """Those that have not ended, by the service's clock; version 0 for who is not known.

        `fresh`: the caller knows of a change that the projection has taken in: what others began to read before it
        is not good enough. `from_books`: one that it has not: Postgres is asked whatever Redis says.
        """
        found = await (self._book(user_id) if from_books else self._cached(user_id, fresh=fresh))
        return Access(user_id, found.version, still_active(found.subscriptions, self._clock.now()))

    async def _cached(self, user_id: UUID, *, fresh: bool) -> Access:
        try:
            found = await self._cache.get(user_id)
        except RedisUnavailable:
            if fresh:
                return await self._book(user_id)
            return await self._flights.fetch(key_of(user_id), _nothing, lambda: self._book(user_id), shared=False)
        if found is not None:
            return found
        if fresh:
            return await self._fill(user_id)
        return await self._flights.fetch(
            key_of(user_id), lambda: self._cache.get(user_id), lambda: self._fill(user_id), shared=True
        )

    async def _book(self, user_id: UUID) -> Access:
        return (await access_of(self._engine, [user_id], self._rules))[0]

    async def _fill(self, user_id: UUID) -> Access:
        """Loses against what the projector wrote meanwhile. Redis may have been emptied between that and our write,

        so the version is looked at once more: what was changed before our write is seen here, what is changed after
        it is written after it.
        """
        found = await self._book(user_id)
        with suppress(RedisUnavailable):
            for _ in range(_TRIES):
                await self._cache.put([found], self._clock.now())
                if await version_of(self._engine, user_id) == found.version:
                    break
                found = await self._book(user_id)
        return found


async def _nothing() -> None:
    return None
