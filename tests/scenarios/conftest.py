from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story
from tests.servers import database_url, migrated, postgres, valkey

__all__ = ["database_url", "migrated", "postgres", "valkey"]


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    private, public = key_pair()
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        cinema = await open_cinema(settings_for(database_url, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)
