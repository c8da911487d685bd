"""Payment history from where it can be had: Elasticsearch first, Postgres where that is down, behind or not there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from domain.payment_history import HistoryFilter, HistoryPage, HistoryUnavailable, MonthSum, PaymentHistory, Position

log = structlog.get_logger(__name__)


def unnoticed() -> None:
    """Nobody counts."""


class FallingBackHistory:
    """Implements PaymentHistory. `index`: None where no Elasticsearch is configured; `fell_back`: for the figures."""

    def __init__(
        self, index: PaymentHistory | None, books: PaymentHistory, fell_back: Callable[[], None] = unnoticed
    ) -> None:
        self._index = index
        self._fell_back = fell_back
        self.books = books

    async def page(
        self, user_id: UUID, wanted: HistoryFilter, after: Position | None, limit: int, *, from_books: bool = False
    ) -> HistoryPage:
        if self._index is not None and not from_books:
            try:
                return await self._index.page(user_id, wanted, after, limit)
            except HistoryUnavailable as error:
                self._note(error)
        return await self.books.page(user_id, wanted, after, limit)

    async def summary(
        self,
        user_id: UUID,
        zone: str,
        created_from: datetime | None,
        created_to: datetime | None,
        *,
        from_books: bool = False,
    ) -> list[MonthSum]:
        if self._index is not None and not from_books:
            try:
                return await self._index.summary(user_id, zone, created_from, created_to)
            except HistoryUnavailable as error:
                self._note(error)
        return await self.books.summary(user_id, zone, created_from, created_to)

    def _note(self, why: HistoryUnavailable) -> None:
        log.debug("history_from_postgres", why=str(why))
        self._fell_back()
