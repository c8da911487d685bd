"""Work that failed for one object and steps aside, so that it stands before no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, case, delete, exists, func, literal, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.postgres.tables import setbacks

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)
_LONGEST_ERROR = 500


class PostgresSetbacks:
    """Of one duty. A setback waits 1, 5, 25 and then 60 minutes, by the service's clock or the wall's."""

    def __init__(self, engine: AsyncEngine, duty: str) -> None:
        self._engine = engine
        self._duty = duty

    def holds(self, object_id: ColumnElement[UUID], now: datetime) -> ColumnElement[bool]:
        """SQL: whether the object has to wait still. `now`: the service's time."""
        waits = or_(setbacks.c.retry_at <= now, setbacks.c.retry_by <= func.clock_timestamp())
        return exists().where(setbacks.c.duty == self._duty, setbacks.c.object_id == object_id, ~waits)

    async def note(self, object_id: UUID, why: str, now: datetime) -> int:
        """Write a failure down; how many there were in a row."""
        wait = _FIRST_WAIT
        row = insert(setbacks).values(
            duty=self._duty,
            object_id=object_id,
            failures=1,
            last_error=why[:_LONGEST_ERROR],
            retry_at=now + wait,
            retry_by=func.clock_timestamp() + wait,
        )
        failures = setbacks.c.failures
        later = case((failures == 1, 5 * wait), (failures == 2, 25 * wait), else_=_LONGEST_WAIT)
        changed = {
            "failures": failures + 1,
            "last_error": row.excluded.last_error,
            "retry_at": literal(now, DateTime(timezone=True)) + later,
            "retry_by": func.clock_timestamp() + later,
        }
        noted = row.on_conflict_do_update(index_elements=["duty", "object_id"], set_=changed).returning(failures)
        async with self._engine.begin() as connection:
            return int((await connection.execute(noted)).scalar_one())

    async def end(self, object_ids: Sequence[UUID]) -> Sequence[UUID]:
        """They were done, or there is nothing to do any more; those of them that had been set back."""
        return await self._delete(setbacks.c.object_id.in_(object_ids)) if object_ids else []

    async def end_old(self, older_than: timedelta) -> Sequence[UUID]:
        """Those that have not been tried again for so long: something else has made them needless."""
        return await self._delete(setbacks.c.retry_by < func.clock_timestamp() - older_than)

    async def _delete(self, which: ColumnElement[bool]) -> Sequence[UUID]:
        row = delete(setbacks).where(setbacks.c.duty == self._duty, which).returning(setbacks.c.object_id)
        async with self._engine.begin() as connection:
            ended: Sequence[UUID] = (await connection.execute(row)).scalars().all()
        return ended
