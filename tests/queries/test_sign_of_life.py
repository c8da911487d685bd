"""Worker and projector show by a file that they live."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from jobs.sign_of_life import show_life
from tests.waiting import eventually


async def test_the_file_is_made_when_all_is_ready_and_stays_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, ready = tmp_path / "ready", asyncio.Event()
    monkeypatch.setenv("BILLING_READY_FILE", str(file))
    showing = asyncio.create_task(show_life(ready, every_s=0.01))
    await asyncio.sleep(0)
    assert not file.exists()

    ready.set()
    await eventually(file.exists)
    os.utime(file, (0, 0))
    await eventually(lambda: file.stat().st_mtime > 0)
    showing.cancel()
