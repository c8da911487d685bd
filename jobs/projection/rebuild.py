"""Builds the projections anew from Postgres, while everything goes on.

History: a fresh generation is filled beside the shown one and swapped in by alias. From the moment it has begun the
projector writes into both, and each payment's version keeps late writers out, so nothing is lost in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Table, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import Clock
from domain.rules import Rules
from infrastructure.elasticsearch.history_document import HistoryDocument, history_document
from infrastructure.elasticsearch.history_writer import HistoryWriter
from infrastructure.elasticsearch.indices import HistoryIndices
from infrastructure.elasticsearch.line import ElasticsearchRefusal, ElasticsearchUnavailable
from infrastructure.postgres.documents import payment_rows
from infrastructure.postgres.exclusive import exclusive
from infrastructure.postgres.reading.access import access_of
from infrastructure.postgres.tables import payments, users
from infrastructure.redis.active_subscriptions import ActiveSubscriptionsCache
from infrastructure.redis.line import RedisLine
from infrastructure.redis.newest_page import NewestPageCache

log = structlog.get_logger(__name__)

REBUILD_LOCK: Final = 7233021
_BATCH: Final = 1000
_AT_ONCE: Final = 2
_TRIES: Final = 6
_COUNTED: Final = 10_000

Progress = Callable[[int, int], None]
"""Told how many are done, of how many about."""


async def rebuild_history(
    engine: AsyncEngine,
    indices: HistoryIndices,
    writer: HistoryWriter,
    base_url: str,
    progress: Progress = lambda done, of: None,
) -> int:
    """How many payments there are now in Elasticsearch. Memory stays flat: two batches of a thousand at a time.

    Raises HeldByAnother where another rebuild runs, and ElasticsearchUnavailable where it stays away.
    """
    async with exclusive(engine, REBUILD_LOCK, wait=False):
        total = await _about_how_many(engine, payments)
        built = await indices.begin()
        done = 0
        under_way: set[asyncio.Task[int]] = set()
        try:
            async for documents in _payments(engine, base_url):
                if len(under_way) >= _AT_ONCE:
                    finished, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    done += sum(task.result() for task in finished)
                    progress(done, max(total, done))
                under_way.add(asyncio.create_task(_write(writer, built, documents)))
            done += sum(await asyncio.gather(*under_way))
        except BaseException:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            raise
        await indices.show(built)
        progress(done, done)
        return done


async def rebuild_cache(
    engine: AsyncEngine,
    redis: RedisLine,
    clock: Clock,
    rules: Rules,
    progress: Progress = lambda done, of: None,
) -> int:
    """How many users were gone through. Everything is forgotten first, so a Redis that is ahead of restored books

    is put right too; what is asked for meanwhile is filled from Postgres. Raises RedisUnavailable.
    """
    access, pages = ActiveSubscriptionsCache(redis), NewestPageCache(redis)
    total = await _about_how_many(engine, users)
    await access.forget_all()
    await pages.forget_all()
    done, after = 0, UUID(int=0)
    while True:
        query = select(users.c.id).where(users.c.id > after).order_by(users.c.id).limit(_BATCH)
        async with engine.connect() as connection:
            ids = list((await connection.execute(query)).scalars())
        if not ids:
            progress(done, done)
            return done
        found = await access_of(engine, ids, rules)
        await access.put([one for one in found if one.subscriptions], clock.now())
        # Whoever was filling a page in when it was forgotten must not bring an old one back.
        await pages.outdate([(one.user_id, one.version) for one in found])
        done, after = done + len(ids), ids[-1]
        progress(done, max(total, done))


async def _payments(engine: AsyncEngine, base_url: str) -> AsyncIterator[list[HistoryDocument]]:
    """Every payment, by id, each batch as it stands when it is read; the next one is read while one is written."""
    rows = await _batch(engine, UUID(int=0))
    while rows:
        following = asyncio.create_task(_batch(engine, rows[-1]["id"]))
        try:
            yield [history_document(row, base_url) for row in rows]
            rows = await following
        finally:
            following.cancel()


async def _batch(engine: AsyncEngine, after: UUID) -> list[Any]:
    query = payment_rows().where(payments.c.id > after).order_by(payments.c.id).limit(_BATCH)
    async with engine.connect() as connection:
        return list((await connection.execute(query)).mappings())


async def _write(writer: HistoryWriter, built: str, documents: list[HistoryDocument]) -> int:
    """A batch, with patience for an Elasticsearch that is busy."""
    for attempt in range(_TRIES):
        try:
            refused = await writer.write([built], documents, searchable=False)
        except (ElasticsearchUnavailable, ElasticsearchRefusal):
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.5 * 2**attempt)
            continue
        for payment_id, why in refused.items():
            log.error("history_document_set_aside", payment_id=str(payment_id), why=why)
        return len(documents) - len(refused)
    raise AssertionError


async def _about_how_many(engine: AsyncEngine, table: Table) -> int:
    """Counted where that is quick; of a large table what Postgres believes, for counting it takes minutes."""
    some = select(literal(1)).select_from(table).limit(_COUNTED).subquery()
    believed = text("SELECT reltuples::bigint FROM pg_class WHERE oid = CAST(:name AS regclass)")
    async with engine.connect() as connection:
        counted = int((await connection.execute(select(func.count()).select_from(some))).scalar_one())
        if counted < _COUNTED:
            return counted
        return max(counted, int((await connection.execute(believed, {"name": table.name})).scalar_one()))
