"""Many ask for one missing value, one fetches it: within a process by a shared future, between processes by a lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from infrastructure.redis.line import RedisLine, RedisUnavailable

T = TypeVar("T")
_LOCK_MS: Final = 2000
_LOOK_AGAIN_S: Final = 0.01
_WAIT_S: Final = 1.0
_UNLOCK: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class SingleFlight:
    """`fetch` runs once however many callers miss the same key at the same time."""

    def __init__(self, line: RedisLine) -> None:
        self._line = line
        self._flights: dict[str, asyncio.Task[object]] = {}

    async def fetch(
        self, key: str, look: Callable[[], Awaitable[T | None]], fetch: Callable[[], Awaitable[T]], *, shared: bool
    ) -> T:
        """The value that `look` finds in the cache or `fetch` brings (and stores).

        `shared`: another process may be at it, so its lock is respected; False where Redis is down.
        Raises whatever `fetch` raises, to everybody who waits for it.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(key, look, fetch) if shared else _run(fetch))
            self._flights[key] = flight
            flight.add_done_callback(lambda task: self._landed(key, task))
        # A caller that hangs up must not take the fetch away from the others.
        return cast("T", await asyncio.shield(flight))  # a key is always asked for with one type

    def _landed(self, key: str, flight: asyncio.Task[object]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # all who waited may have gone: what went wrong is not reported as unseen

    async def _fly(
        self, key: str, look: Callable[[], Awaitable[T | None]], fetch: Callable[[], Awaitable[T]]
    ) -> object:
        lock, mine = f"{key}:filling", uuid4().hex
        try:
            taken = await self._line.ask(lambda redis: redis.set(lock, mine, nx=True, px=_LOCK_MS))
            if not taken:
                found = await self._wait_for_another(look)
                if found is not None:
                    return found
        except (RedisUnavailable, ResponseError):
            return await fetch()
        try:
            return await fetch()
        finally:
            if taken:
                await self._unlock(lock, mine)

    async def _wait_for_another(self, look: Callable[[], Awaitable[T | None]]) -> T | None:
        give_up_at = asyncio.get_running_loop().time() + _WAIT_S
        while asyncio.get_running_loop().time() < give_up_at:
            await asyncio.sleep(_LOOK_AGAIN_S)
            found = await look()
            if found is not None:
                return found
        return None

    async def _unlock(self, lock: str, mine: str) -> None:
        async def unlock(redis: Redis) -> object:
            return await redis.eval(_UNLOCK, 1, lock, mine)  # type: ignore[misc] # typed for both kinds of client

        try:
            await self._line.ask(unlock)
        except (RedisUnavailable, ResponseError):
            return  # it lapses by itself


async def _run(fetch: Callable[[], Awaitable[T]]) -> object:
    return await fetch()
