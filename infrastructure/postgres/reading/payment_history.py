"""Payment history from Postgres: the truth itself, for installs without Elasticsearch and while that is down."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, cast, func, literal, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.money import Money
from domain.payment_history import HistoryFilter, HistoryPage, MonthSum, Position, searchable
from infrastructure.json_text import dump
from infrastructure.postgres.documents import payment_document, payment_rows
from infrastructure.postgres.tables import payment_methods, payments, plans

_NOT_ABBREVIATED: Final = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "MET": "Europe/Brussels",
    "WET": "Europe/Lisbon",
}
"""Zones whose names Postgres takes for abbreviations first, which have no summer time; as tzdata links them."""


class PostgresPaymentHistory:
    """Implements domain.payment_history.PaymentHistory. `base_url` goes into the payments' links."""

    def __init__(self, engine: AsyncEngine, base_url: str) -> None:
        self._engine = engine
        self._base_url = base_url

    async def page(self, user_id: UUID, wanted: HistoryFilter, after: Position | None, limit: int) -> HistoryPage:
        query = payment_rows().where(payments.c.user_id == user_id, *_conditions(wanted))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_newest_first(query, after, limit + 1))).mappings().all()
        items = [dump(payment_document(row, self._base_url)) for row in rows[:limit]]
        last = rows[limit - 1] if len(rows) > limit else None
        return HistoryPage(items, None if last is None else Position(last["created_at"], last["id"]))

    async def summary(
        self, user_id: UUID, zone: str, created_from: datetime | None, created_to: datetime | None
    ) -> list[MonthSum]:
        local = func.timezone(_NOT_ABBREVIATED.get(zone, zone), payments.c.created_at)
        month = func.to_char(local, "YYYY-MM").label("month")
        span = HistoryFilter(status="succeeded", created_from=created_from, created_to=created_to)
        query = (
            select(
                month,
                payments.c.currency,
                cast(func.sum(payments.c.amount), String).label("paid"),
                cast(func.sum(payments.c.refunded), String).label("refunded"),
                func.count().label("number"),
            )
            .where(payments.c.user_id == user_id, payments.c.kind != "binding", *_conditions(span))
            .group_by(text("month"), payments.c.currency)
            .order_by(text("month"), payments.c.currency)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [
            MonthSum(row.month, Money(int(row.paid), row.currency), Money(int(row.refunded), row.currency), row.number)
            for row in rows
        ]


def _newest_first(query: Select[Any], after: Position | None, limit: int) -> Select[Any]:
    if after is not None:
        query = query.where(tuple_(payments.c.created_at, payments.c.id) < tuple_(after.created_at, after.id))
    return query.order_by(payments.c.created_at.desc(), payments.c.id.desc()).limit(limit)


def _conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (payments.c.status, wanted.status),
        (payments.c.kind, wanted.kind),
        (plans.c.code, wanted.plan_code),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.created_from is not None:
        found.append(payments.c.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(payments.c.created_at < wanted.created_to)
    if wanted.min_amount is not None:
        found.append(payments.c.amount >= wanted.min_amount)
    if wanted.max_amount is not None:
        found.append(payments.c.amount <= wanted.max_amount)
    if wanted.q is not None:
        found.append(_says(wanted.q))
    return found


def _says(q: str) -> ColumnElement[bool]:
    """The words in any of their forms, or an id. One person's payments are few: no index is needed."""
    said = func.concat_ws(
        " ",
        payments.c.description,
        plans.c.name,
        plans.c.code,
        payment_methods.c.title,
        payment_methods.c.kind,
        payment_methods.c.last4,
    )
    words = func.regexp_replace(func.translate(said, "ёЁ", "еЕ"), r"[^[:alnum:]]+", " ", "g")
    by_words = [
        func.to_tsvector(text(f"'{language}'::regconfig"), words).op("@@")(
            func.plainto_tsquery(text(f"'{language}'::regconfig"), literal(searchable(q)))
        )
        for language in ("russian", "english")
    ]
    an_id = q.strip().lower()
    return or_(*by_words, cast(payments.c.id, String) == an_id, func.lower(payments.c.provider_payment_id) == an_id)
