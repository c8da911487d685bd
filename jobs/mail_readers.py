"""Who reads a mail: as they are known here, and once a day anew as the auth service knows them (AUTH-5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.person import Unavailable
from domain.ports import Clock, Directory
from infrastructure.postgres.line import PostgresLine, Prepared
from infrastructure.postgres.tables import payment_methods, payments, subscriptions, users

_KNOWN_FOR: Final = timedelta(days=1)


def _title_of(method_id: Select[Any]) -> Select[Any]:
    """From one row to the other by its name: a join might begin with all methods while the planner knows no better."""
    return select(payment_methods.c.title).where(payment_methods.c.id == method_id.scalar_subquery())


_CHARGED = _title_of(
    select(payments.c.payment_method_id).where(
        payments.c.id == bindparam("payment"), payments.c.user_id == bindparam("reader")
    )
).scalar_subquery()
_TO_BE_CHARGED = (
    _title_of(
        select(subscriptions.c.payment_method_id).where(
            subscriptions.c.id == bindparam("renewing"), subscriptions.c.user_id == bindparam("reader")
        )
    )
    .where(payment_methods.c.removed_at.is_(None))
    .scalar_subquery()
)
_READER = Prepared(
    select(
        users.c.id,
        users.c.email,
        users.c.name,
        users.c.locale,
        users.c.zone,
        users.c.erased_at,
        users.c.refreshed_at,
        func.coalesce(_CHARGED, _TO_BE_CHARGED).label("method_title"),
    ).where(users.c.id == bindparam("reader"))
)


@dataclass(frozen=True, slots=True, repr=False)
class Reader:
    id: UUID
    email: str | None
    name: str | None
    locale: str | None
    zone: str | None
    erased_at: datetime | None
    refreshed_at: datetime | None
    method_title: str | None

    @property
    def address(self) -> str:
        return (self.email or "").strip()

    def is_fresh(self, at: datetime) -> bool:
        """Whether what is known is of that day, and leads somewhere."""
        return bool(self.address) and self.refreshed_at is not None and at - self.refreshed_at < _KNOWN_FOR


class Readers:
    """`engine`: of statements that stand each for itself (AUTOCOMMIT). `directory`: None where nobody can be asked."""

    def __init__(self, engine: AsyncEngine, clock: Clock, directory: Directory | None) -> None:
        self._engine, self._clock, self._directory = engine, clock, directory

    async def find(self, user_id: UUID, payment_id: UUID | None, renewing: UUID | None) -> Reader | None:
        """With the title of the method that was charged, or that will be for the subscription `renewing`, if known."""
        about = {"reader": user_id, "payment": payment_id, "renewing": renewing}
        async with PostgresLine.alone(self._engine) as line:
            row = await line.row(_READER, about)
        return None if row is None else Reader(**row)

    async def ask_anew(self, known: Reader) -> Reader | Unavailable:
        """As auth knows them, where it does, which is kept. Without an address if they were erased meanwhile."""
        if self._directory is None:
            return known
        told = await self._directory.person(known.id)
        if isinstance(told, Unavailable):
            return told
        said = {name: value for name in ("email", "name", "locale", "zone") if (value := getattr(told, name, None))}
        kept = update(users).where(users.c.id == known.id).values(**said, refreshed_at=self._clock.now())
        async with self._engine.connect() as connection:
            written = (await connection.execute(kept.where(users.c.erased_at.is_(None)).returning(users.c.id))).first()
        return replace(known, **said) if written else replace(known, email=None)
