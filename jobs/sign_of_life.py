"""A process without an address of its own says by a file that it is ready, and that it still lives."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
_EVERY_S = 10.0


async def show_life(ready: asyncio.Event, *, every_s: float = _EVERY_S) -> None:
    """Touch the file that BILLING_READY_FILE names once `ready` is set, and then again and again, until cancelled.

    A file that is a minute old means a loop that hangs; a duty that fails has its metrics and cases.
    """
    await ready.wait()
    log.info("ready")
    path = os.environ.get("BILLING_READY_FILE")
    while path:
        await asyncio.to_thread(Path(path).touch)
        await asyncio.sleep(every_s)
