"""What every test run shares: who goes first, a core for each worker, and the fault matrix at the end of the report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenarios.fault_table import results, table

_LONG = ("tests/simulation/", "tests/reliability/", "tests/queries/", "tests/infrastructure/local/", "tests/browser/")
"""Where a file's tests take longest: simulated worlds, whole stacks, Elasticsearch and Chromium."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: whichever worker is left with one at the end keeps all others waiting."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


def pytest_configure(config: pytest.Config) -> None:
    """Keep a worker, and with it the servers that it starts, to a core of its own.

    A question to a server on another core has to wake that one up, which takes three times as long.
    """
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    if worker is not None and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker["workerid"].removeprefix("gw")) % len(cores)]})


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
