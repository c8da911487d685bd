"""The worker: Postgres' own word, arq's cron and at the latest the worker's own clock begin its duties (PAY-2).

Redis may be lost or hang at any time: everything that falls due is found in Postgres, and looked for all the same.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence

import settings as settings_module
from bootstrap import Service, build
from infrastructure.observability.logs import configure_logs
from infrastructure.postgres.listening import listen
from jobs.by_arq import Scheduled, run_by_arq
from jobs.nightly import every_night
from jobs.reconcile import reconcile_nightly
from jobs.rounds import Rounds
from jobs.sign_of_life import show_life
from jobs.stranded import find_stranded
from jobs.sweeps import Sweeps

_EVERY_SECOND = frozenset(range(60))
_SOON_S = 3.0
"""How late arq may be where it begins a round each second; with a Redis that answers it never is."""
_NIGHT_S = 6 * 3600.0
"""What reconciliation has not done in that time it goes on with in the next night."""
_BREATH_S = 0.05
"""However often it rings: a storm of notifications must not keep the worker looking for what is not there."""


def schedule_of(service: Service, sweeps: Sweeps) -> list[Scheduled]:
    """What arq begins and when, and how late it may be before the worker's own clock does it."""

    async def stranded() -> int:
        return await find_stranded(service)

    queues = {
        "renewals": sweeps.renewals,
        "endings": sweeps.endings,
        "unresolved_payments": sweeps.unresolved_payments,
        "unresolved_refunds": sweeps.unresolved_refunds,
        "inbox": sweeps.inbox,
        "strangers": sweeps.strangers,
        "mails": sweeps.mails,
    }
    each_second = [Rounds(name, sweep, goes_on=True) for name, sweep in queues.items()]
    reminders = Rounds("reminders", sweeps.reminders, goes_on=True)
    return [
        *(Scheduled(rounds, _SOON_S, _EVERY_SECOND) for rounds in each_second),
        Scheduled(reminders, 15.0, frozenset(range(0, 60, 5))),
        Scheduled(Rounds("old_keys", sweeps.old_keys), 3700.0, {0}, {17}),
        Scheduled(Rounds("stranded", stranded), 3700.0, {0}, {37}),
        Scheduled(Rounds("old_notifications", sweeps.old_notifications), 1900.0, {0, 20, 40}, {27, 57}),
    ]


def nightly_rounds(service: Service) -> Rounds:
    async def reconciliation() -> int:
        return await reconcile_nightly(service)

    return Rounds("reconciliation", reconciliation, longest_s=_NIGHT_S)


async def do_duties(redis_url: str, database_url: str, schedule: Sequence[Scheduled], ready: asyncio.Event) -> None:
    """All duties but the nightly one, until cancelled; `ready` is set when notifications are heard."""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run_by_arq(redis_url, schedule))
            for one in schedule:
                tasks.create_task(one.rounds.keep(one.rest_s))
                if one.rounds.name in ("inbox", "mails"):
                    rung = asyncio.Event()
                    tasks.create_task(listen(database_url, one.rounds.name, rung.set, ready.set))
                    tasks.create_task(_whenever(rung, one.rounds))
    finally:
        await asyncio.gather(*(one.rounds.close() for one in schedule))


async def _whenever(rung: asyncio.Event, rounds: Rounds) -> None:
    """What is written is looked at when it is written, not at the next tick; nobody waits for a round that is slow."""
    while True:
        await rung.wait()
        rung.clear()
        rounds.begin()
        await asyncio.sleep(_BREATH_S)


async def _do_nightly(service: Service) -> None:
    nightly = nightly_rounds(service)
    try:
        await every_night(nightly.begin, service.world.wall.now)
    finally:
        await nightly.close()


async def run() -> None:
    """The whole process, until SIGTERM or SIGINT."""
    settings = settings_module.load_or_exit()
    configure_logs(json=settings.production, level=settings.log_level, process="worker", known_secrets=settings.secrets)
    logging.getLogger("arq").setLevel(logging.WARNING)  # a line for each empty sweep of each second tells nothing
    redis_url = settings_module.needed(settings.redis_url, "REDIS_URL")
    database_url = settings_module.needed(settings.database_url, "DATABASE_URL")
    service = await build(settings)
    end_metrics = service.metrics.serve(settings.host, settings.metrics_port) if settings.metrics_port else None
    schedule, ready, stop = schedule_of(service, Sweeps(service)), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = [
        asyncio.create_task(do_duties(redis_url, database_url, schedule, ready)),
        asyncio.create_task(_do_nightly(service)),
    ]
    said = asyncio.create_task(show_life(ready))
    await asyncio.wait({*work, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*work, said):
        task.cancel()
    results = await asyncio.gather(*work, said, return_exceptions=True)
    await service.close()
    if end_metrics is not None:
        end_metrics()
    for result in results:
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    with settings_module.or_exit():
        asyncio.run(run())
