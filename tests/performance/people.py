"""People with a history, as the write side would leave them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import create_async_engine

from tests.queries.books import Books


@dataclass(frozen=True, slots=True)
class Story:
    """One person, and when the payments were made, oldest first."""

    user_id: UUID
    paid_at: tuple[datetime, ...]


async def stories(database_url: str, *, people: int, payments: int) -> list[Story]:
    """People who have paid monthly until now, each with one active subscription."""
    engine = create_async_engine("postgresql+asyncpg://" + database_url.partition("://")[2])
    now = datetime.now(UTC)
    try:
        books, made = Books(engine), []
        plan = await books.plan("premium")
        for _ in range(people):
            user = await books.person()
            subscription = await books.subscription(
                user, plan, period_start=now - timedelta(days=1), period_end=now + timedelta(days=29)
            )
            paid_at = tuple(now - timedelta(days=1 + 30 * ago) for ago in range(payments, 0, -1))
            for at in paid_at:
                await books.payment(user, subscription, at)
            made.append(Story(user, paid_at))
        return made
    finally:
        await engine.dispose()
