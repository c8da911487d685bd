"""Waiting for what another task, thread, connection or process brings about, where nothing tells when it has."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def eventually(look: Callable[[], bool | Awaitable[bool]], within_s: float = 20.0) -> None:
    """Look until it is true; TimeoutError after `within_s`."""
    async with asyncio.timeout(within_s):
        while not await _seen(look):  # noqa: ASYNC110 -- there is no event to wait for
            await asyncio.sleep(0.01)


async def _seen(look: Callable[[], bool | Awaitable[bool]]) -> bool:
    seen = look()
    return await seen if inspect.isawaitable(seen) else seen
