"""Whether a projection has caught up with a command: its rows are gone from the outbox when it has."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.postgres.tables import outbox

_LOOK_AGAIN_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Mostly it is there at once; where it is not, as while Redis is away, many wait, and all of them ask Postgres."""


async def is_projected(engine: AsyncEngine, projection: str, rows: tuple[int, int], patience_s: float = 0.3) -> bool:
    """Wait until `projection` ("history" or "access") has taken in the outbox rows first–last; False if it has not.

    No connection is held between two looks.
    """
    first, last = rows
    query = select(outbox.c.id).where(outbox.c.id.between(first, last), outbox.c.projection == projection).limit(1)
    loop = asyncio.get_running_loop()
    give_up_at, pauses = loop.time() + patience_s, iter(_LOOK_AGAIN_S)
    while True:
        async with engine.connect() as connection:
            waiting = (await connection.execute(query)).first()
        left = give_up_at - loop.time()
        if waiting is None or left <= 0:
            return waiting is None
        await asyncio.sleep(min(next(pauses, _LOOK_AGAIN_S[-1]), left))
