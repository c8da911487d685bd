"""One duty of the workers, done for each of many objects: what fails for one of them stops no other, now or later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Table, select
from sqlalchemy.exc import DBAPIError

from bootstrap import Service
from domain.errors import NotDue, PaymentInProgress
from infrastructure.observability.redaction import redact_text
from infrastructure.postgres.outage import is_outage
from infrastructure.postgres.setbacks import PostgresSetbacks
from infrastructure.postgres.tables import payments, refunds
from jobs.places import Places

log = structlog.get_logger(__name__)

_ROUND = 100
_ROUND_S = 60.0
_FAILURES_TO_CASE = 3
_OLD = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the objects. Of those in none of the lists nothing was written down: Postgres was away."""

    done: list[UUID]
    needless: list[UUID]  # somebody else was quicker
    set_back: list[UUID]  # failed, and steps aside

    def note(self, object_id: UUID, outcome: str) -> None:
        lists = {"done": self.done, "needless": self.needless, "set back": self.set_back}
        if outcome in lists:
            lists[outcome].append(object_id)


class Duty:
    """`name`: as setbacks and cases call it; `table`: of the objects; `at_once`: how many, of all rounds together.

    A failure is tried again at growing intervals; at the third in a row a case is opened, which closes by itself when
    the duty is done after all. Postgres being away is nobody's failure.
    """

    def __init__(self, service: Service, name: str, table: Table, at_once: int) -> None:
        self._service = service
        self._name = name
        self._table = table
        self._at_once = at_once
        self._places = Places(at_once)
        self._alone = Places(1)
        self._setbacks = PostgresSetbacks(service.engine, name)

    async def each(self, ids: Sequence[UUID], do: Callable[[UUID], Awaitable[None]]) -> Round:
        """Do it for each, some at once."""
        left, went = iter(ids), Round([], [], [])

        async def lane() -> None:
            for object_id in left:
                went.note(object_id, await self._one(object_id, do))

        await asyncio.gather(*(lane() for _ in range(min(self._at_once, len(ids)))))
        return await self._noted(went)

    async def batch(self, due: Callable[[], Awaitable[Sequence[UUID]]], do: Callable[[UUID], Awaitable[None]]) -> Round:
        """Do it for each that is due; for nothing while another batch is at work, since nobody claims these."""
        went = Round([], [], [])

        async def whole(ids: Sequence[UUID]) -> None:
            nonlocal went
            went = await self.each(ids, do)

        async def only(_: int) -> Sequence[Sequence[UUID]]:
            return [await due()]

        await self._alone.fill(only, whole)
        return went

    async def stream(
        self, claim: Callable[[int], Awaitable[Sequence[UUID]]], do: Callable[[UUID], Awaitable[None]]
    ) -> Round:
        """Claim as many as can begin at once, and then one whenever one has ended, so that no claim waits.

        Where other rounds are at work already it takes only the places that they leave. It comes to an end though more
        may be due: who keeps one round waiting must not keep the claims of all others.
        """
        went, now = Round([], [], []), asyncio.get_running_loop().time
        more, left, until = False, _ROUND, now() + _ROUND_S

        async def begin(free: int) -> Sequence[UUID]:
            nonlocal more, left
            first = await claim(free)
            more, left = len(first) == free, _ROUND - len(first)
            return first

        async def lane(object_id: UUID) -> None:
            nonlocal more, left
            went.note(object_id, await self._one(object_id, do))
            while more and left > 0 and now() < until:
                left -= 1
                following = await claim(1)
                if not following:
                    more = False
                for each in following:
                    went.note(each, await self._one(each, do))

        await self._places.fill(begin, lane)
        return await self._noted(went)

    async def forget_old(self) -> int:
        """Setbacks of what has not been due for long; how many there were."""
        old = await self._setbacks.old(_OLD)
        await self._end(old)
        return len(old)

    async def _one(self, object_id: UUID, do: Callable[[UUID], Awaitable[None]]) -> str:
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

    async def _noted(self, went: Round) -> Round:
        """What was done has no trace of earlier failures any more."""
        await self._end(await self._setbacks.among(went.done + went.needless))
        return went

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
