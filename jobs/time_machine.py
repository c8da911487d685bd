"""The time machine of the held clock: time goes from one instant at which something falls due to the next.

At each of them everything is done before time goes on, so that a year of renewals ends as it would have ended had the
year really passed. The stack's own worker and projector may run at the same time: what they hold is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ports import Clock
from infrastructure.clock import HeldClock
from infrastructure.postgres.exclusive import HeldByAnother, exclusive
from settings import Settings

_LOCK = 7_316_402
_POLL_S = 0.02
_LESS_PATIENCE_S = 0.5
"""Once something has not ended in time, it is not waited for so long at each further instant."""
_MOST_ROUNDS = 30
_SIMULATOR_TIMEOUT_S = 2.0

_DUE = """
SELECT min(at) FROM (
    SELECT min(next_charge_at) AS at FROM subscriptions
        WHERE next_charge_at > :now AND open_payment_id IS NULL AND NOT refunding
    UNION ALL SELECT min(remind_at) FROM subscriptions WHERE remind_at > :now AND NOT refunding
    UNION ALL SELECT min(end_at) FROM subscriptions
        WHERE end_at > :now AND open_payment_id IS NULL AND (cancel_at_period_end OR NOT refunding)
    UNION ALL SELECT min(ask_again_at) FROM payments WHERE ask_again_at > :now
    UNION ALL SELECT min(ask_again_at) FROM refunds WHERE ask_again_at > :now
) AS due
"""

_BACKLOG = """
SELECT
    (SELECT count(*) FROM subscriptions
        WHERE next_charge_at <= :now AND open_payment_id IS NULL AND NOT refunding) AS renewals,
    (SELECT count(*) FROM subscriptions WHERE remind_at <= :now AND NOT refunding) AS reminders,
    (SELECT count(*) FROM subscriptions
        WHERE end_at <= :now AND open_payment_id IS NULL AND (cancel_at_period_end OR NOT refunding)) AS endings,
    (SELECT count(*) FROM payments WHERE ask_again_at <= :now OR claimed_until > (SELECT clock_timestamp())
        OR ask_again_by > (SELECT clock_timestamp()) AND asks = 0 AND provider_payment_id IS NULL) AS payments,
    (SELECT count(*) FROM refunds WHERE ask_again_at <= :now OR claimed_until > (SELECT clock_timestamp())
        OR ask_again_by > (SELECT clock_timestamp()) AND asks = 0 AND provider_refund_id IS NULL) AS refunds,
    (SELECT count(*) FROM outbox) AS "changes for the projections",
    (SELECT count(*) FROM inbox
        WHERE status = 'new' AND retry_by <= (SELECT clock_timestamp()) + interval '60 s') AS notifications,
    (SELECT count(*) FROM mails
        WHERE status = 'owed' AND retry_by <= (SELECT clock_timestamp()) + interval '60 s') AS mails
