"""The projector: `python -m jobs.projector`. Any number may run; each takes what no other holds.

Ready (the file that BILLING_READY_FILE names) when it listens to Postgres; it outlives every neighbour's outage and
ends on SIGTERM, giving back what it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bootstrap import Projections, build_projections
from infrastructure.elasticsearch.indices import HistoryIsGone, RebuildOvertaken
from infrastructure.elasticsearch.line import ElasticsearchRefusal, ElasticsearchUnavailable
from infrastructure.observability.logs import configure_logs
from infrastructure.postgres.exclusive import HeldByAnother, exclusive
from infrastructure.postgres.listening import listen
from jobs.projection.access import AccessProjection
from jobs.projection.history import HistoryProjection
from jobs.projection.pause import Pause
from jobs.projection.rebuild import REBUILD_LOCK, rebuild_history
from jobs.sign_of_life import show_life
from settings import Settings, load_or_exit, or_exit

log = structlog.get_logger(__name__)
_LOOK_AFTER_INDEX_S: Final = 5.0


class Projector:
    """Carries the outbox into both projections; who wired them closes them."""

    def __init__(self, wired: Projections) -> None:
        self._engine = wired.engine
        self._database_url = wired.database_url
        self._base_url = wired.base_url
        self._indices = None if wired.history is None else wired.history.indices
        self._writer = None if wired.history is None else wired.history.writer
        self.access = AccessProjection(wired.engine, wired.redis, wired.clock, wired.rules)
        self.history = HistoryProjection(wired.engine, wired.redis, wired.base_url, self._indices, self._writer)
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self._database_url, "outbox", self._ring, self.ready.set))
            tasks.create_task(_kept_alive("access", self.access.run))
            tasks.create_task(_kept_alive("history", self.history.run))
            if self._indices is not None:
                tasks.create_task(_kept_alive("index", self._look_after_index))

    def _ring(self) -> None:
        self.access.bell.ring()
        self.history.bell.ring()

    async def _look_after_index(self) -> None:
        """An Elasticsearch that is new or was emptied gets its history, one that lost a month gets all of it again.

        What a dead rebuild left is removed.
        """
        assert self._indices is not None
        assert self._writer is not None
        while True:
            try:
                if await self._indices.drop_what_has_a_gap():
                    log.error("history_is_dropped", why="an index of it is gone")
                state = await self._indices.generations()
                if state is None:
                    log.warning("history_is_rebuilt", why="Elasticsearch has none")
                    count = await rebuild_history(self._engine, self._indices, self._writer, self._base_url)
                    log.info("history_was_rebuilt", payments=count)
                elif state.built is not None:
                    async with exclusive(self._engine, REBUILD_LOCK, wait=False):
                        await self._indices.give_up(state.built)
            except HeldByAnother:
                pass  # somebody is rebuilding
            except (ElasticsearchUnavailable, ElasticsearchRefusal, HistoryIsGone, RebuildOvertaken) as error:
                log.debug("index_not_looked_after", why=str(error))
            self.history.index_is_gone.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.history.index_is_gone.wait(), _LOOK_AFTER_INDEX_S)
            await asyncio.sleep(0.2)


async def _kept_alive(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Whatever ends it, it is begun again: an outage of Postgres, and what nobody foresaw."""
    pause = Pause(0.2, 2.0)
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await run()
        except Exception as error:  # noqa: BLE001 -- the rows wait, their leases lapse; stopping would help nobody
            log.warning("projection_interrupted", projection=name, error=_first(error))
        if asyncio.get_running_loop().time() - began > 30:
            pause.reset()
        await pause.take()


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]


async def run(settings: Settings) -> None:
    """The whole process, until SIGTERM or SIGINT."""
    wired = build_projections(settings)
    projector = Projector(wired)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.create_task(projector.run())
    said = asyncio.create_task(show_life(projector.ready))
    await asyncio.wait({work, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    for task in (said, work):
        task.cancel()
    results = await asyncio.gather(said, work, return_exceptions=True)
    await wired.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


def main() -> None:
    settings = load_or_exit()
    configure_logs(
        json=settings.production, level=settings.log_level, process="projector", known_secrets=settings.secrets
    )
    with or_exit():
        asyncio.run(run(settings))


if __name__ == "__main__":
    main()
