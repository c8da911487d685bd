"""The line to Redis: short patience, and none at all for a while after it failed.

Redis only speeds things up, so a Redis that hangs must not slow anything down: after a failure everybody is told
RedisUnavailable at once, and one caller in each pause finds out whether it is back.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

T = TypeVar("T")
PATIENCE_S: Final = 0.4
BATCH_S: Final = 10.0
"""For hundreds of writes in one round trip, each of which Redis may put on disk before the next."""
_PAUSE_S: Final = 1.0
_WRONG_KIND: Final = re.compile(r"^(Command # .* of pipeline caused error: \(['\"])?WRONGTYPE ", re.DOTALL)


class RedisUnavailable(Exception):  # noqa: N818 -- named for what the caller is told
    """Redis does not answer now; the caller goes to Postgres."""


class RedisLine:
    """One pool of connections with a circuit breaker. Belongs to one event loop.

    `url`: `redis://…`; `patience_s`: how long one answer may take; `pause_s`: how long nobody asks after a failure.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S, pause_s: float = _PAUSE_S) -> None:
        self.client: Redis = Redis.from_url(
            url,
            socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
            # A restart of Redis leaves dead connections in the pool: those are replaced within the same call.
            # What timed out is not asked again, since that would double the wait.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._pause_s = pause_s
        # A call connects and asks, each with its own patience; and connections are made one after another.
        self._at_most_s = 2 * patience_s
        self._closed_until = 0.0

    async def ask(self, question: Callable[[Redis], Awaitable[T]], *, at_most_s: float | None = None) -> T:
        """Run `question` on the client; raises RedisUnavailable, and ResponseError where only this question can't be
        answered.

        `at_most_s`: for all of it, where it is more than one command; each answer has the line's patience besides.
        """
        now = time.monotonic()
        if now < self._closed_until:
            raise RedisUnavailable("Redis failed a moment ago")
        was_down = self._closed_until > 0
        if was_down:
            self._closed_until = now + self._pause_s  # this caller tries, the others go on without Redis
        try:
            async with asyncio.timeout(at_most_s or self._at_most_s):
                answer = await question(self.client)
        except ResponseError as error:
            if _is_about_the_question(error):
                self._closed_until = 0.0
                raise
            self._close()
            raise RedisUnavailable(f"Redis is not ready: {type(error).__name__}") from None
        except (RedisError, OSError, TimeoutError) as error:
            self._close()
            raise RedisUnavailable(f"Redis does not answer: {type(error).__name__}") from None
        if was_down:
            self._closed_until = 0.0
        return answer

    async def close(self) -> None:
        await self.client.aclose()

    def _close(self) -> None:
        self._closed_until = time.monotonic() + self._pause_s


def _is_about_the_question(error: ResponseError) -> bool:
    """A key that holds another kind of value, a script that is not loaded: the same server answers other questions.

    Everything else is the server's own state: no memory, a replica, no disk, no permission. Those are not listed here,
    for redis-py drops the word from some, and in a pipeline puts a sentence before all of them.
    """
    return isinstance(error, NoScriptError) or _WRONG_KIND.search(str(error)) is not None
