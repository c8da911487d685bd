"""Reconcile one calendar day with one payment system, piece by piece, so that it goes on where it stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import cast

from commands.compare_payments import ComparePayments
from commands.compare_refunds import CompareRefunds
from commands.comparison import Comparison, Ours, Theirs
from commands.world import World
from domain.payment_system import Unreadable
from domain.ports import OpenUnitOfWork, UnitOfWork
from domain.reconciliation import Finding, Outcome, PaymentSystemSilent, Report, Stage, bounds_of

PIECE = 200
"""How many objects of the payment system's are compared between two commits of the progress, at most."""
_SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ReconcileDay:
    """`stage`: do the refunds or the payments of that day; refunds of all days go before payments of any.

    `codes`: under which the registry knows the payment system's account; the report bears the first.
    """

    codes: Sequence[str]
    day: date
    stage: Stage
    piece: int = PIECE

    @property
    def payment_system(self) -> str:
        return self.codes[0]


@dataclass(slots=True)
class Piece:
    """What came of one piece: of this run, not of the whole day. `findings`: new ones, and what was repaired."""

    report: Report
    compared: int
    findings: list[Finding]


async def reconcile_day(
    command: ReconcileDay, open_uow: OpenUnitOfWork, world: World, tell: Callable[[Piece], None]
) -> None:
    """Begin a pass over the day, or go on with one; `tell` hears of each piece once it is committed.

    A day whose last pass has ended, or of which there is more by now, gets a new one by its refunds; what is known
    already is not found anew.
    Raises PaymentSystemSilent, PaymentSystemUnavailable.
    """
    system = await world.payment_systems.by_code(command.payment_system)
    day = _Day(command, await _open(command, open_uow, world), open_uow, world, tell)
    if day.report.stage is not command.stage:
        return
    around = (command.codes, system, open_uow, world, day.begin_repair)
    if command.stage is Stage.REFUNDS:
        await day.go(CompareRefunds(*around))
    else:
        await day.go(ComparePayments(*around))


async def _open(command: ReconcileDay, open_uow: OpenUnitOfWork, world: World) -> Report:
    async with open_uow() as uow:
        now = world.clock.now()
        report = await uow.reconciliations.report(command.payment_system, command.day)
        if report is None:
            report = Report.begin(command.payment_system, command.day, now)
            await uow.reconciliations.save(report, None)
        elif command.stage is Stage.REFUNDS and (report.stage is Stage.DONE or report.has_grown(now)):
            as_read = (report.passes, report.compared_until)
            _bring_up_to(report, now)
            await uow.reconciliations.save(report, as_read)
        return report


def _bring_up_to(report: Report, now: datetime) -> None:
    """Its refunds are read up to now before payments of any day are compared by what they come to.

    A pass that was interrupted saw less of the day: a refund of its last hours would be taken for a difference. Once
    the day is over all of it is read anew, for what was read while it went on may have changed since.
    """
    _, end = bounds_of(report.day)
    if report.stage is Stage.REFUNDS and now < end:
        report.reach_further(now)
    else:
        report.begin_again(now)


