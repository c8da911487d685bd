"""Active subscriptions of users, read from the books in one statement, so that they fit the version they carry."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.access import ACCESS_STATUSES, Access, PaidSubscription, with_access
from domain.rules import Rules
from infrastructure.postgres.tables import plans, subscriptions, users


async def access_of(engine: AsyncEngine, user_ids: Iterable[UUID], rules: Rules) -> list[Access]:
    """One for each of the users, version 0 for those the books don't know."""
    wanted = list(user_ids)
    giving = and_(subscriptions.c.user_id == users.c.id, subscriptions.c.status.in_(ACCESS_STATUSES))
    query = (
        select(
            users.c.id.label("user_id"),
            users.c.version,
            subscriptions.c.id,
            plans.c.code,
            subscriptions.c.status,
            subscriptions.c.period_end,
            subscriptions.c.cancel_at_period_end,
        )
        .select_from(users.outerjoin(subscriptions, giving).outerjoin(plans, plans.c.id == subscriptions.c.plan_id))
        .where(users.c.id.in_(wanted))
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    versions = dict.fromkeys(wanted, 0)
    paid: dict[UUID, list[PaidSubscription]] = {user_id: [] for user_id in wanted}
    for row in rows:
        versions[row.user_id] = row.version
        if row.id is not None:
            paid[row.user_id].append(
                PaidSubscription(row.id, row.code, row.status, row.period_end, row.cancel_at_period_end)
            )
    return [Access(user_id, versions[user_id], with_access(paid[user_id], rules)) for user_id in paid]


async def version_of(engine: AsyncEngine, user_id: UUID) -> int:
    """The user's version now, 0 for who is not known."""
    async with engine.connect() as connection:
        found = (await connection.execute(select(users.c.version).where(users.c.id == user_id))).scalar()
    return found or 0
