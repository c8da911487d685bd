from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from infrastructure.local.postgres import EmbeddedPostgres
from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.admin.panel import Administrator, Panel, panel_of
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story
from tests.servers import migrated, postgres, valkey

__all__ = ["migrated", "postgres", "valkey"]


@pytest.fixture(scope="session")
def database(postgres: EmbeddedPostgres, migrated: str) -> Iterator[str]:
    name = f"panel_{uuid4().hex}"
    yield postgres.create_database(name, template=migrated)
    postgres.drop_database(name)


class HeldHands(Hands):
    """Hands whose time the panel reads too, where a held clock keeps it."""

    def __init__(self, at: datetime, database: str) -> None:
        super().__init__(at)
        self._database = database
        self._tell()

    def move(self, by: timedelta) -> None:
        super().move(by)
        self._tell()

    def _tell(self) -> None:
        with psycopg.connect(self._database) as connection:
            connection.execute(
                "INSERT INTO held_clock (now) VALUES (%s) ON CONFLICT (one) DO UPDATE SET now = excluded.now",
                [self.now()],
            )


@pytest.fixture(scope="session")
async def cinema(database: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    private, public = key_pair()
    clock = HeldHands(start_of_story(), database)
    with running(clock=clock) as yookassa:
        cinema = await open_cinema(settings_for(database, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


@pytest.fixture(scope="session")
async def panel(cinema: Cinema) -> AsyncIterator[Panel]:
    """Starting it takes seconds, so all tests of a worker share it; each has people and plans of its own."""
    async with panel_of(cinema) as panel:
        yield panel


@pytest.fixture(scope="session")
def boss(panel: Panel) -> Administrator:
    return panel.boss
