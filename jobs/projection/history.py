"""Carries `history` rows of the outbox: newest pages in Redis are outdated at once, documents go to Elasticsearch.

Two stages, so that Redis does not wait for Elasticsearch: one task claims rows and outdates pages, another writes
documents. A row is removed only when both are done: its presence is what a consistency token waits for. While one of
the two neighbours is down the rows are parked, the other one gets its part, and only rows that are new are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.elasticsearch.history_document import HistoryDocument, history_document
from infrastructure.elasticsearch.history_writer import HistoryWriter
from infrastructure.elasticsearch.indices import HistoryIndices, HistoryIsGone
from infrastructure.elasticsearch.line import ElasticsearchRefusal, ElasticsearchUnavailable
from infrastructure.postgres.documents import payment_rows
from infrastructure.postgres.reading.outbox import Outbox, OutboxRow
from infrastructure.postgres.tables import payments, users
from infrastructure.redis.line import RedisLine, RedisUnavailable
from infrastructure.redis.newest_page import NewestPageCache
from jobs.projection.pause import Bell, Pause

log = structlog.get_logger(__name__)

_BATCH: Final = 500
_WAITING_BATCHES: Final = 4
_PARKED_S: Final = 5.0
_APART_S: Final = 0.15
"""Between two writes: each makes its documents searchable, which costs the more the oftener it is done."""
_TRIES: Final = 5
_SET_ASIDE_S: Final = 86_400.0


class HistoryProjection:
    """`writer`, `indices`: None where no Elasticsearch is configured; only the pages are kept up then."""

    def __init__(
        self,
        engine: AsyncEngine,
        redis: RedisLine,
        base_url: str,
        indices: HistoryIndices | None,
        writer: HistoryWriter | None,
    ) -> None:
        self._engine = engine
        self._base_url = base_url
        self._outbox = Outbox(engine, "history")
        self._pages = NewestPageCache(redis)
        self._indices = indices
        self._writer = writer
        self._queue: asyncio.Queue[tuple[list[OutboxRow], bool]] = asyncio.Queue(_WAITING_BATCHES)
        self._held: dict[int, OutboxRow] = {}
        self._unpaged: list[tuple[float, list[OutboxRow]]] = []
        self._redis_down = False
        self._index_down = False
        self.bell = Bell()
        self.index_is_gone = asyncio.Event()
        """Set when Elasticsearch turns out to have no history: it has to be rebuilt."""

    async def run(self) -> None:
        """Until cancelled; then what is claimed is given back. Raises what Postgres raises."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take())
                tasks.create_task(self._write())
        finally:
            held, self._held = list(self._held.values()), {}
            self._queue = asyncio.Queue(_WAITING_BATCHES)
            with contextlib.suppress(Exception):  # the leases lapse by themselves
                async with asyncio.timeout(1):
                    await self._outbox.release(held)

    # --- first stage: claim, outdate pages --------------------------------------------------------
    async def _take(self) -> None:
        while True:
            rows = await self._outbox.claim(_BATCH, only_fresh=self._redis_down or self._index_down)
            if rows:
                self._held |= {row.id: row for row in rows}
                paged = await self._outdate_pages({row.user_id for row in rows})
                await self._queue.put((rows, paged))
            elif self._redis_down:
                await self._outdate_pages(set())
            if len(rows) < _BATCH:
                await self.bell.wait()

    async def _outdate_pages(self, user_ids: set[UUID]) -> bool:
        """False where Redis did not take it. Without users it only finds out whether Redis is back."""
        query = select(users.c.id, users.c.version).where(users.c.id.in_(user_ids or {UUID(int=0)}))
        async with self._engine.connect() as connection:
            versions = [(row.id, row.version) for row in await connection.execute(query)]
        try:
            await self._pages.outdate(versions or [(UUID(int=0), 0)])
        except RedisUnavailable as error:
            if not self._redis_down:
                log.warning("pages_wait", why=str(error))
            self._redis_down = True
            return False
        if self._redis_down:
            self._redis_down = False
            await self._hasten()
        return True

    async def _hasten(self) -> None:
        """Redis is back, and readers ask it again: what was parked for its sake must not wait its time out."""
        since, unpaged, self._unpaged = time.monotonic() - _PARKED_S, self._unpaged, []
        await self._outbox.release(row for at, rows in unpaged if at > since for row in rows)  # others are due anyhow
        self.bell.ring()

    # --- second stage: documents ------------------------------------------------------------------
    async def _write(self) -> None:
        pause = Pause(0.25, 2.0)
        while True:
            batches = await self._next_batches()
            rows = [row for batch, _ in batches for row in batch]
            unpaged = [row for batch, paged in batches if not paged for row in batch]
            began = time.monotonic()
            if self._index_down:
                await self._find_out()
            if self._index_down:
                await self._put_back(rows)
                await pause.take()
                continue
            try:
                poisoned = await self._write_documents({row.object_id for row in rows})
            except (ElasticsearchUnavailable, ElasticsearchRefusal, HistoryIsGone) as error:
                self._index_failed(error)
                await self._put_back(rows)
                continue
            pause.reset()
            await self._finish(rows, unpaged, poisoned)
            await asyncio.sleep(max(0.0, _APART_S - (time.monotonic() - began)) if self._writer else 0)

    async def _next_batches(self) -> list[tuple[list[OutboxRow], bool]]:
        """At least one; as many as wait."""
        while self._index_down:
            try:
                batches = [await asyncio.wait_for(self._queue.get(), 1.0)]
                break
            except TimeoutError:
                await self._find_out()
        else:
            batches = [await self._queue.get()]
        while not self._queue.empty():
            batches.append(self._queue.get_nowait())
        return batches

    async def _write_documents(self, payment_ids: set[UUID]) -> dict[UUID, str]:
        """Those that Elasticsearch refuses for what they are."""
        if self._writer is None or self._indices is None:
            return {}
        # First the documents, then the generations: a rebuild that begins after this reads the books after us.
        documents = await self._documents(payment_ids)
        generations = await self._indices.generations()
        if generations is None or generations.shown is None:
            raise HistoryIsGone("no generation is shown")
        refused = dict(await self._writer.write(generations.all(), documents, searchable=True))
        self._index_down = False
        return refused

    async def _documents(self, payment_ids: set[UUID]) -> list[HistoryDocument]:
        query = payment_rows().where(payments.c.id.in_(payment_ids))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [history_document(row, self._base_url) for row in rows]

    async def _finish(self, rows: list[OutboxRow], unpaged: list[OutboxRow], poisoned: dict[UUID, str]) -> None:
        left = {row.id for row in unpaged} | {row.id for row in rows if row.object_id in poisoned}
        await self._outbox.done(row for row in rows if row.id not in left)
        await self._park_unpaged(unpaged)
        for row in rows:
            if row.object_id in poisoned:
                set_aside = row.attempts >= _TRIES
                tell = log.error if set_aside else log.warning
                event = "history_document_set_aside" if set_aside else "history_document_refused"
                tell(event, payment_id=str(row.object_id), why=poisoned[row.object_id], attempts=row.attempts)
                await self._outbox.retry([row], _SET_ASIDE_S if set_aside else 2.0**row.attempts)
        self._let_go(rows)

    async def _park_unpaged(self, rows: list[OutboxRow]) -> None:
        if not rows:
            return
        await self._outbox.park(rows, _PARKED_S)
        now = time.monotonic()
        self._unpaged = [*((at, parked) for at, parked in self._unpaged if at > now - _PARKED_S), (now, rows)]
        if not self._redis_down:  # it came back between the two stages
            await self._hasten()

    async def _put_back(self, rows: list[OutboxRow]) -> None:
        await self._outbox.park(rows, _PARKED_S)
        self._let_go(rows)

    def _let_go(self, rows: list[OutboxRow]) -> None:
        for row in rows:
            self._held.pop(row.id, None)

    def _index_failed(self, error: Exception) -> None:
        if not self._index_down:
            log.warning("history_waits", why=str(error))
        self._index_down = True
        if isinstance(error, HistoryIsGone):
            self.index_is_gone.set()

    async def _find_out(self) -> None:
        """Whether Elasticsearch is back, without a row being risked."""
        assert self._indices is not None
        try:
            generations = await self._indices.generations()
        except (ElasticsearchUnavailable, ElasticsearchRefusal):
            return
        if generations is None or generations.shown is None:
            self.index_is_gone.set()
        else:
            self._index_down = False
            self.bell.ring()
