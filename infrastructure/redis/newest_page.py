"""The newest page of each user's payment history as finished JSON, which is served byte for byte.

    page:{user_id} → hash: v = version of the user that it shows, body = the JSON

Whoever changes the history outdates the page: its body goes, its version stays for as long as a reader may still
be filling in an older one, which then loses. So a page that nobody looks at costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Final, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from infrastructure.redis.active_subscriptions import forget
from infrastructure.redis.line import BATCH_S, RedisLine

PREFIX: Final = "page:"
_LIFE_MS: Final = 3_600_000
_OUTDATED_MS: Final = 60_000

_PUT: Final = """
local known = redis.pcall('HMGET', KEYS[1], 'v', 'body')
if known.err then redis.call('DEL', KEYS[1]) known = {} end
local version = tonumber(known[1] or -1)
local mine = tonumber(ARGV[1])
if version > mine or (version == mine and known[2]) then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 'body', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_OUTDATE: Final = """
local known = redis.pcall('HGET', KEYS[1], 'v')
if type(known) == 'table' then redis.call('DEL', KEYS[1]) known = false end
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('HDEL', KEYS[1], 'body')
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class NewestPageCache:
    """Raises RedisUnavailable from every call while Redis does not answer."""

    def __init__(self, line: RedisLine) -> None:
        self._line = line
        self._put = line.client.register_script(_PUT)
        self._outdate = line.client.register_script(_OUTDATE)

    async def get(self, user_id: UUID) -> bytes | None:
        """The finished JSON in one round trip, or None."""
        try:
            body = await self._line.ask(lambda redis: _awaited(redis.hget(key_of(user_id), "body")))
        except ResponseError:
            return None
        return cast("bytes | None", body)  # this client does not decode

    async def put(self, user_id: UUID, version: int, body: bytes) -> None:
        """Keep a page; loses against a later version."""
        await self._line.ask(lambda _: self._put(keys=[key_of(user_id)], args=[version, body, _LIFE_MS]))

    async def outdate(self, versions: Iterable[tuple[UUID, int]]) -> None:
        """Say that the users' histories are at these versions now: older pages are not served any more."""
        entries = list(versions)
        if not entries:
            return

        async def write(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for user_id, version in entries:
                    await self._outdate(keys=[key_of(user_id)], args=[version, _OUTDATED_MS], client=pipeline)
                await pipeline.execute()

        await self._line.ask(write, at_most_s=BATCH_S)

    async def forget_all(self) -> None:
        await forget(self._line, f"{PREFIX}*")


def _awaited(answer: Awaitable[Any] | Any) -> Awaitable[Any]:
    """redis-py types one signature for both of its clients; ours is the asyncio one."""
    return cast("Awaitable[Any]", answer)


def key_of(user_id: UUID) -> str:
    return f"{PREFIX}{user_id}"
