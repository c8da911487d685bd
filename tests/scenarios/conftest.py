from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.queries.servers import database_url, migrated, postgres, valkey
from tests.scenarios.cinema import Cinema, Hands, close_cinema, key_pair, open_cinema, settings_for, start_of_story
from tests.scenarios.fault_table import results, table

__all__ = ["database_url", "migrated", "postgres", "valkey"]


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    private, public = key_pair()
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        cinema = await open_cinema(settings_for(database_url, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The fault matrix as a table, where cells of it ran; also as a file where REPORTS_DIR names a directory."""
    ran = (one for kept in terminalreporter.stats.values() for one in kept if isinstance(one, pytest.TestReport))
    found = results(ran)
    if not found:
        return
    lines = table(found)
    terminalreporter.section("fault matrix")
    for line in lines:
        terminalreporter.write_line(line)
    if directory := os.environ.get("REPORTS_DIR"):
        path = Path(directory) / "fault-matrix.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
