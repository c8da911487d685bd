"""Who may act next, and who dies: transactions and calls of ports happen one at a time, in an order that chance picks.

Between two of them the code under test does as it likes, so all that chance decides is decided at their borders: which
of the waiting ones goes next, and whether the process dies before it, or after it and before anybody could tell.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tests.simulation.chance import Chance
from tests.simulation.loop import simulated_loop


class Crash(BaseException):
    """The process dies here: nobody catches it, nothing more is written."""


@dataclass(slots=True)
class Process:
    """One life of the API or of a worker; everything that it had in memory goes with it."""

    name: str
    alive: bool = True


NOBODY = Process("the simulation itself")
process: ContextVar[Process] = ContextVar("process", default=NOBODY)


@dataclass(slots=True)
class Turns:
    """`mishaps`: whether crashes happen at present. `crashes`: how many there were at each place."""

    chance: Chance
    mishaps: bool = True
    crashes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _visits: Counter[str] = field(default_factory=Counter)
    _holder: asyncio.Task[Any] | None = None
    _in_transaction: bool = False
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _taken: int = 0
    _number: int = 0
    _looked: WeakKeyDictionary[asyncio.Task[Any], int] = field(default_factory=WeakKeyDictionary)

    @property
    def number(self) -> int:
        """Of the turn that was begun last."""
        return self._number

    @property
    def looked_at(self) -> int:
        """The turn in which the task at work last had the database before it: what it knows is as old as that."""
        return self._looked.get(_this_task(), 0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[str | None]:
        """A use of the database; yields where it is. One inside another, by the same task, is part of it: None."""
        if self._holder is asyncio.current_task() or _holds_a_lock():
            yield None
            return
        place = f"{_place()} commit"
        async with self._turn(in_transaction=True):
            self._looked[_this_task()] = self._number
            yield place
        self.may_crash(f"{place}, after")

    @asynccontextmanager
    async def call(self, port: str) -> AsyncIterator[None]:
        """A call of somebody outside, which must not be made with a transaction open (invariant 2)."""
        if self._holder is asyncio.current_task() and self._in_transaction:
            self.broken.append(f"{port} was called with a transaction open, in {_place()}")
            yield
            return
        place = f"{_place()} {port}"
        async with self._turn(in_transaction=False):
            self.may_crash(f"{place}, before")
            yield
        self.may_crash(f"{place}, after")

    @asynccontextmanager
    async def _turn(self, *, in_transaction: bool) -> AsyncIterator[None]:
        mine, loop = process.get(), simulated_loop()
        if self._holder is not None:
            turn = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._pass_on()  # it was let in, and dies at the door
                raise
        self._holder, self._in_transaction = asyncio.current_task(), in_transaction
        self._number += 1
        loop.outside += 1
        try:
            if not mine.alive:
                raise Crash(mine.name)
            yield
        finally:
            loop.outside -= 1
            self._pass_on()

    def _pass_on(self) -> None:
        self._holder = None
        self._waiting = [turn for turn in self._waiting if not turn.cancelled()]
        if self._waiting:
            self._taken += 1
            turn = self._waiting.pop(int(self.chance.draw(f"turn {self._taken}") * len(self._waiting)))
            turn.set_result(None)
            # Nobody who comes in between may slip in before the one who was let in.
            self._holder = _LET_IN

    def may_crash(self, place: str) -> None:
        mine = process.get()
        if mine is NOBODY:
            return
        if not mine.alive:
            raise Crash(mine.name)
        self._visits[place] += 1
        visit = self._visits[place]
        if not self.mishaps or not self.chance.happens(f"crash: {place} #{visit}", _how_likely(visit)):
            return
        self.crashes[place] += 1
        mine.alive = False
        raise Crash(place)


_LET_IN: Any = object()


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _how_likely(visit: int) -> float:
    """Every place gets its crashes early on, so that the rare ones get theirs at all."""
    return 0.05 if visit <= 40 else 0.002


def _holds_a_lock() -> bool:
    """A lock between processes is held on a connection of its own, outside of any transaction, while work goes on."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_code.co_name == "exclusive":
            return True
        if "/commands/" in frame.f_code.co_filename or "/jobs/" in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return False


def _place(depth: int = 2) -> str:
    """Which verb of the service is at work: the innermost function of commands, jobs or the infrastructure's books."""
    frame = sys._getframe(depth)
    while frame is not None:
        path = frame.f_code.co_filename
        for room in ("/commands/", "/jobs/", "/infrastructure/postgres/idempotency"):
            if room in path and "/tests/" not in path:
                return f"{path.rpartition('/')[2].removesuffix('.py')}.{frame.f_code.co_name.strip('_')}"
        following = frame.f_back
        if following is None:
            break
        frame = following
    return "elsewhere"


class WatchedEngine(AsyncEngine):
    """The service's engine, each use of it a turn."""

    turns: Turns

    @classmethod
    def over(cls, engine: AsyncEngine, turns: Turns) -> WatchedEngine:
        watched = cls(engine.sync_engine)
        watched.turns = turns
        return watched

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.turns.transaction() as place, super().connect() as connection, connection.begin():
            yield connection
            if place is not None:
                self.turns.may_crash(f"{place}, before")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:  # type: ignore[override] # used as a block everywhere
        async with self.turns.transaction(), super().connect() as connection:
            yield connection

    def execution_options(self, **options: Any) -> WatchedEngine:
        return WatchedEngine.over(super().execution_options(**options), self.turns)
