"""One duty of the workers, done for each of many objects: what fails for one of them stops no other, now or later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.exc import DBAPIError

from bootstrap import Service
from domain.errors import NotDue, PaymentInProgress
from infrastructure.observability.redaction import redact_text
from infrastructure.postgres.outage import is_outage
from infrastructure.postgres.setbacks import PostgresSetbacks
from infrastructure.postgres.tables import payments, refunds

log = structlog.get_logger(__name__)

_FAILURES_TO_CASE = 3
_OLD = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the objects. Of those in none of the lists nothing was written down: Postgres was away."""

    done: list[UUID]
    needless: list[UUID]  # somebody else was quicker
    set_back: list[UUID]  # failed, and steps aside


class Duty:
    """`name`: as setbacks and cases call it; `table`: of the objects; `at_once`: shared by all duties of a worker.

    A failure is tried again at growing intervals; at the third in a row a case is opened, which closes by itself when
    the duty is done after all. Postgres being away is nobody's failure.
    """

    def __init__(self, service: Service, name: str, table: Table, at_once: asyncio.Semaphore) -> None:
        self._service = service
        self._name = name
        self._table = table
        self._at_once = at_once
        self._setbacks = PostgresSetbacks(service.engine, name)

    def steps_aside(self, now: datetime) -> ColumnElement[bool]:
        """SQL: which rows of the table wait after a failure."""
        return self._setbacks.holds(self._table.c.id, now)

    async def each(self, ids: Sequence[UUID], do: Callable[[UUID], Awaitable[None]]) -> Round:
        """Do it for each, some at once."""
        outcomes = await asyncio.gather(*(self._one(object_id, do) for object_id in ids))
        went = Round([], [], [])
        lists = {"done": went.done, "needless": went.needless, "set back": went.set_back}
        for object_id, outcome in zip(ids, outcomes, strict=True):
            if outcome in lists:
                lists[outcome].append(object_id)
        await self._end(await self._setbacks.among(went.done + went.needless))
        return went

    async def forget_old(self) -> int:
        """Setbacks of what has not been due for long; how many there were."""
        old = await self._setbacks.old(_OLD)
        await self._end(old)
        return len(old)

    async def _one(self, object_id: UUID, do: Callable[[UUID], Awaitable[None]]) -> str:
        async with self._at_once:
            try:
                await do(object_id)
            except (NotDue, PaymentInProgress) as broken:  # somebody else was quicker
                log.debug("nothing_to_do", object=str(object_id), why=broken.detail)
                return "needless"
            except Exception as error:
                if is_outage(error):
                    log.warning("postgres_unavailable", object=str(object_id))
                    return "unknown"
                log.exception("duty_failed", duty=self._name, object=str(object_id))
                return await self._set_back(object_id, error)
            return "done"

    async def _set_back(self, object_id: UUID, error: Exception) -> str:
        try:
            why = _words(error)
            failures = await self._setbacks.note(object_id, why, self._service.clock.now())
            if failures >= _FAILURES_TO_CASE:
                await self._open_case(object_id, failures, why)
        except Exception:
            log.exception("setback_not_written", duty=self._name, object=str(object_id))
            return "unknown"
        return "set back"

    async def _open_case(self, object_id: UUID, failures: int, why: str) -> None:
        table = self._table
        async with self._service.transactions()() as uow:
            owner = None
            if "user_id" in table.c:
                query = select(table.c.user_id).where(table.c.id == object_id)
                owner = (await uow.connection.execute(query)).scalar_one_or_none()
            await uow.cases.open(
                self._case_kind,
                str(object_id),
                f"It has failed {failures} times in a row and is tried again: {why}",
                uow.now,
                user_id=owner,
                payment_id=object_id if table is payments else None,
                refund_id=object_id if table is refunds else None,
                facts={"failures": failures},
            )

    async def _end(self, object_ids: Sequence[UUID]) -> None:
        """Cases first: who is killed between the two leaves a trace that is found again, not a case for ever."""
        if not object_ids:
            return
        async with self._service.transactions()() as uow:
            for object_id in object_ids:
                await uow.cases.resolve(self._case_kind, str(object_id), uow.now)
        await self._setbacks.end(object_ids)

    @property
    def _case_kind(self) -> str:
        return f"{self._name}_stuck"


def _words(error: Exception) -> str:
    """What a person may read: a statement's parameters are none of it."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return redact_text(f"{type(error).__name__}: {said}".replace("\x00", " "))[:500]
