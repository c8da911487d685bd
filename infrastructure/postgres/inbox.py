"""The inbox of notifications: each content once, worked off under a lease that expires (invariant 5)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, select, update

from domain.ports import InboxEntry, NewId
from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.tables import inbox
from infrastructure.postgres.wall import WALL_NOW

_LOCK = Prepared(
    select(inbox, (WALL_NOW - inbox.c.received_at).label("age"))
    .where(inbox.c.id == bindparam("its_id"), inbox.c.status == "new")
    .with_for_update()
)
_DONE = Prepared(
    update(inbox)
    .where(inbox.c.id == bindparam("its_id"))
    .values(status="done", retry_by=None, done_at=WALL_NOW, outcome=bindparam("came_of_it"))
)

_ANOTHER_WAITS = Prepared(
    select(
        select(inbox.c.id)
        .where(
            inbox.c.payment_system == bindparam("payment_system"),
            inbox.c.provider_object_id == bindparam("object"),
            inbox.c.retry_by.is_not(None),
            inbox.c.id < bindparam("its_id"),
        )
        .exists()
    )
)


class PostgresInbox:
    def __init__(self, line: PostgresLine, new_id: NewId) -> None:
        self._line = line
        self._connection = line.connection
        self._new_id = new_id

    async def lock(self, entry_id: UUID) -> InboxEntry | None:
        """The entry, if it still waits."""
        row = await self._line.row(_LOCK, {"its_id": entry_id})
        if row is None:
            return None
        return InboxEntry(
            id=row["id"],
            payment_system=row["payment_system"],
            kind=row["kind"],
            event=row["event"],
            provider_object_id=row["provider_object_id"],
            attempts=row["attempts"],
            age=row["age"],
        )

    async def replay(self, entry_id: UUID) -> str | None:
        """How it stood; one that was set aside waits again, as if it had come now. What went wrong stays readable.

        Somebody vouches for it, so it does not wait among the strangers.
        """
        query = select(inbox.c.status).where(inbox.c.id == entry_id).with_for_update()
        status: str | None = (await self._connection.execute(query)).scalar_one_or_none()
        if status == "set_aside":
            again = {"status": "new", "attempts": 0, "retry_by": WALL_NOW, "stranger": False}
            await self._connection.execute(update(inbox).where(inbox.c.id == entry_id).values(**again))
        return status

    async def another_waits(self, entry: InboxEntry) -> bool:
        about = {"payment_system": entry.payment_system, "object": entry.provider_object_id, "its_id": entry.id}
        return bool(await self._line.value(_ANOTHER_WAITS, about))

    async def done(self, entry_id: UUID, outcome: str) -> None:
        await self._line.change(_DONE, {"its_id": entry_id, "came_of_it": outcome})

    async def wait(self, entry_id: UUID, why: str, retry_after_s: float) -> None:
        again_at = WALL_NOW + timedelta(seconds=retry_after_s)
        later = update(inbox).where(inbox.c.id == entry_id).values(retry_by=again_at, outcome=why[:500])
        await self._connection.execute(later)

    async def failed(self, entry_id: UUID, why: str, retry_after_s: float, *, set_aside: bool) -> None:
        retry_by = None if set_aside else WALL_NOW + timedelta(seconds=retry_after_s)
        await self._connection.execute(
            update(inbox)
            .where(inbox.c.id == entry_id)
            .values(
                status="set_aside" if set_aside else "new",
                retry_by=retry_by,
                attempts=inbox.c.attempts + 1,
                outcome=why[:500],
            )
        )
