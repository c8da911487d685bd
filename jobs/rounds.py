"""The rounds of one duty in one worker: begun by whoever comes first, Postgres, arq, or at the latest the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from infrastructure.postgres.outage import is_outage

log = structlog.get_logger(__name__)

LONGEST_S = 300.0


class Rounds:
    """`sweep` does one round and returns how much it did; where it has enough to do it returns 0 at once.

    A round belongs to the worker and not to who began it: Redis going away cuts none short. What fails is logged; the
    work waits in Postgres for the next round. None goes on for longer than `longest_s`.

    `goes_on`: a round that found something is followed by another at once.
    """

    def __init__(
        self, name: str, sweep: Callable[[], Awaitable[int]], *, goes_on: bool = False, longest_s: float = LONGEST_S
    ) -> None:
        self.name = name
        self._sweep = sweep
        self._goes_on = goes_on
        self._longest_s = longest_s
        self._began_at = 0.0
        self._under_way: set[asyncio.Task[int]] = set()

    def begin(self) -> asyncio.Task[int]:
        """Begin one and do not wait for it."""
        self._began_at = asyncio.get_running_loop().time()
        begun = asyncio.create_task(self._one())
        self._under_way.add(begun)
        begun.add_done_callback(self._under_way.discard)
        return begun

    async def make(self) -> int:
        """Begin one and wait for it; it goes on where the waiting is cancelled. How much it did."""
        return await asyncio.shield(self.begin())

    async def keep(self, rest_s: float) -> None:
        """Begin one whenever none has begun for so long, by a clock that never goes back; until cancelled."""
        now = asyncio.get_running_loop().time
        since = now()
        while True:
            rest = max(self._began_at, since) + rest_s - now()
            if rest > 0:
                await asyncio.sleep(rest)
            else:
                self.begin()

    async def close(self) -> None:
        """Cut short what is under way."""
        self._goes_on = False
        for one in list(self._under_way):
            one.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _one(self) -> int:
        try:
            async with asyncio.timeout(self._longest_s):
                done = await self._sweep()
        except Exception as error:
            if is_outage(error):
                log.warning("round_interrupted", duty=self.name, error=f"{type(error).__name__}: {error}"[:200])
            else:
                log.exception("round_failed", duty=self.name)
            return 0
        if done and self._goes_on:
            self.begin()
        return done
