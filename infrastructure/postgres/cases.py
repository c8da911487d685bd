"""Cases: what a person has to look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from domain.ports import NewId
from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.tables import cases

_RESOLVE = Prepared(
    update(cases)
    .where(
        cases.c.kind == any_(bindparam("its_kinds", type_=ARRAY(Text))),
        cases.c.subject == bindparam("its_subject"),
        cases.c.resolved_at.is_(None),
    )
    .values(resolved_at=bindparam("at"), resolution="it has solved itself")
)

_NEWEST = ("detail", "facts", "user_id", "payment_id", "refund_id")
"""A case that is seen again tells of the last time: one may stand for several payments."""


class PostgresCases:
    def __init__(self, line: PostgresLine, new_id: NewId) -> None:
        self._line = line
        self._connection = line.connection
        self._new_id = new_id

    async def open(
        self,
        kind: str,
        subject: str,
        detail: str,
        at: datetime,
        *,
        user_id: UUID | None = None,
        payment_id: UUID | None = None,
        refund_id: UUID | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        row = insert(cases).values(
            id=self._new_id(),
            kind=kind,
            subject=subject,
            detail=detail,
            opened_at=at,
            user_id=user_id,
            payment_id=payment_id,
            refund_id=refund_id,
            facts=dict(facts or {}),
        )
        await self._connection.execute(
            row.on_conflict_do_update(
                index_elements=["kind", "subject"],
                index_where=text("resolved_at IS NULL"),
                set_={"seen": cases.c.seen + 1, **{name: row.excluded[name] for name in _NEWEST}},
            )
        )

    async def close(self, case_id: UUID, resolution: str, at: datetime) -> bool | None:
        open_one = update(cases).where(cases.c.id == case_id, cases.c.resolved_at.is_(None))
        closed = await self._connection.execute(open_one.values(resolved_at=at, resolution=resolution))
        if closed.rowcount:
            return True
        known = await self._connection.execute(select(cases.c.id).where(cases.c.id == case_id))
        return None if known.scalar_one_or_none() is None else False

    async def resolve(self, kind: str, subject: str, at: datetime, *also: str) -> None:
        await self._line.change(_RESOLVE, {"its_kinds": [kind, *also], "its_subject": subject, "at": at})
