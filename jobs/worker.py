"""The worker: arq runs the sweeps by its cron, and Postgres' own word wakes them at once (PAY-2).

Redis may be lost at any time: arq is then started again and again until it is back, and everything that
fell due meanwhile is found in Postgres.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import structlog
from arq.connections import RedisSettings
from arq.cron import CronJob, cron
from arq.typing import WorkerCoroutine
from arq.worker import Worker

import settings as settings_module
from bootstrap import Service, build, needed
from infrastructure.observability.logs import configure_logs
from infrastructure.postgres.listening import listen
from jobs.reconcile import reconcile_nightly
from jobs.stranded import find_stranded
from jobs.sweeps import Sweeps

log = structlog.get_logger(__name__)

_EVERY_SECOND = set(range(60))
_JOB_TIMEOUT_S = 300
_NIGHT_S = 6 * 3600
"""What reconciliation has not done in that time it goes on with in the next night."""
_BREATH_S = 0.05
"""However often it rings: a storm of notifications must not keep the worker looking for what is not there."""
_WOKEN_BY_INSERTS = ("inbox", "mails")


def _cron_jobs(service: Service, sweeps: Sweeps) -> list[CronJob]:
    """Every sweep by its own name; `unique` lets one worker of all run it at a tick. Times are UTC."""

    async def reconciliation() -> int:
        return await reconcile_nightly(service)

    async def stranded() -> int:
        return await find_stranded(service)

    def job(
        name: str, sweep: Callable[[], Awaitable[int]], seconds: set[int], timeout_s: float = _JOB_TIMEOUT_S, **at: Any
    ) -> CronJob:
        async def run(_: dict[Any, Any]) -> int:
            return await sweep()

        run.__qualname__ = name
        return cron(
            cast("WorkerCoroutine", run),
            name=name,
            second=seconds,
            timeout=timeout_s,
            keep_result=0,
            max_tries=1,
            **at,
        )

    return [
        job("renewals", sweeps.renewals, _EVERY_SECOND),
        job("reminders", sweeps.reminders, set(range(0, 60, 5))),
        job("endings", sweeps.endings, _EVERY_SECOND),
        job("unresolved", sweeps.unresolved, _EVERY_SECOND),
        job("inbox", sweeps.inbox, _EVERY_SECOND),
        job("strangers", sweeps.strangers, _EVERY_SECOND),
        job("mails", sweeps.mails, _EVERY_SECOND),
        job("old_keys", sweeps.old_keys, {0}, minute={17}),
        job("stranded", stranded, {0}, minute={37}),
        job("old_notifications", sweeps.old_notifications, {0, 20, 40}, minute={27, 57}),
        job("reconciliation", reconciliation, {0}, _NIGHT_S, hour={1}, minute={10}),  # 04:10 in Moscow
    ]


async def _run_arq(service: Service, sweeps: Sweeps) -> None:
    """arq until it fails, which it does whenever Redis goes away; then again."""
    redis = RedisSettings.from_dsn(needed(service.settings.redis_url, "REDIS_URL"))
    redis.conn_retries, redis.conn_retry_delay = 1, 1
    while True:
        worker = Worker(
            functions=[],
            cron_jobs=_cron_jobs(service, sweeps),
            timezone=UTC,
            redis_settings=redis,
            handle_signals=False,
            poll_delay=0.2,
            health_check_interval=60,
        )
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            with suppress(Exception):
                await worker.close()
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it was, the work waits in Postgres
            log.warning("arq_interrupted", error=f"{type(error).__name__}: {error}"[:200])
            with suppress(Exception):
                await worker.close()
        await asyncio.sleep(1)


async def _wake_on_inserts(service: Service, sweeps: Sweeps, ready: asyncio.Event) -> None:
    """Notifications and mails are looked at when they are written, not at the next tick."""
    database_url = needed(service.settings.database_url, "DATABASE_URL")
    duties = {"inbox": sweeps.inbox, "mails": sweeps.mails}
    async with asyncio.TaskGroup() as tasks:
        for table in _WOKEN_BY_INSERTS:
            rung = asyncio.Event()
            tasks.create_task(listen(database_url, table, rung.set, ready.set))
            tasks.create_task(_whenever(rung, duties[table]))


async def _whenever(rung: asyncio.Event, sweep: Callable[[], Awaitable[int]]) -> None:
    while True:
        await rung.wait()
        rung.clear()
        try:
            while await sweep():
                pass
            await asyncio.sleep(_BREATH_S)
        except Exception as error:  # noqa: BLE001 -- the cron comes by every second
            log.warning("sweep_interrupted", error=f"{type(error).__name__}: {error}"[:200])


async def run() -> None:
    """The whole process, until SIGTERM or SIGINT."""
    settings = settings_module.load()
    configure_logs(json=settings.production, level=settings.log_level, process="worker")
    logging.getLogger("arq").setLevel(logging.WARNING)  # a line for each empty sweep of each second tells nothing
    service = await build(settings)
    sweeps, ready, stop = Sweeps(service), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = [
        asyncio.create_task(_run_arq(service, sweeps)),
        asyncio.create_task(_wake_on_inserts(service, sweeps, ready)),
    ]
    said = asyncio.create_task(_say_ready(ready))
    await asyncio.wait({*work, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*work, said):
        task.cancel()
    results = await asyncio.gather(*work, said, return_exceptions=True)
    await service.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _say_ready(ready: asyncio.Event) -> None:
    await ready.wait()
    log.info("worker_ready")
    if path := os.environ.get("BILLING_READY_FILE"):
        await asyncio.to_thread(Path(path).touch)


if __name__ == "__main__":
    asyncio.run(run())