"""
"""What still has to be done at :now, by kind. What a worker holds counts too, for time must not go on under its hands:
a first call under way, a payment or refund that the janitor has claimed, a notification or mail under lease."""


class NotHeldError(Exception):
    """Time goes by itself here; the message says how to hold it."""


class AlreadyAdvancingError(Exception):
    """Somebody else is moving the clock at this moment."""


class Service(Protocol):
    """What the time machine needs of the wired service."""

    @property
    def settings(self) -> Settings: ...
    @property
    def engine(self) -> AsyncEngine: ...
    @property
    def clock(self) -> Clock: ...


class Sweeps(Protocol):
    async def everything(self) -> int:
        """Do what is due; how many things were done."""
        ...


async def advance(
    service: Service,
    sweeps: Sweeps,
    duration: timedelta,
    *,
    leap: bool,
    say: Callable[[str], None],
    patience_s: float = 10.0,
) -> datetime:
    """Move the held clock forward by `duration`, doing all that falls due on the way; returns the new present.

    With `leap` time goes to the end at once, as after a downtime. `say` is told, once for each kind of work, what did
    not end within `patience_s` (seconds by the wall clock). Raises NotHeldError, AlreadyAdvancingError.
    """
    if not isinstance(service.clock, HeldClock):
        raise NotHeldError("time goes by itself here; start with BILLING_CLOCK=held to move it by hand")
    try:
        async with (
            exclusive(service.engine, _LOCK, wait=False),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_SIMULATOR_TIMEOUT_S)) as http,
        ):
            machine = _TimeMachine(service, service.clock, sweeps, http, say, patience_s)
            return await machine.go(duration, leap=leap)
    except HeldByAnother:
        raise AlreadyAdvancingError(
            "somebody else is moving the clock at this moment; wait until that is done"
        ) from None


class _TimeMachine:
    def __init__(
        self,
        service: Service,
        clock: HeldClock,
        sweeps: Sweeps,
        http: aiohttp.ClientSession,
        say: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self._patience_s = patience_s
        self._engine = service.engine
        self._clock = clock
        self._sweeps = sweeps
        self._http = http
        self._say = say
        base = (service.settings.yookassa_api_url or "").removesuffix("/v3")
        self._tick_url = f"{base}/_simulator/tick" if base else None
        self._simulator_due: datetime | None = None
        self._told: set[str] = set()

    async def go(self, duration: timedelta, *, leap: bool) -> datetime:
        start = await asyncio.to_thread(self._clock.now)
        end = start + duration
        screen = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with Progress(*columns, TimeElapsedColumn(), console=screen, disable=not screen.is_terminal) as bar:
            task = bar.add_task(f"{start:%d.%m.%Y %H:%M}", total=duration.total_seconds())
            now = start
            await self._settle(now)
            while now < end:
                at = end if leap else min(await self._next_due(now) or end, end)
                assert at > now, "instants grow, or time would stand still for ever"
                await asyncio.to_thread(self._clock.move, at)
                now = at
                await self._settle(now)
                _show(bar, task, now, start)
        return now

    async def _next_due(self, now: datetime) -> datetime | None:
        """The earliest instant after `now` at which something falls due, here or at the payment system."""
        async with self._engine.connect() as connection:
            ours = (await connection.execute(text(_DUE), {"now": now})).scalar_one()
        theirs = self._simulator_due
        dues = [due for due in (ours, theirs) if due is not None and due > now]
        return min(dues) if dues else None

    async def _settle(self, now: datetime) -> None:
        """All that is due at `now`, and what follows from it, until nothing is left or nothing gets on."""
        await self._tick()
        for _ in range(_MOST_ROUNDS):
            done, ended = await self._work(now)
            self._simulator_due = await self._tick()  # brings the notifications of what was done just now
            if not ended or (done == 0 and not any((await self._backlog(now)).values())):
                return

    async def _work(self, now: datetime) -> tuple[int, bool]:
        """Sweep until nothing is left; how much was done, and whether it ended.

        A kind of work gets on when less is left of it than ever before: a count cannot fall for ever.
        """
        done, least = 0, dict[str, int]()
        got_on_at = time.monotonic()
        while True:
            done_now = await self._sweeps.everything()
            done += done_now
            backlog = await self._backlog(now)
            left = {kind for kind, count in backlog.items() if count}
            if not left:
                return done, True
            if any(count < least.get(kind, count + 1) for kind, count in backlog.items()):
                got_on_at = time.monotonic()
            least = {kind: min(count, least.get(kind, count)) for kind, count in backlog.items()}
            patience_s = min(_LESS_PATIENCE_S, self._patience_s) if left <= self._told else self._patience_s
            if time.monotonic() - got_on_at > patience_s:
                self._tell(left, now)
                return done, False
            await asyncio.sleep(_POLL_S)

    async def _backlog(self, now: datetime) -> dict[str, int]:
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(_BACKLOG), {"now": now})).mappings().one()
        return {str(kind): int(count) for kind, count in row.items()}

    def _tell(self, left: set[str], now: datetime) -> None:
        if new := left - self._told:
            self._told |= new
            self._say(
                f"not done in time at {now:%Y-%m-%d %H:%M:%S} UTC, time goes on without it: {', '.join(sorted(new))}"
            )

    async def _tick(self) -> datetime | None:
        """Let the simulator do what is due there; when its next thing is. Another payment system knows no such call."""
        if self._tick_url is None:
            return None
        try:
            async with self._http.post(self._tick_url) as answer:
                if answer.status in (404, 405):  # a payment system that keeps its own time: it is not asked again
                    self._tick_url = None
                due = (await answer.json()).get("next_due") if answer.ok else None
            at = datetime.fromisoformat(due) if due else None
            return at if at is not None and at.tzinfo is not None else None
        except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError, TypeError):
            return None


def _show(bar: Progress, task: TaskID, now: datetime, start: datetime) -> None:
    bar.update(task, completed=(now - start).total_seconds(), description=f"{now:%d.%m.%Y %H:%M}")
