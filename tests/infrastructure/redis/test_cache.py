"""Redis speeds up and never misleads: late writers lose, many misses are one read, an outage costs no time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.access import Access, ActiveSubscription
from domain.rules import Rules
from infrastructure.local.throwaway import throwaway_valkey
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres import tables
from infrastructure.postgres.reading.payment_history import PostgresPaymentHistory
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache, key_of
from infrastructure.redis.line import RedisLine, RedisUnavailable
from infrastructure.redis.newest_page import NewestPageCache
from queries.active_subscriptions import ActiveSubscriptions
from queries.newest_page import NewestPage
from tests.queries.api_client import HandClock
from tests.queries.books import NOW, Books


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[RedisLine]:
    line = RedisLine(valkey.url, pause_s=0.1)
    yield line
    await line.close()


def access(user: UUID, version: int, ends_at: datetime = NOW + timedelta(days=20)) -> Access:
    return Access(user, version, [ActiveSubscription(uuid4(), "premium", "active", ends_at)])


async def test_what_is_put_in_comes_out_to_the_microsecond(redis: RedisLine) -> None:
    cache, kept = (
        ActiveSubscriptionsCache(redis),
        access(uuid4(), 5, datetime(2026, 1, 1, 1, 1, 1, 999_999, tzinfo=UTC)),
    )
    await cache.put([kept], NOW)
    assert await cache.get(kept.user_id) == kept


async def test_a_writer_with_an_older_version_loses(redis: RedisLine) -> None:
    cache, user = ActiveSubscriptionsCache(redis), uuid4()
    for version in (9, 10, 5, 9):
        await cache.put([access(user, version)], NOW)
    found = await cache.get(user)
    assert found is not None
    assert found.version == 10


async def test_a_page_that_was_read_before_a_change_is_not_kept_after_it(redis: RedisLine) -> None:
    pages, user = NewestPageCache(redis), uuid4()
    await pages.put(user, 5, b"five")
    await pages.outdate([(user, 6)])
    assert await pages.get(user) is None
    await pages.put(user, 5, b"five again, by a slow reader")
    assert await pages.get(user) is None
    await pages.put(user, 6, b"six")
    await pages.outdate([(user, 6)])
    assert await pages.get(user) == b"six"


@pytest.mark.parametrize(
    "junk", [b"", b"{}", b"[]", b'{"v":1,"s":[[1,2,3,4]]}', b'{"v":1,"s":[["x"]]}', b"\xff", b"null"]
)
async def test_what_nobody_of_ours_wrote_is_a_miss_and_is_replaced(redis: RedisLine, junk: bytes) -> None:
    cache, user = ActiveSubscriptionsCache(redis), uuid4()
    await redis.client.set(key_of(user), junk)
    assert await cache.get(user) is None
    await cache.put([access(user, 2)], NOW)
    assert await cache.get(user) is not None


async def test_keys_of_another_kind_are_a_miss_and_are_replaced(redis: RedisLine) -> None:
    cache, pages, user = ActiveSubscriptionsCache(redis), NewestPageCache(redis), uuid4()
    await redis.client.lpush(key_of(user), "x")  # type: ignore[misc] # typed for both kinds of client
    await redis.client.set(f"page:{user}", "x")
    assert await cache.get(user) is None
    assert await pages.get(user) is None
    await cache.put([access(user, 2)], NOW)
    await pages.put(user, 2, b"page")
    assert await cache.get(user) is not None
    assert await pages.get(user) == b"page"


@pytest.mark.parametrize(
    ("ends_in", "life_s"), [(timedelta(seconds=1), 60), (timedelta(minutes=30), 1800), (timedelta(days=40), 3600)]
)
async def test_a_key_lives_until_the_earliest_end_within_bounds(
    redis: RedisLine, ends_in: timedelta, life_s: int
) -> None:
    user = uuid4()
    await ActiveSubscriptionsCache(redis).put([access(user, 1, NOW + ends_in)], NOW)
    assert life_s - 5 <= await redis.client.ttl(key_of(user)) <= life_s


async def test_many_who_miss_are_one_read_of_postgres(engine: AsyncEngine, valkey: EmbeddedValkey) -> None:
    books = Books(engine)
    user = await books.person()
    await books.subscription(user, await books.plan())
    lines = [RedisLine(valkey.url) for _ in range(3)]  # three processes
    services = [ActiveSubscriptions(engine, line, HandClock(NOW), Rules()) for line in lines]
    reads = 0

    def count(*args: object) -> None:
        nonlocal reads
        reads += "FROM users LEFT OUTER JOIN subscriptions" in str(args[2])

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    try:
        found = await asyncio.gather(*(services[n % 3].of(user) for n in range(300)))
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", count)
    assert {len(one.subscriptions) for one in found} == {1}
    assert reads == 1
    for line in lines:
        await line.close()


async def test_a_change_between_reading_and_filling_in_is_noticed_though_redis_was_emptied_then(
    engine: AsyncEngine, redis: RedisLine
) -> None:
    books = Books(engine)
    user = await books.person()
    subscription = await books.subscription(user, await books.plan())
    service = ActiveSubscriptions(engine, redis, HandClock(NOW), Rules())
    put, changed = service._cache.put, False

    async def change_first(found: list[Access], now: datetime) -> None:
        nonlocal changed
        if not changed:
            changed = True
            await books.set(tables.subscriptions, subscription, status="canceled", ended_at=NOW)
            await books.changed(user, access=True)
        await put(found, now)

    service._cache.put = change_first  # type: ignore[method-assign, assignment] # the moment can't be hit otherwise
    await service.of(user)
    assert (await service.of(user)).subscriptions == []


async def test_a_redis_that_hangs_costs_one_short_wait_and_postgres_answers(engine: AsyncEngine) -> None:
    books = Books(engine)
    user = await books.person()
    subscription = await books.subscription(user, await books.plan())
    await books.payment(user, subscription)
    with throwaway_valkey() as own:
        line = RedisLine(own.url, patience_s=0.2, pause_s=0.3)
        service = ActiveSubscriptions(engine, line, HandClock(NOW), Rules())
        pages = NewestPage(engine, line, PostgresPaymentHistory(engine, "http://billing.test"))
        assert len((await service.of(user)).subscriptions) == 1
        assert own.process is not None
        os.kill(own.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            for _ in range(20):
                assert len((await service.of(user)).subscriptions) == 1
                assert b'"items":[{' in await pages.of(user)
            assert time.monotonic() - began < 1.5
        finally:
            os.kill(own.process.pid, signal.SIGCONT)
        async with asyncio.timeout(5):
            while True:
                try:
                    await line.ask(lambda redis: redis.ping())
                    break
                except RedisUnavailable:
                    await asyncio.sleep(0.05)
        assert len((await service.of(user)).subscriptions) == 1
        await line.close()


async def test_those_who_come_at_once_to_a_redis_that_hangs_do_not_wait_for_each_other() -> None:
    """Its client makes one connection at a time, so the twentieth waited for twenty that came to nothing."""

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def asks(line: RedisLine) -> None:
        with pytest.raises(RedisUnavailable):
            await line.ask(lambda redis: redis.get("key"))

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    line = RedisLine(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", patience_s=0.2)
    began = time.monotonic()
    await asyncio.gather(*(asks(line) for _ in range(20)))
    assert time.monotonic() - began < 1.5
    await line.close()
    server.close()
    await server.wait_closed()


async def _disk_is_gone(own: EmbeddedValkey, client: Redis) -> None:
    """Its folder is removed, and the next copy to disk fails: from then on it takes no writes."""
    await client.config_set("save", "3600 1")
    shutil.rmtree(own._folder)
    await client.bgsave()
    async with asyncio.timeout(10):
        while (await client.info("persistence"))["rdb_last_bgsave_status"] != "err":  # noqa: ASYNC110 -- tells nobody
            await asyncio.sleep(0.01)


STATES_OF_A_SERVER: dict[str, tuple[str, ...] | None] = {
    "out of memory": ("CONFIG SET maxmemory 1",),
    "a replica": ("REPLICAOF 127.0.0.1 1",),
    "a replica without its master": ("CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"),
    "a master that lost its replicas": ("CONFIG SET min-replicas-to-write 1",),
    "no permission to write": ("ACL SETUSER default -set -hset -evalsha",),
    "no permission for what scripts do": ("ACL SETUSER default -pexpire -set",),
    "no permission to read": ("ACL SETUSER default -@read",),
    "no disk": None,
}


@pytest.mark.parametrize("commands", STATES_OF_A_SERVER.values(), ids=STATES_OF_A_SERVER)
async def test_while_redis_takes_nothing_postgres_answers(
    engine: AsyncEngine, commands: tuple[str, ...] | None
) -> None:
    books = Books(engine)
    user = await books.person()
    subscription = await books.subscription(user, await books.plan())
    await books.payment(user, subscription)
    with throwaway_valkey() as own:
        line, operator = RedisLine(own.url, patience_s=5, pause_s=0), Redis.from_url(own.url)
        service = ActiveSubscriptions(engine, line, HandClock(NOW), Rules())
        pages = NewestPage(engine, line, PostgresPaymentHistory(engine, "http://billing.test"))
        if commands is None:
            await _disk_is_gone(own, operator)
        for command in commands or ():
            await operator.execute_command(*command.split())
        try:
            for fresh in (False, True):
                assert len((await service.of(user, fresh=fresh)).subscriptions) == 1
                assert b'"items":[{' in await pages.of(user, fresh=fresh)
            # Nothing else gets out of them; what takes some writes for all that may take these.
            with suppress(RedisUnavailable):
                await ActiveSubscriptionsCache(line).put([access(uuid4(), 1), access(uuid4(), 1)], NOW)
            with suppress(RedisUnavailable):
                await NewestPageCache(line).outdate([(user, 2), (uuid4(), 2)])
        finally:
            await operator.config_set("save", "")  # else it would not end without a last copy
            await operator.aclose()
            await line.close()


async def test_one_key_of_another_kind_closes_redis_to_nobody(redis: RedisLine) -> None:
    user = uuid4()

    async def in_a_pipeline(client: Redis) -> object:
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.get(key_of(user))
            return await pipeline.execute()

    await redis.client.lpush(key_of(user), "x")  # type: ignore[misc] # typed for both kinds of client
    for _ in range(2):
        with pytest.raises(ResponseError):
            await redis.ask(lambda client: client.get(key_of(user)))
        with pytest.raises(ResponseError):
            await redis.ask(in_a_pipeline)
    await redis.ask(lambda client: client.ping())


async def test_losing_all_of_redis_loses_nothing(engine: AsyncEngine, redis: RedisLine) -> None:
    books = Books(engine)
    user = await books.person()
    await books.subscription(user, await books.plan())
    service = ActiveSubscriptions(engine, redis, HandClock(NOW), Rules())
    before = await service.of(user)
    await redis.client.flushall()
    assert await service.of(user) == before
    await redis.client.script_flush()
    await redis.client.flushall()
    assert await service.of(user) == before
    assert await redis.client.exists(key_of(user))
