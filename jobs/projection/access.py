"""Carries `access` rows of the outbox into Redis: which subscriptions of a user are active."""

from __future__ import annotations

import contextlib
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import Clock
from domain.rules import Rules
from infrastructure.postgres.reading.access import access_of
from infrastructure.postgres.reading.outbox import Outbox
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache
from infrastructure.redis.line import RedisLine, RedisUnavailable
from jobs.projection.pause import Bell, Pause

log = structlog.get_logger(__name__)
_BATCH: Final = 500


class AccessProjection:
    def __init__(self, engine: AsyncEngine, redis: RedisLine, clock: Clock, rules: Rules) -> None:
        self._engine = engine
        self._outbox = Outbox(engine, "access")
        self._cache = ActiveSubscriptionsCache(redis)
        self._clock = clock
        self._rules = rules
        self.bell = Bell()

    async def run(self) -> None:
        """Until cancelled. Raises what Postgres raises; whoever runs it starts it again."""
        pause = Pause(0.1, 1.0)
        while True:
            try:
                carried = await self.carry()
            except RedisUnavailable as error:
                log.warning("access_waits", why=str(error))
                await pause.take()
                continue
            pause.reset()
            if carried < _BATCH:
                await self.bell.wait()

    async def carry(self) -> int:
        """One batch; how many rows it was. Raises RedisUnavailable, the rows then wait as before."""
        rows = await self._outbox.claim(_BATCH)
        if not rows:
            return 0
        try:
            found = await access_of(self._engine, {row.user_id for row in rows}, self._rules)
            await self._cache.put(found, self._clock.now())
        except BaseException:
            with contextlib.suppress(Exception):  # the lease lapses by itself
                await self._outbox.release(rows)
            raise
        await self._outbox.done(rows)
        return len(rows)
