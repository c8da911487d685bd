"""Fills the books with people, plans, subscriptions and payments, as the write side would leave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from infrastructure.postgres import tables

NOW = datetime(2026, 5, 20, 12, 0, 0, 123_456, tzinfo=UTC)


class Books:
    """Each method commits, and returns the id of what it made."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def person(self, **given: Any) -> UUID:
        return await self._insert(tables.users, {"version": 1, **given})

    async def plan(self, code: str | None = None, price: int = 49900, **given: Any) -> UUID:
        plan = await self._insert(
            tables.plans,
            {"code": code or f"plan-{uuid7().hex}", "name": "Премиум", "period_unit": "month", "period_count": 1}
            | given,
        )
        await self.price(plan, price, NOW - timedelta(days=900))
        return plan

    async def price(self, plan: UUID, amount: int, valid_from: datetime) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(tables.plan_prices).values(plan_id=plan, valid_from=valid_from, amount=amount, currency="RUB")
            )

    async def method(self, user_id: UUID, title: str = "Bank card *4444", **given: Any) -> UUID:
        row = {
            "user_id": user_id,
            "payment_system": "yookassa",
            "provider_method_id": uuid7().hex,
            "kind": "bank_card",
            "title": title,
            "first6": "555555",
            "last4": "4444",
            "created_at": NOW,
        }
        return await self._insert(tables.payment_methods, row | given)

    async def subscription(self, user_id: UUID, plan_id: UUID, status: str = "active", **given: Any) -> UUID:
        ended = status in ("canceled", "expired")
        row = {
            "user_id": user_id,
            "plan_id": plan_id,
            "status": status,
            "zone": "Europe/Moscow",
            "payment_system": "yookassa",
            "period_number": 1,
            "period_start": None if status == "pending" else NOW - timedelta(days=10),
            "period_end": None if status == "pending" else NOW + timedelta(days=20),
            "cancel_at_period_end": False,
            "refunding": False,
            "failed_tries": 0,
            "balance": 0,
            "currency": "RUB",
            "created_at": NOW - timedelta(days=10),
            "ended_at": NOW if ended else None,
        }
        return await self._insert(tables.subscriptions, row | given)

    async def payment(
        self, user_id: UUID, subscription_id: UUID, created_at: datetime = NOW, status: str = "succeeded", **given: Any
    ) -> UUID:
        async with self.engine.connect() as connection:
            subscription = (
                await connection.execute(
                    select(tables.subscriptions).where(tables.subscriptions.c.id == subscription_id)
                )
            ).one()
            taken = (
                await connection.execute(
                    select(func.coalesce(func.max(tables.payments.c.period_number), 0)).where(
                        tables.payments.c.subscription_id == subscription_id
                    )
                )
            ).scalar_one()
        row = {
            "user_id": user_id,
            "subscription_id": subscription_id,
            "plan_id": subscription.plan_id,
            "kind": "renewal",
            "attempt": 1,
            "status": status,
            "amount": 49900,
            "currency": "RUB",
            "refunded": 0,
            "refund_reserved": 0,
            "period_number": taken + 1,
            "period_start": created_at,
            "period_end": created_at + timedelta(days=30),
            "description": "Подписка на месяц",
            "pays_with": "saved",
            "by_person": False,
            "payment_system": "yookassa",
            "created_at": created_at,
            "settled_at": created_at if status in ("succeeded", "canceled") else None,
            "cancel_reason": "insufficient_funds" if status == "canceled" else None,
            "cancel_party": "payment_network" if status == "canceled" else None,
            "asks": 0,
        }
        return await self._insert(tables.payments, row | given)

    async def refund(self, payment_id: UUID, amount: int, status: str = "succeeded", **given: Any) -> UUID:
        async with self.engine.connect() as connection:
            payment = (
                await connection.execute(select(tables.payments).where(tables.payments.c.id == payment_id))
            ).one()
        row = {
            "payment_id": payment_id,
            "subscription_id": payment.subscription_id,
            "user_id": payment.user_id,
            "amount": amount,
            "currency": "RUB",
            "status": status,
            "origin": "person",
            "ends_subscription": True,
            "created_at": NOW,
            "settled_at": NOW if status in ("succeeded", "canceled") else None,
            "key_number": 1,
            "key_since": NOW,
            "asks": 0,
        }
        return await self._insert(tables.refunds, row | given)

    async def changed(self, user_id: UUID, *, payments: tuple[UUID, ...] = (), access: bool = False) -> tuple[int, int]:
        """What a command does at its commit: versions raised, outbox rows; their first and last id."""
        async with self.engine.begin() as connection:
            version = (
                await connection.execute(
                    update(tables.users)
                    .where(tables.users.c.id == user_id)
                    .values(version=tables.users.c.version + 1)
                    .returning(tables.users.c.version)
                )
            ).scalar_one()
            rows: list[dict[str, Any]] = []
            for payment in payments:
                raised = await connection.execute(
                    update(tables.payments)
                    .where(tables.payments.c.id == payment)
                    .values(version=tables.payments.c.version + 1)
                    .returning(tables.payments.c.version)
                )
                rows.append(
                    {"projection": "history", "user_id": user_id, "object_id": payment, "version": raised.scalar_one()}
                )
            if access:
                rows.append({"projection": "access", "user_id": user_id, "object_id": user_id, "version": version})
            ids = list(
                (await connection.execute(insert(tables.outbox).values(rows).returning(tables.outbox.c.id))).scalars()
            )
        return min(ids), max(ids)

    async def set(self, table: Table, row_id: UUID, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(update(table).where(table.c.id == row_id).values(**values))

    async def waiting(self, projection: str) -> int:
        """Rows of the outbox that the projector has not carried over yet."""
        async with self.engine.connect() as connection:
            query = select(func.count()).select_from(tables.outbox).where(tables.outbox.c.projection == projection)
            return int((await connection.execute(query)).scalar_one())

    async def _insert(self, table: Table, row: dict[str, Any]) -> UUID:
        row = {"id": uuid7(), **row}
        async with self.engine.begin() as connection:
            await connection.execute(insert(table).values(**row))
        made: UUID = row["id"]
        return made
