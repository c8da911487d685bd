"""Runs the duties as arq's cron jobs, and gets over whatever Redis does.

arq is not needed for them: their rounds begin by the worker's own clock where arq does not begin them in time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC
from typing import Any, cast
from uuid import uuid4

import structlog
from arq.connections import ArqRedis
from arq.cron import CronJob, cron
from arq.typing import WorkerCoroutine
from arq.worker import Worker
from redis.asyncio import ConnectionPool

from jobs.rounds import LONGEST_S, Rounds

log = structlog.get_logger(__name__)

_ANSWER_S = 5
"""Without a limit of ours a Redis that hangs once is waited for until the process ends."""
_LEAVE_S = 2
_PAUSE_S = 1
_MOST_JOBS = 50
"""More than there are places in all duties together: no job waits for another."""
_LEFT_BEHIND_S = 3600
_JOB_EXPIRES_MS = 600_000


@dataclass(frozen=True, slots=True)
class Scheduled:
    """`seconds`, `minutes`: of the wall's clock, at which arq begins a round; `rest_s`: how long it may be late."""

    rounds: Rounds
    rest_s: float
    seconds: Set[int]
    minutes: Set[int] | None = None


async def run_by_arq(redis_url: str, schedule: Sequence[Scheduled]) -> None:
    """arq until it fails, which it does whenever Redis goes away or hangs; then again, until cancelled."""
    while True:
        await _until_it_fails(redis_url, schedule)
        await asyncio.sleep(_PAUSE_S)


def cron_jobs(schedule: Sequence[Scheduled]) -> list[CronJob]:
    """A job for each. Every worker does its own: one that is busy must not take a tick away from one that is not."""

    def job(one: Scheduled) -> CronJob:
        async def run(_: dict[Any, Any]) -> int:
            return await one.rounds.make()

        run.__qualname__ = one.rounds.name
        return cron(
            cast("WorkerCoroutine", run),
            name=one.rounds.name,
            second=set(one.seconds),
            minute=set(one.minutes) if one.minutes is not None else None,
            unique=False,
            timeout=LONGEST_S + 30,  # a round ends by itself before
            keep_result=0,
            max_tries=1,
        )

    return [job(one) for one in schedule]


async def _until_it_fails(redis_url: str, schedule: Sequence[Scheduled]) -> None:
    queue = f"billing:{uuid4().hex}"  # nobody else's, so that what dead workers left in theirs is in nobody's way
    pool = ConnectionPool.from_url(redis_url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S)
    redis = ArqRedis(pool, default_queue_name=queue, expires_extra_ms=_JOB_EXPIRES_MS)

    async def forget_in_time(ctx: dict[Any, Any]) -> None:
        await ctx["redis"].expire(queue, _LEFT_BEHIND_S)

    worker = Worker(
        functions=[],
        cron_jobs=cron_jobs(schedule),
        queue_name=queue,
        redis_pool=redis,
        timezone=UTC,
        handle_signals=False,
        on_job_start=forget_in_time,
        max_jobs=_MOST_JOBS,
        poll_delay=0.2,
        health_check_interval=60,
    )
    running = asyncio.create_task(worker.async_run())
    try:
        await asyncio.wait({running})
        error = None if running.cancelled() else running.exception()
        log.warning("arq_interrupted", error=f"{type(error).__name__}: {error}"[:200])
    finally:
        await _leave(worker, running, pool)


async def _leave(worker: Worker, running: asyncio.Task[None], pool: ConnectionPool) -> None:
    """Close it, which asks Redis as well and may wait for ever, or fail as Redis did.

    What waits for an answer ends as its connection is cut, and then makes a new one, be it only to take a watch back:
    those are cut when it has ended.
    """
    closing = asyncio.create_task(worker.close())
    found = (closing, running, worker.main_task, *worker.tasks.values())
    at_work: list[asyncio.Task[Any]] = [one for one in found if one is not None]
    for one in at_work:
        one.add_done_callback(lambda done: done.cancelled() or done.exception())  # told above, or Redis' end
    await asyncio.wait({closing}, timeout=_LEAVE_S)
    await _cut(pool)
    await asyncio.wait(at_work, timeout=_LEAVE_S)
    for one in at_work:
        one.cancel()
    await _cut(pool)


async def _cut(pool: ConnectionPool) -> None:
    """A Redis that hangs does not say goodbye inside TLS either: that is no end of the worker."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LEAVE_S):
            await pool.disconnect()
