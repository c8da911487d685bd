"""Runs the synchronous SDK beside the event loop: a fixed number of threads, each call within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from infrastructure.payment_systems.yookassa.exchange import Call, Exchange
from infrastructure.payment_systems.yookassa.sdk import Client


class NoAnswerError(Exception):
    """The deadline has passed, or no thread was free before it. The outcome is unknown."""


class Threads:
    """`count` threads with a line each. A thread is given a call only when it is free, so nothing queues behind a
    call that hangs; one whose deadline has passed is cut off and comes back by itself."""

    def __init__(self, count: int, connect: Callable[[], Client]) -> None:
        """`connect` is called once in each thread."""
        self._connect = connect
        self._free = asyncio.Semaphore(count)
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="yookassa")
        self._of_thread = threading.local()
        self._under_way: set[Call] = set()

    async def run(self, ask: Callable[[Client], None], deadline: float) -> Exchange:
        """Have a thread `ask` by `deadline` (an instant of `time.monotonic()`); raises NoAnswerError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._free.acquire()
        except TimeoutError:
            raise NoAnswerError("no thread was free in time") from None
        call = Call()
        try:
            future = self._executor.submit(self._carry_out, call, ask, deadline)
        except RuntimeError:
            self._free.release()
            raise NoAnswerError("the adapter is closed") from None
        self._under_way.add(call)
        # Not bound to who waits: a caller who goes away leaves the thread to the deadline all the same.
        cutting_off = loop.call_later(deadline - time.monotonic(), call.give_up)

        def give_thread_back() -> None:
            cutting_off.cancel()
            self._under_way.discard(call)
            self._free.release()

        def done(_: Future[Exchange]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everybody who waits
                loop.call_soon_threadsafe(give_thread_back)

        future.add_done_callback(done)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise NoAnswerError("no answer within the deadline") from None

    @property
    def busy(self) -> int:
        return len(self._under_way)

    def close(self) -> None:
        """End all threads; calls under way end as if the connection broke."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for call in list(self._under_way):
            call.give_up()

    def _carry_out(self, call: Call, ask: Callable[[Client], None], deadline: float) -> Exchange:
        client = self._client()
        line = client.line
        line.begin(deadline)
        if not call.begin(line.cut):
            return Exchange(error="GivenUp")
        try:
            ask(client)
        except Exception:  # the SDK turns every trouble into something; the exchange knows what it was
            if not line.exchange.sent:
                raise
        finally:
            call.end()
        return line.exchange

    def _client(self) -> Client:
        client: Client | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = self._of_thread.client = self._connect()
        return client
