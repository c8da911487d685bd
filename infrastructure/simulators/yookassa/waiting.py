"""Answers that take their time."""

from __future__ import annotations

import asyncio

from infrastructure.simulators.yookassa.faults import Effects


async def slow_down(effects: Effects) -> None:
    if effects.slow is not None:
        await asyncio.sleep(effects.slow.seconds)
