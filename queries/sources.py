"""Where queries read from; made once by whoever wires the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.payment_history import PaymentHistory
from domain.ports import Clock
from domain.rules import Rules
from infrastructure.postgres.documents import PostgresDocuments
from infrastructure.postgres.reading.payment_history import PostgresPaymentHistory
from infrastructure.postgres.reading.projected import is_projected
from infrastructure.redis.line import RedisLine
from queries.active_subscriptions import ActiveSubscriptions
from queries.newest_page import NewestPage
from queries.payment_history import FallingBackHistory, unnoticed


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that queries read from. Belongs to one event loop."""

    engine: AsyncEngine
    clock: Clock
    rules: Rules
    base_url: str
    history: FallingBackHistory
    newest_page: NewestPage
    active_subscriptions: ActiveSubscriptions

    def documents(self, connection: AsyncConnection, now: datetime | None = None) -> PostgresDocuments:
        return PostgresDocuments(connection, self.base_url, self.rules, now or self.clock.now())

    async def caught_up(self, request: Request, projection: str) -> bool:
        """Whether the projection shows what the caller's token stands for; waits for it a moment, once a request."""
        written: tuple[int, int] | None = request.state.written
        if written is None:
            return True
        found: bool | None = getattr(request.state, "caught_up", None)  # a route whose shortcut has waited already
        if found is None:
            found = request.state.caught_up = await is_projected(self.engine, projection, written)
        return found


def make_sources(
    engine: AsyncEngine,
    redis: RedisLine,
    index: PaymentHistory | None,
    clock: Clock,
    rules: Rules,
    base_url: str,
    fell_back: Callable[[], None] = unnoticed,
) -> Sources:
    """`index`: the history in Elasticsearch, None where there is none. Who made engine and lines closes them.

    `fell_back` is called at each read that Elasticsearch should have answered, and Postgres does.
    """
    books = PostgresPaymentHistory(engine, base_url)
    return Sources(
        engine=engine,
        clock=clock,
        rules=rules,
        base_url=base_url,
        history=FallingBackHistory(index, books, fell_back),
        newest_page=NewestPage(engine, redis, books),
        active_subscriptions=ActiveSubscriptions(engine, redis, clock, rules),
    )
