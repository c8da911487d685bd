"""Hears when rows were committed (NOTIFY work, 'outbox'). Only a hint: whoever waits for it also looks by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped] # ships no types
import structlog

from infrastructure.postgres.outage import NO_PRIMARY

log = structlog.get_logger(__name__)

_CHANNEL: Final = "work"
_PAUSE_S: Final = 0.5
_ALIVE_S: Final = 5.0
_AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, NO_PRIMARY)


async def listen(database_url: str, table: str, wake: Callable[[], None], connected: Callable[[], None]) -> None:
    """Call `wake` for each commit that put rows into `table`; connects again for ever, until cancelled.

    `connected` is called at each connect; `wake` as well, since what was committed in between was not heard.
    """
    while True:
        try:
            connection = await asyncpg.connect(database_url, timeout=5, command_timeout=5)
        except _AWAY as error:
            log.warning("postgres_unavailable", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)
            continue
        try:
            await _stay(connection, table, wake, connected)
        except _AWAY as error:
            log.warning("postgres_went_away", error=type(error).__name__)
        finally:
            with contextlib.suppress(*_AWAY):
                connection.terminate()
        await asyncio.sleep(_PAUSE_S)


async def _stay(connection: Any, table: str, wake: Callable[[], None], connected: Callable[[], None]) -> None:
    def heard(_connection: object, _pid: object, _channel: object, payload: object) -> None:
        if payload == table:
            wake()

    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    await connection.add_listener(_CHANNEL, heard)
    connected()
    wake()
    while not gone.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), _ALIVE_S)
        if not gone.is_set():
            await connection.execute("SELECT 1")  # a peer that is gone without a word is noticed by this
