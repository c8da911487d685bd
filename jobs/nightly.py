"""Reconciliation begins at 01:10 UTC, 04:10 in Moscow, by the worker's own clock.

It is no job of arq's: it may take hours, and arq holds whatever a killed worker was at for as long as its longest job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

_HOUR, _MINUTE = 1, 10
_LOOK_S = 60.0


async def every_night(begin: Callable[[], object], now: Callable[[], datetime]) -> None:
    """Call `begin` whenever the hour has come; until cancelled. `now`: the wall's time in UTC.

    The clock is looked at again each minute: it may be set, and a machine may sleep.
    """
    seen = now()
    while True:
        left = (_last_one(seen) + timedelta(days=1) - seen).total_seconds()
        await asyncio.sleep(min(left, _LOOK_S))
        before, seen = seen, now()
        if before < _last_one(seen):
            begin()


def _last_one(now: datetime) -> datetime:
    today = now.replace(hour=_HOUR, minute=_MINUTE, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)
