"""Work that failed for one object and steps aside, so that it stands before no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, any_, bindparam, case, delete, exists, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.dialects.postgresql import UUID as PGUUID
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.tables import setbacks
from infrastructure.postgres.wall import WALL_NOW

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)
_TOO_FAR = 2 * _LONGEST_WAIT
"""Who is to wait until then was told so by a clock that was ahead."""
_LONGEST_ERROR = 500


def holds(duty: str, object_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """SQL: whether the object has to wait still. Takes `now`, the service's time."""
    now = bindparam("now", type_=DateTime(timezone=True))
    over = or_(setbacks.c.retry_at <= now, setbacks.c.retry_by <= WALL_NOW, setbacks.c.retry_by > WALL_NOW + _TOO_FAR)
    return exists().where(setbacks.c.duty == duty, setbacks.c.object_id == object_id, ~over)


_AMONG = Prepared(
    select(setbacks.c.object_id)
    .where(
        setbacks.c.duty == bindparam("its_duty"),
        setbacks.c.object_id == any_(bindparam("ids", type_=ARRAY(PGUUID(as_uuid=True)))),
    )
    .order_by(setbacks.c.object_id)
)


class PostgresSetbacks:
    """Of one duty. A setback waits 1, 5, 25 and then 60 minutes, by the service's clock or the wall's."""

    def __init__(self, engine: AsyncEngine, duty: str) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")  # each statement stands for itself
        self._duty = duty

    async def note(self, object_id: UUID, why: str, now: datetime) -> int:
        """Write a failure down; how many there were in a row."""
        wait = _FIRST_WAIT
        row = insert(setbacks).values(
            duty=self._duty,
            object_id=object_id,
            failures=1,
            last_error=why[:_LONGEST_ERROR],
            retry_at=now + wait,
            retry_by=WALL_NOW + wait,
        )
        failures = setbacks.c.failures
        later = case((failures == 1, 5 * wait), (failures == 2, 25 * wait), else_=_LONGEST_WAIT)
        changed = {
            "failures": failures + 1,
            "last_error": row.excluded.last_error,
            "retry_at": literal(now, DateTime(timezone=True)) + later,
            "retry_by": WALL_NOW + later,
        }
        noted = row.on_conflict_do_update(index_elements=["duty", "object_id"], set_=changed).returning(failures)
        async with self._engine.connect() as connection:
            return int((await connection.execute(noted)).scalar_one())

    async def among(self, object_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Those of them that have been set back."""
        if not object_ids:
            return []
        async with PostgresLine.alone(self._engine) as line:
            found = await line.rows(_AMONG, {"its_duty": self._duty, "ids": list(object_ids)})
        return [row["object_id"] for row in found]

    async def old(self, older_than: timedelta) -> Sequence[UUID]:
        """Those that have not been tried again for so long: something else has made them needless."""
        old = (setbacks.c.duty == self._duty) & (setbacks.c.retry_by < WALL_NOW - older_than)
        query = select(setbacks.c.object_id).where(old).order_by(setbacks.c.object_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalars().all()

    async def end(self, object_ids: Sequence[UUID]) -> None:
        """They were done, or there is nothing to do any more."""
        gone = delete(setbacks).where(setbacks.c.duty == self._duty, setbacks.c.object_id.in_(object_ids))
        async with self._engine.connect() as connection:
            await connection.execute(gone)
