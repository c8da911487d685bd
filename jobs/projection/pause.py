"""Waiting between tries."""

from __future__ import annotations

import asyncio
import contextlib


class Pause:
    """Grows with each failure in a row, up to a limit; a success resets it."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        self._next_s = self._first_s

    async def take(self) -> None:
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 2, self._longest_s)


class Bell:
    """Rung when there is work; who waits looks by himself after `patience_s`, for a ring may be lost."""

    def __init__(self, patience_s: float = 1.0) -> None:
        self._event = asyncio.Event()
        self._patience_s = patience_s

    def ring(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), self._patience_s)
        self._event.clear()