class _Day:
    def __init__(
        self,
        command: ReconcileDay,
        report: Report,
        open_uow: OpenUnitOfWork,
        world: World,
        tell: Callable[[Piece], None],
    ) -> None:
        self.report = report
        self._command, self._open_uow, self._world, self._tell = command, open_uow, world, tell

    async def go(self, comparison: Comparison[Ours, Theirs]) -> None:
        report, end = self.report, self.report.covers_until
        length = end - report.compared_until
        while report.compared_until < end:
            since = report.compared_until
            until = min(since + length, end)
            listed = await self._read(comparison.listed(since, until), bounded=until - since > _SHORTEST)
            if listed is None:  # more than one piece should hold
                length = max((until - since) / 2, _SHORTEST)
                continue
            found = await comparison.compare(listed, since, until)
            await self._commit_piece(found, len(listed), until)
            if len(listed) <= self._command.piece // 4:
                length = (until - since) * 2
        await self._commit_stage()

    async def _read(
        self, listing: AsyncIterator[Theirs | Unreadable], *, bounded: bool
    ) -> list[Theirs | Unreadable] | None:
        """All of it; None where it is more than a piece and can be read in shorter ones."""
        listed: list[Theirs | Unreadable] = []
        try:
            # The port says iterator; every one of them is a generator, and is ended here, not by the collector.
            async with aclosing(cast("AsyncGenerator[Theirs | Unreadable, None]", listing)) as items:
                async for item in items:
                    listed.append(item)
                    if bounded and len(listed) > self._command.piece:
                        return None
        except ConnectionError as silence:
            raise PaymentSystemSilent(str(silence)) from None
        return listed

    async def begin_repair(self, finding: Finding) -> None:
        """See BeginRepair. What a person has before them already is not put in doubt."""
        earlier = self.report.findings.get(finding.key)
        if earlier is not None and earlier.outcome is Outcome.CASE:
            return
        async with self._open_uow() as uow:
            as_read = self._as_read()
            self._keep(replace(finding, found_at=self._world.clock.now()))
            await uow.reconciliations.save(self.report, as_read)

    async def _commit_piece(self, found: list[Finding], compared: int, until: datetime) -> None:
        async with self._open_uow() as uow:
            as_read = self._as_read()
            open_cases = await uow.reconciliations.open_cases([finding.key for finding in found])
            by_key = {each.key: each for each in found}
            told = [each for each in by_key.values() if await self._conclude(each, open_cases, uow)]
            self.report.compared_until = until
            if self.report.stage is Stage.REFUNDS:
                self.report.refunds += compared
            else:
                self.report.payments += compared
            await uow.reconciliations.save(self.report, as_read)
        self._tell(Piece(self.report, compared, told))

    async def _conclude(self, finding: Finding, open_cases: set[tuple[str, str]], uow: UnitOfWork) -> bool:
        """Keep it and see to its case; whether it is news. What a person has closed is not opened again."""
        now, earlier = self._world.clock.now(), self.report.findings.get(finding.key)
        was_case = earlier is not None and earlier.outcome is Outcome.CASE
        finding.found_at = now
        self._keep(finding)
        if finding.outcome is Outcome.REPAIRED:
            await uow.cases.resolve(*finding.key, now)
            return True
        if was_case or finding.key in open_cases:
            return False
        report = self.report
        facts = {"payment_system": report.payment_system, "day": str(report.day), "provider_id": finding.provider_id}
        await uow.cases.open(
            *finding.key,
            finding.detail,
            now,
            user_id=finding.user_id,
            payment_id=finding.payment_id,
            refund_id=finding.refund_id,
            facts={**facts, "ours": finding.ours, "theirs": finding.theirs, **finding.facts},
        )
        return True

    async def _commit_stage(self) -> None:
        """The stage has come to its end; at the pass's end, what it has not seen any more is gone."""
        now, told = self._world.clock.now(), list[Finding]()
        async with self._open_uow() as uow:
            as_read, report = self._as_read(), self.report
            ends = report.stage is Stage.PAYMENTS
            for finding in report.findings.values():
                looked_at = ends or finding.seen_in == report.passes  # else its own stage is still to come
                if finding.outcome is Outcome.REPAIRING and looked_at:  # it was made, and a crash cut its report short
                    finding.outcome = Outcome.REPAIRED
                    await uow.cases.resolve(*finding.key, now)
                    told.append(finding)
            report.next_stage(now)
            if report.stage is Stage.DONE:
                for finding in report.not_seen_any_more():
                    if finding.outcome is Outcome.CASE:
                        finding.outcome = Outcome.GONE
                        await uow.cases.resolve(*finding.key, now)
                        told.append(finding)
            await uow.reconciliations.save(report, as_read)
        self._tell(Piece(self.report, 0, told))

    def _keep(self, finding: Finding) -> None:
        finding.seen_in = self.report.passes
        self.report.note(finding)

    def _as_read(self) -> tuple[int, datetime]:
        return self.report.passes, self.report.compared_until
