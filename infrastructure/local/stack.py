"""`billing run`: a whole local stack in one go, from its lock to its orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from infrastructure.clock import HeldClock
from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.elasticsearch_home import NoElasticsearchError
from infrastructure.local.home import Home, HomeError, RunsAlreadyError
from infrastructure.local.leash import Leash, ProgramFailedError, allow_short_lived, end_short_lived
from infrastructure.local.parts import Parts, Wishes
from infrastructure.local.ports import PortTakenError
from infrastructure.local.server import DidNotStartError, Server
from infrastructure.local.supervisor import PartDiedError, Supervisor

Stack = dict[str, Any]
"""What stack.json holds: name → address or None, and `processes`: name → process id."""


class StackError(Exception):
    """The stack cannot start or go on; the message is for the person at the terminal."""


_EXPECTED = (HomeError, PortTakenError, DidNotStartError, PartDiedError, ProgramFailedError, OSError)
"""What ends a stack with a message instead of a traceback."""


def run_stack(
    wishes: Wishes,
    home_dir: Path,
    *,
    say: Callable[[str], None],
    when_ready: Callable[[Stack, float], None],
    checkout: Path = CHECKOUT,
) -> None:
    """Start every part, call `when_ready` with stack.json's content and the seconds it took, stay until a signal.

    Returns after an orderly end by Ctrl-C, SIGTERM or SIGHUP; raises StackError. Only from the main thread.
    """
    home = Home(home_dir)
    try:
        lock = home.lock(say)
    except (RunsAlreadyError, OSError) as error:
        raise StackError(str(error)) from None
    try:
        with Leash(keep_open=[lock]) as leash:
            for file in home.announced:
                leash.remove_at_end(file)
            asyncio.run(_Run(wishes, home, leash, checkout, say, when_ready).go())
    except ExceptionGroup as group:
        raise StackError(str(_first(group))) from group
    except _EXPECTED as error:
        raise StackError(str(error)) from error
    finally:
        allow_short_lived()
        home.unlock(lock)


class _Run:
    def __init__(
        self,
        wishes: Wishes,
        home: Home,
        leash: Leash,
        checkout: Path,
        say: Callable[[str], None],
        when_ready: Callable[[Stack, float], None],
    ) -> None:
        self._wishes = wishes
        self._home = home
        self._say = say
        self._when_ready = when_ready
        self._supervisor = Supervisor(leash, say)
        self._parts = Parts(wishes, home, checkout=checkout, say=say)

    async def go(self) -> None:
        """Until a signal asks to end or a part dies."""
        asked, hurry = asyncio.Event(), asyncio.Event()
        _listen(asked, hurry)
        began_at = time.monotonic()
        watching = asyncio.create_task(self._supervisor.watch())
        asking = asyncio.create_task(asked.wait())
        starting = asyncio.create_task(self._start())
        try:
            await asyncio.wait({starting, watching, asking}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done() and not asked.is_set():
                starting.result()
                stack = self._describe()
                given = {name: value for name, value in os.environ.items() if name.startswith("BILLING_")}
                self._home.announce(stack, given | self._parts.environment)
                self._when_ready(stack, time.monotonic() - began_at)
                await asyncio.wait({watching, asking}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            self._home.forget()
            self._say("ending")
            end_short_lived()
            for task in (starting, watching, asking):
                task.cancel()
            await asyncio.gather(starting, watching, asking, return_exceptions=True)
            await self._supervisor.stop(hurry)

    async def _start(self) -> None:
        parts = self._parts
        first = [parts.valkey, parts.auth, parts.mailbox]
        await _together(self._open_database(), self._start_elasticsearch(), *(self._start_part(part) for part in first))
        # Their environment names every address, so they are made only now.
        ours = [self._start_part(part) for part in parts.ours()]
        await _together(self._start_part(parts.yookassa), self._start_admin(), *ours)

    async def _start_part(self, part: Server | None) -> None:
        if part is not None:
            await self._supervisor.start(part)

    async def _start_admin(self) -> None:
        if (panel := self._parts.panel()) is not None:
            preparation, admin = panel
            await self._supervisor.run_once(preparation)
            await self._supervisor.start(admin)

    async def _open_database(self) -> None:
        await self._start_part(self._parts.postgres)
        await self._supervisor.run_once(self._parts.migration())
        if self._wishes.clock == "held":
            await asyncio.to_thread(self._hold_time)

    def _hold_time(self) -> None:
        clock = HeldClock(self._parts.database_url)
        try:
            now = clock.start()
        finally:
            clock.close()
        self._say(f"time is held at {now:%Y-%m-%d %H:%M:%S} UTC")

    async def _start_elasticsearch(self) -> None:
        if self._parts.elasticsearch is None:
            if self._wishes.elasticsearch_url == "none":
                self._say("history is read from Postgres, as BILLING_ELASTICSEARCH_URL=none asks")
            return
        try:
            await self._supervisor.start(self._parts.elasticsearch)
        except NoElasticsearchError as error:
            self._parts.without_elasticsearch()
            self._say(f"history is read from Postgres, for Elasticsearch cannot be had here: {error}")

    def _describe(self) -> Stack:
        """stack.json's content; addresses given from outside stand as they were given."""
        parts, given = self._parts, self._wishes
        environment = parts.environment
        history = environment["BILLING_ELASTICSEARCH_URL"]
        admin = f"{parts.api_url.rpartition(':')[0]}:{given.admin_port}"
        yookassa = parts.yookassa.url if parts.yookassa else (given.yookassa_api_url or "").removesuffix("/v3")
        return {
            "api": parts.api_url,
            "admin": admin if parts.has_admin else None,
            "database": parts.database_url,
            "redis": environment["BILLING_REDIS_URL"],
            "elasticsearch": None if history == "none" else history,
            "yookassa": yookassa,
            "auth": parts.auth.url if parts.auth else given.auth_api_url,
            "mailbox": parts.mailbox.url if parts.mailbox else None,
            "processes": self._supervisor.pids,
        }


async def _together(*steps: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step)


def _listen(asked: asyncio.Event, hurry: asyncio.Event) -> None:
    """The first signal asks for an end, the second one for a quick end."""

    def ask() -> None:
        (hurry if asked.is_set() else asked).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        loop.add_signal_handler(signal.SIGHUP, ask)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
