"""So many things at once, however many rounds begin them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_Thing = TypeVar("_Thing")


class Places:
    """Rounds that overlap share them. Belongs to one event loop."""

    def __init__(self, many: int) -> None:
        self._free = many

    async def fill(
        self, begin: Callable[[int], Awaitable[Sequence[_Thing]]], go: Callable[[_Thing], Awaitable[None]]
    ) -> None:
        """Ask `begin` for as many things as there are free places, and let each `go`; nothing where none is free.

        A place is free again as soon as its own thing has ended. What one raises is raised when all have ended.
        """
        held = self._free
        if not held:
            return
        self._free = 0  # before asking, so that rounds do not pile up where that takes long

        async def one(thing: _Thing) -> None:
            nonlocal held
            try:
                await go(thing)
            finally:
                held -= 1
                self._free += 1

        try:
            things = await begin(held)
            self._free += held - len(things)
            held = len(things)
            for came in await asyncio.gather(*map(one, things), return_exceptions=True):
                if isinstance(came, BaseException):
                    raise came
        finally:
            self._free += held
