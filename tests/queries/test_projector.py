"""The projector carries every commit into Redis and Elasticsearch, through the outages of its neighbours."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from bootstrap import Projections, history_index
from domain.payment_history import ALL, HistoryUnavailable
from domain.rules import Rules
from infrastructure.elasticsearch.indices import HistoryIsGone, RebuildOvertaken
from infrastructure.elasticsearch.line import ElasticsearchLine, ElasticsearchRefusal
from infrastructure.elasticsearch.payment_history import ElasticsearchPaymentHistory
from infrastructure.local.elasticsearch import EmbeddedElasticsearch
from infrastructure.local.server import Server
from infrastructure.local.throwaway import throwaway_valkey
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.postgres import tables
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache
from infrastructure.redis.line import RedisLine, RedisUnavailable
from infrastructure.redis.newest_page import NewestPageCache
from jobs.projection.rebuild import rebuild_cache, rebuild_history
from jobs.projector import Projector
from tests.queries.api_client import HandClock
from tests.queries.books import NOW, Books
from tests.waiting import eventually

BASE = "http://billing.test"


@asynccontextmanager
async def projecting(
    engine: AsyncEngine, database_url: str, redis_url: str, elasticsearch_url: str | None
) -> AsyncIterator[Projector]:
    redis = RedisLine(redis_url)
    line = None if elasticsearch_url is None else ElasticsearchLine(elasticsearch_url, patience_s=3, pause_s=0)
    history = None if line is None else history_index(engine, line)
    projector = Projector(Projections(database_url, engine, HandClock(NOW), Rules(), BASE, redis, history))
    work = asyncio.create_task(projector.run())
    try:
        await asyncio.wait_for(projector.ready.wait(), 10)
        yield projector
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await redis.close()
        if line is not None:
            await line.close()


@pytest.fixture(scope="module")
def books(engine: AsyncEngine) -> Books:
    return Books(engine)


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[RedisLine]:
    line = RedisLine(valkey.url, pause_s=0.05)
    yield line
    await line.close()


@pytest.fixture
async def line(elasticsearch: EmbeddedElasticsearch) -> AsyncIterator[ElasticsearchLine]:
    line = ElasticsearchLine(elasticsearch.url, patience_s=20, pause_s=0)
    yield line
    await line.close()


def pid_of(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


async def somebody(books: Books, payments: int = 1) -> tuple[UUID, UUID, list[UUID]]:
    """A user, their subscription, its payments."""
    user = await books.person()
    subscription = await books.subscription(user, await books.plan())
    made = [await books.payment(user, subscription, NOW - timedelta(days=n)) for n in range(payments)]
    return user, subscription, made


async def test_a_commit_reaches_redis_at_once(
    books: Books, engine: AsyncEngine, database_url: str, redis: RedisLine, valkey: EmbeddedValkey
) -> None:
    user, subscription, [payment] = await somebody(books)
    cache, pages = ActiveSubscriptionsCache(redis), NewestPageCache(redis)
    await pages.put(user, 1, b"old")
    async with projecting(engine, database_url, valkey.url, None):
        await books.changed(user, payments=(payment,), access=True)

        async def arrived() -> bool:
            return await cache.get(user) is not None and await pages.get(user) is None

        await eventually(arrived, 1.0)
        found = await cache.get(user)
        assert found is not None
        assert (found.version, [one.id for one in found.subscriptions]) == (2, [subscription])
        await eventually(lambda: nothing_waits(books))


async def nothing_waits(books: Books) -> bool:
    return await books.waiting("history") + await books.waiting("access") == 0


async def cached_version(redis: RedisLine, user: UUID) -> int | None:
    found = await ActiveSubscriptionsCache(redis).get(user)
    return None if found is None else found.version


async def test_two_projectors_share_the_work_of_many(
    books: Books, engine: AsyncEngine, database_url: str, redis: RedisLine, valkey: EmbeddedValkey
) -> None:
    user, _, payments = await somebody(books, 40)
    for _ in range(5):
        await books.changed(user, payments=tuple(payments), access=True)
    async with (
        projecting(engine, database_url, valkey.url, None),
        projecting(engine, database_url, valkey.url, None),
    ):
        await eventually(lambda: nothing_waits(books))
    assert await cached_version(redis, user) == 6


def tries_that_fail(projector: Projector) -> asyncio.Semaphore:
    """Counts how often Redis did not take what the projector had for it."""
    failed, carry = asyncio.Semaphore(0), projector.access.carry

    async def counted() -> int:
        try:
            return await carry()
        except RedisUnavailable:
            failed.release()
            raise

    projector.access.carry = counted  # type: ignore[method-assign] # of this one projector
    return failed


async def test_while_redis_is_down_the_rows_wait_and_nothing_is_lost(
    books: Books, engine: AsyncEngine, database_url: str
) -> None:
    user, _, [payment] = await somebody(books)
    with throwaway_valkey() as own:
        pid = pid_of(own)
        async with projecting(engine, database_url, own.url, None) as projector:
            failed = tries_that_fail(projector)
            os.kill(pid, signal.SIGSTOP)  # it hangs, which is worse than being gone
            try:
                await books.changed(user, payments=(payment,), access=True)
                async with asyncio.timeout(20):
                    for _ in range(3):
                        await failed.acquire()
                assert await books.waiting("access") == 1
                assert await books.waiting("history") == 1
            finally:
                os.kill(pid, signal.SIGCONT)
            await eventually(lambda: nothing_waits(books))


async def test_once_a_redis_that_hung_is_back_an_outdated_page_does_not_wait_its_turn_out(
    books: Books, engine: AsyncEngine, database_url: str
) -> None:
    user, _, [payment] = await somebody(books)
    parked_until = text("SELECT retry_by FROM outbox WHERE projection = 'history' AND attempts = 0")
    with throwaway_valkey() as own:
        reader = RedisLine(own.url, pause_s=0.05)
        pages = NewestPageCache(reader)
        await pages.put(user, 1, b"old")
        async with projecting(engine, database_url, own.url, None):
            os.kill(pid_of(own), signal.SIGSTOP)
            try:
                await books.changed(user, payments=(payment,))
                until = None

                async def parked() -> bool:
                    nonlocal until
                    async with engine.connect() as connection:
                        until = (await connection.execute(parked_until)).scalar_one_or_none()
                    return until is not None

                await eventually(parked)
            finally:
                os.kill(pid_of(own), signal.SIGCONT)
            await eventually(lambda: nothing_waits(books), 15)
            async with engine.connect() as connection:
                now = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
            assert until is not None
            assert now < until
            assert await pages.get(user) is None
        await reader.close()


async def test_of_a_large_table_a_rebuild_is_told_what_postgres_believes_and_does_not_count_it(
    engine: AsyncEngine, redis: RedisLine
) -> None:
    class SeenEnoughError(Exception):
        pass

    def progress(done: int, of: int) -> None:
        raise SeenEnoughError(of)

    many = "INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 10500) RETURNING id"
    believed = "UPDATE pg_class SET reltuples = 7000000 WHERE oid = 'users'::regclass"
    try:
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE users SET (autovacuum_enabled = off)"))
            made = list((await connection.execute(text(many))).scalars())
            await connection.execute(text(believed))
        with pytest.raises(SeenEnoughError, match=r"^7000000$"):
            await rebuild_cache(engine, redis, HandClock(NOW), Rules(), progress)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM users WHERE id = ANY(:made)"), {"made": made})
            await connection.execute(text("ALTER TABLE users RESET (autovacuum_enabled)"))
            await connection.execute(text("ANALYZE users"))


@pytest.mark.elasticsearch
async def test_a_commit_is_found_in_elasticsearch_within_a_second(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch
) -> None:
    user, _, [payment] = await somebody(books)
    reader_line = ElasticsearchLine(elasticsearch.url, patience_s=20, pause_s=0)
    history = ElasticsearchPaymentHistory(reader_line)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=(payment,), access=True)
        await eventually(lambda: nothing_waits(books))  # the first one waits for the first rebuild
        for n in range(2, 12):
            before = asyncio.get_running_loop().time()
            await books.changed(user, payments=(payment,))
            await eventually(lambda: nothing_waits(books))
            assert asyncio.get_running_loop().time() - before < 1.0
            [item] = (await history.page(user, ALL, None, 10)).items
            assert json.loads(item)["version"] == n + 1
    await reader_line.close()


@pytest.mark.elasticsearch
async def test_an_elasticsearch_that_hangs_does_not_hold_up_redis(
    books: Books, engine: AsyncEngine, database_url: str, redis: RedisLine, valkey: EmbeddedValkey,
    elasticsearch: EmbeddedElasticsearch,
) -> None:  # fmt: skip
    user, _, [payment] = await somebody(books)
    cache, pages = ActiveSubscriptionsCache(redis), NewestPageCache(redis)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await eventually(lambda: nothing_waits(books))
        os.kill(pid_of(elasticsearch), signal.SIGSTOP)
        try:
            for version in (2, 3):
                await pages.put(user, version - 1, b"old")
                await books.changed(user, payments=(payment,), access=True)

                async def arrived(version: int = version) -> bool:
                    found = await cache.get(user)
                    return found is not None and found.version == version and await pages.get(user) is None

                await eventually(arrived, 1.5)
            assert await books.waiting("history") == 2
        finally:
            os.kill(pid_of(elasticsearch), signal.SIGCONT)
        await eventually(lambda: nothing_waits(books))


async def shown(history: ElasticsearchPaymentHistory, user: UUID) -> int | None:
    """How many payments are there; None where the history is not, which is right: it is read in Postgres then."""
    try:
        return len((await history.page(user, ALL, None, 100)).items)
    except HistoryUnavailable:
        return None


@pytest.mark.elasticsearch
async def test_an_elasticsearch_that_was_emptied_is_filled_again_by_itself_and_never_shown_half_full(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch,
    line: ElasticsearchLine,
) -> None:  # fmt: skip
    user, _, payments = await somebody(books, 30)
    history = ElasticsearchPaymentHistory(line)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=tuple(payments))
        await eventually(lambda: nothing_waits(books))
        names = [*await line.ask("GET", "payments-g*/_alias"), "payments.state"]
        await line.ask("DELETE", ",".join(names))
        await books.changed(user, payments=(payments[0],))

        async def whole_again() -> bool:
            found = await shown(history, user)
            assert found in (None, 30)
            return found is not None

        await eventually(whole_again)
        await eventually(lambda: nothing_waits(books))


@pytest.mark.elasticsearch
async def test_months_that_are_lost_while_their_state_stays_are_never_shown_half_full(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch,
    line: ElasticsearchLine,
) -> None:  # fmt: skip
    user, _, payments = await somebody(books, 30)
    history = ElasticsearchPaymentHistory(line)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=tuple(payments))
        await eventually(lambda: nothing_waits(books), 20)
        await line.ask("DELETE", ",".join(await line.ask("GET", "payments-g*/_alias")))
        await books.changed(user, payments=(payments[0],))  # whose month would be made anew, with this one alone

        async def whole_again() -> bool:
            found = await shown(history, user)
            assert found in (None, 30)
            return found is not None

        await eventually(whole_again, 20)
        await eventually(lambda: nothing_waits(books), 20)
        assert await whole_again()


@pytest.mark.elasticsearch
@pytest.mark.parametrize("how", ["an index", "a month's place in what is read"])
async def test_a_lost_month_that_nobody_writes_to_is_noticed_and_rebuilt(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch,
    line: ElasticsearchLine, how: str,
) -> None:  # fmt: skip
    user, _, payments = await somebody(books, 30)  # in two months
    history = ElasticsearchPaymentHistory(line)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=tuple(payments))
        await eventually(lambda: nothing_waits(books), 20)
        [earlier] = [name for name in await line.ask("GET", "payments-g*/_alias") if name.endswith("2026-04")]
        if how == "an index":
            await line.ask("DELETE", earlier)
        else:
            await line.ask("POST", "_aliases", {"actions": [{"remove": {"index": earlier, "alias": "payments"}}]})
        assert len((await history.page(user, ALL, None, 100)).items) < 30

        async def whole_again() -> bool:
            return await shown(history, user) == 30

        await eventually(whole_again, 20)


@pytest.mark.elasticsearch
async def test_a_month_lost_while_a_rebuild_fills_it_is_not_swapped_in(
    books: Books, engine: AsyncEngine, line: ElasticsearchLine
) -> None:
    await somebody(books, 30)
    index = history_index(engine, line)
    indices = index.indices
    await rebuild_history(engine, indices, index.writer, BASE)
    before = await indices.generations()
    built = await indices.begin()
    await indices.make(built, ["2026-04", "2026-05"])
    await line.ask("DELETE", f"payments-{built}-2026-04")

    with pytest.raises(RebuildOvertaken):
        await indices.show(built)
    with pytest.raises(HistoryIsGone):
        await indices.make(built, ["2026-06"])

    assert await indices.generations() == before
    assert not [name for name in await line.ask("GET", "payments-g*/_alias") if built in name]


@pytest.mark.elasticsearch
async def test_a_rebuild_leaves_no_gap_and_loses_nothing_that_is_written_meanwhile(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch,
    line: ElasticsearchLine,
) -> None:  # fmt: skip
    user, subscription, payments = await somebody(books, 60)
    index = history_index(engine, line)
    history = ElasticsearchPaymentHistory(line)
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=tuple(payments))
        await eventually(lambda: nothing_waits(books))
        stop, most_seen, reads = asyncio.Event(), 60, 0

        async def keep_writing() -> None:
            while not stop.is_set():
                payment = await books.payment(user, subscription, NOW + timedelta(minutes=len(payments)))
                payments.append(payment)
                await books.changed(user, payments=(payment, payments[len(payments) % 60]))

        async def keep_reading() -> None:
            nonlocal most_seen, reads
            while not stop.is_set():
                count = len((await history.page(user, ALL, None, 1000)).items)
                assert count >= most_seen, "a payment that could be seen is gone"
                most_seen, reads = count, reads + 1

        work = [asyncio.create_task(keep_writing()), asyncio.create_task(keep_reading())]
        try:
            for _ in range(2):
                await rebuild_history(engine, index.indices, index.writer, BASE)
        finally:
            stop.set()
            await asyncio.gather(*work)
        await eventually(lambda: nothing_waits(books))
        shown = [json.loads(item) for item in (await history.page(user, ALL, None, 1000)).items]
        async with engine.connect() as connection:
            query = text("SELECT id, version FROM payments WHERE user_id = :user")
            truth = {str(row.id): row.version for row in await connection.execute(query, {"user": user})}
        assert {one["id"]: one["version"] for one in shown} == truth
        assert reads > 3
        left = await line.ask("GET", "payments-g*/_alias")
        assert len({name.split("-")[1] for name in left}) == 1, "earlier generations are removed"


@pytest.mark.elasticsearch
async def test_a_document_that_elasticsearch_refuses_does_not_hold_up_the_others(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, elasticsearch: EmbeddedElasticsearch,
    line: ElasticsearchLine,
) -> None:  # fmt: skip
    user, subscription, payments = await somebody(books, 3)
    history = ElasticsearchPaymentHistory(line)

    async def seen() -> set[str]:
        return {json.loads(item)["id"] for item in (await history.page(user, ALL, None, 10)).items}

    poison = await books.payment(user, subscription, NOW, provider_payment_id="x" * 40_000)  # no keyword is so long
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await books.changed(user, payments=(poison, *payments))

        async def only_the_poison_is_left() -> bool:
            return await books.waiting("history") == 1

        await eventually(only_the_poison_is_left)
    assert await seen() == {str(payment) for payment in payments}
    await books.set(tables.payments, poison, provider_payment_id="short")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox SET retry_by = NULL"))
    async with projecting(engine, database_url, valkey.url, elasticsearch.url):
        await eventually(lambda: nothing_waits(books))
    assert await seen() == {str(payment) for payment in (poison, *payments)}


@pytest.mark.elasticsearch
async def test_nothing_is_made_by_accident(line: ElasticsearchLine) -> None:
    action = b'{"index":{"_index":"payments-g0-2026-01.write","_id":"1","routing":"1"}}\n{}\n'
    answer = await line.ask("POST", "_bulk", lines=action, params={"require_alias": "true"})
    assert answer["errors"]
    with pytest.raises(ElasticsearchRefusal):
        await line.ask("GET", "payments-g0-2026-01.write")


async def test_the_cache_is_rebuilt_even_where_redis_is_ahead_of_the_books(
    books: Books, engine: AsyncEngine, redis: RedisLine
) -> None:
    user, subscription, _ = await somebody(books)
    pages = NewestPageCache(redis)
    await redis.client.set(f"access:{user}", '{"v":900,"s":[]}')
    await pages.put(user, 900, b"of another time")
    assert await rebuild_cache(engine, redis, HandClock(NOW), Rules()) > 0
    found = await ActiveSubscriptionsCache(redis).get(user)
    assert found is not None
    assert [one.id for one in found.subscriptions] == [subscription]
    assert await pages.get(user) is None


async def test_the_process_says_when_it_is_ready_and_ends_on_sigterm(
    books: Books, database_url: str, valkey: EmbeddedValkey, redis: RedisLine, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    environment = {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_REDIS_URL": valkey.url,
        "BILLING_ELASTICSEARCH_URL": "none",
        "BILLING_READY_FILE": str(ready),
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "jobs.projector", env=environment)

    async def is_ready() -> bool:
        return await asyncio.to_thread(ready.exists)

    await eventually(is_ready)
    user, _, [payment] = await somebody(books)
    await books.changed(user, payments=(payment,), access=True)
    await eventually(lambda: nothing_waits(books))
    assert await cached_version(redis, user) == 2
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_it_goes_on_when_postgres_cuts_every_connection(
    books: Books, engine: AsyncEngine, database_url: str, valkey: EmbeddedValkey, redis: RedisLine
) -> None:
    user, _, [payment] = await somebody(books)
    async with projecting(engine, database_url, valkey.url, None):
        async with engine.connect() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await engine.dispose()
        await books.changed(user, payments=(payment,), access=True)
        await eventually(lambda: nothing_waits(books))
        assert await cached_version(redis, user) == 2
