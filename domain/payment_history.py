"""A person's payment history: what can be asked of it, whoever keeps it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.money import Money

_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """None asks for nothing. `created_from` belongs to the span, `created_to` does not; amounts are minor units.

    `q`: words that all have to occur in description, plan or payment method, in any form that Russian or English
    gives them; or one id, of the payment here or at the payment system.
    """

    status: str | None = None
    kind: str | None = None
    plan_code: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    min_amount: int | None = None
    max_amount: int | None = None
    q: str | None = None


ALL = HistoryFilter()


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the history, which goes from the newest to the oldest; the id decides between equal times."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`items`: payments as finished JSON; `next`: where the next page begins, None after the last."""

    items: Sequence[bytes]
    next: Position | None


@dataclass(frozen=True, slots=True)
class MonthSum:
    """`month`: "2026-01" in the person's zone; `count`: payments that succeeded, bindings left out."""

    month: str
    paid: Money
    refunded: Money
    count: int


class HistoryUnavailable(Exception):  # noqa: N818 -- named for what the caller is told
    """This keeper of the history does not answer now; another one may."""


class PaymentHistory(Protocol):
    """Read by queries; kept by Elasticsearch and by Postgres. Raises HistoryUnavailable."""

    async def page(self, user_id: UUID, wanted: HistoryFilter, after: Position | None, limit: int) -> HistoryPage:
        """At most `limit` payments, newest first, that come after a position."""
        ...

    async def summary(
        self, user_id: UUID, zone: str, created_from: datetime | None, created_to: datetime | None
    ) -> list[MonthSum]:
        """Sums for each month (by when the payments were made) that has a payment, oldest first."""
        ...


def searchable(text: str) -> str:
    """Text as it is searched: small letters, ё as е, words with single spaces between.

    Composed first: text that was copied from elsewhere may spell ё and й as two signs each.
    """
    return _NO_WORD.sub(" ", unicodedata.normalize("NFC", text).lower().replace("ё", "е")).strip()
