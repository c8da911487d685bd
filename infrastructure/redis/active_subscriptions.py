"""Active subscriptions of each user: one key, one JSON text with the version of the user that it shows.

    access:{user_id} → {"v":17,"s":[["<id>","premium","active",1799999999000000], …]}   ends in µs since 1970

A writer with an older version loses (invariant 8). Entries carry their ends, and the reader judges them by the
service's clock: the key's own lifetime is only housekeeping, since a held clock is none of Redis' business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from domain.access import Access, ActiveSubscription
from infrastructure.redis.line import BATCH_S, RedisLine

PREFIX: Final = "access:"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_LIFE_S: Final = (60, 3_600)
"""Shortest and longest life of a key, in seconds.

The shortest outlives any filler that read an older version. For the longest a Redis that came back with an older state,
as after a failover, can be wrong.
"""

_PUT: Final = """
local known = redis.pcall('GET', KEYS[1])
if type(known) == 'string' then
  local version = string.match(known, '^{"v":(%d+)')
  if version and tonumber(version) >= tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class ActiveSubscriptionsCache:
    """Raises RedisUnavailable from every call while Redis does not answer."""

    def __init__(self, line: RedisLine) -> None:
        self._line = line
        self._put = line.client.register_script(_PUT)

    async def get(self, user_id: UUID) -> Access | None:
        """One round trip; None for a miss, and for what nobody of ours has written."""
        try:
            text = await self._line.ask(lambda redis: redis.get(key_of(user_id)))
        except ResponseError:
            return None
        return None if text is None else _read(user_id, text)

    async def put(self, found: Iterable[Access], now: datetime) -> None:
        """Write several users' in one round trip; each loses against the same or a later version."""
        entries = list(found)
        if not entries:
            return

        async def write(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for access in entries:
                    await self._put(
                        keys=[key_of(access.user_id)],
                        args=[access.version, _written(access), _life_ms(access, now)],
                        client=pipeline,
                    )
                await pipeline.execute()

        await self._line.ask(write, at_most_s=BATCH_S)

    async def forget_all(self) -> None:
        """Remove every key, for a rebuild. What is asked for meanwhile is filled from Postgres."""
        await forget(self._line, f"{PREFIX}*")


async def forget(line: RedisLine, pattern: str) -> None:
    """Remove the keys of a pattern, a thousand at a time."""

    async def remove(redis: Redis, cursor: int) -> int:
        cursor, keys = await redis.scan(cursor, match=pattern, count=1000)
        if keys:
            await redis.unlink(*keys)
        return cursor

    cursor = await line.ask(partial(remove, cursor=0))
    while cursor:
        cursor = await line.ask(partial(remove, cursor=cursor))


def key_of(user_id: UUID) -> str:
    return f"{PREFIX}{user_id}"


def _written(access: Access) -> str:
    rows = [
        [str(one.id), one.plan_code, one.status, (one.ends_at - _EPOCH) // _INSTANT] for one in access.subscriptions
    ]
    return json.dumps({"v": access.version, "s": rows}, separators=(",", ":"))


def _read(user_id: UUID, text: bytes | str) -> Access | None:
    try:
        value = json.loads(text)
        return Access(
            user_id,
            value["v"],
            [
                ActiveSubscription(UUID(id_), plan_code, status, _EPOCH + timedelta(microseconds=ends))
                for id_, plan_code, status, ends in value["s"]
            ],
        )
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
        return None


def _life_ms(access: Access, now: datetime) -> int:
    shortest, longest = _LIFE_S
    left = min(((one.ends_at - now).total_seconds() for one in access.subscriptions if one.ends_at > now), default=None)
    seconds = longest if left is None else min(max(left, shortest), longest)
    return int(seconds * 1000)
