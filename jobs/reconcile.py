"""`billing reconcile` and the nightly job: which days are compared, with which payment systems, one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bootstrap import Service
from commands.reconcile_day import PIECE, Piece, ReconcileDay, reconcile_day
from domain.errors import PaymentSystemUnavailable
from domain.reconciliation import Finding, Outcome, PaymentSystemSilent, Report, Stage, bounds_of, day_of
from infrastructure.postgres.exclusive import HeldByAnother, exclusive
from infrastructure.postgres.reconciliations import (
    begin_of_books,
    count_open_cases,
    days_with_open_cases,
    finished_days,
)

log = structlog.get_logger(__name__)

_LOCK = 7_316_403
_FIRST_DAY = date(2000, 1, 1)
_PAUSES_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""As long as a payment system may ask for patience, after which its circuit lets a call through again."""


class AlreadyReconciling(Exception):  # noqa: N818 -- read by people
    """Another run is under way."""


class NoSuchDay(Exception):  # noqa: N818 -- read by people
    """That day has not begun, or was before there were payment systems."""


@dataclass(frozen=True, slots=True)
class Found:
    payment_system: str
    day: date
    finding: Finding


@dataclass(slots=True)
class Run:
    """What one run has done. `stopped`: payment systems that were not compared to the end, and why."""

    days: int = 0
    payments: int = 0
    refunds: int = 0
    found: list[Found] = field(default_factory=list)
    known_open: int = 0
    stopped: list[tuple[str, str]] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(each.finding.outcome is outcome for each in self.found)


async def reconcile(
    service: Service, day: date | None = None, *, piece: int = PIECE, pauses_s: Sequence[float] = _PAUSES_S
) -> Run:
    """Every day that is not finished, and today and yesterday in any case; or `day` alone, finished or not.

    A payment system that stays silent after `pauses_s` stops its own comparison only; the next run goes on there.
    Raises AlreadyReconciling, NoSuchDay.
    """
    now = await asyncio.to_thread(service.world.clock.now)
    today = day_of(now)
    if day is not None and day > today:
        raise NoSuchDay(f"{day} has not begun yet: by the service's clock it is {today}")
    if day is not None and day < _FIRST_DAY:
        raise NoSuchDay(f"there is nothing to compare before {_FIRST_DAY}")
    try:
        async with exclusive(service.engine, _LOCK, wait=False):
            return await _Reconciliation(service, piece, pauses_s).go(day, today)
    except HeldByAnother:
        raise AlreadyReconciling("another reconciliation is under way; wait until it has ended") from None


async def reconcile_nightly(service: Service) -> int:
    """For the worker: how many differences are new."""
    try:
        run = await reconcile(service)
    except AlreadyReconciling:
        log.info("reconciliation_under_way")
        return 0
    for code, why in run.stopped:
        log.warning("reconciliation_stopped", payment_system=code, why=why)
    log.info(
        "reconciled",
        days=run.days,
        payments=run.payments,
        refunds=run.refunds,
        repaired=run.count(Outcome.REPAIRED),
        for_a_person=run.count(Outcome.CASE),
        known_open=run.known_open,
    )
    return len(run.found)


class _Reconciliation:
    def __init__(self, service: Service, piece: int, pauses_s: Sequence[float]) -> None:
        self._service = service
        self._piece = piece
        self._pauses_s = pauses_s
        self._run = Run()

    async def go(self, day: date | None, today: date) -> Run:
        for codes in await self._service.payment_systems.accounts():
            days = [day] if day is not None else await self._days(codes, today)
            try:
                system = await self._service.payment_systems.by_code(codes[0])
                if system.capabilities.reconciled:
                    await self._account(codes, days)
            except PaymentSystemUnavailable as unavailable:
                if await self._have_books(codes):
                    self._run.stopped.append((codes[0], unavailable.detail))
            except PaymentSystemSilent as silence:
                self._run.stopped.append((codes[0], f"{silence}"))
        async with self._service.engine.connect() as connection:
            self._run.known_open = max(0, await count_open_cases(connection) - self._run.count(Outcome.CASE))
        return self._run

    async def _days(self, codes: list[str], today: date) -> list[date]:
        """Those of open cases too: only looking again tells whether a difference is gone."""
        yesterday = today - timedelta(days=1)
        async with self._service.engine.connect() as connection:
            begin = await begin_of_books(connection, codes)
            finished = await finished_days(connection, codes[0])
            days = {yesterday, today, *await days_with_open_cases(connection, codes[0])}
        day = day_of(begin) if begin is not None else today
        while day <= today:
            if day not in finished:
                days.add(day)
            day += timedelta(days=1)
        return sorted(days)

    async def _have_books(self, codes: list[str]) -> bool:
        async with self._service.engine.connect() as connection:
            return await begin_of_books(connection, codes) is not None

    async def _account(self, codes: list[str], days: list[date]) -> None:
        screen = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._run.days += len(days)
        with Progress(*columns, TimeElapsedColumn(), console=screen, disable=not screen.is_terminal) as bar:
            task = bar.add_task(codes[0], total=2 * len(days))
            done = 0
            for stage in (Stage.REFUNDS, Stage.PAYMENTS):
                for day in days:
                    await self._stage(codes, day, stage, bar, task)
                    done += 1
                    bar.update(task, completed=done)

    async def _stage(self, codes: list[str], day: date, stage: Stage, bar: Progress, task: TaskID) -> None:
        """Silence is waited out for a little while; each piece that is compared renews the patience."""
        service, pauses = self._service, list(self._pauses_s)
        before = bar.tasks[task].completed

        def tell(piece: Piece) -> None:
            pauses[:] = self._pauses_s
            self._note(piece, stage)
            done = before + _share(piece.report)
            bar.update(task, completed=done, description=f"{codes[0]} {day:%d.%m.%Y} {stage}")

        command = ReconcileDay(codes, day, stage, self._piece)
        while True:
            try:
                await reconcile_day(command, service.transactions(), service.world, tell)
                return
            except PaymentSystemSilent:
                if not pauses:
                    raise
            await asyncio.sleep(pauses.pop(0))

    def _note(self, piece: Piece, stage: Stage) -> None:
        if stage is Stage.REFUNDS:
            self._run.refunds += piece.compared
        else:
            self._run.payments += piece.compared
        report = piece.report
        self._run.found += [Found(report.payment_system, report.day, finding) for finding in piece.findings]


def _share(report: Report) -> float:
    start, end = bounds_of(report.day)
    return min(1.0, (report.compared_until - start) / (end - start))
