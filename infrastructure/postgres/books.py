"""The aggregates' collections inside one transaction: what they load with a lock they write back at its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, case, cast, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import IllegalTransition
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.payment_method import PaymentMethod
from domain.payment_system_registration import PaymentSystemRegistration
from domain.plan import Plan
from domain.refund import Refund
from domain.subscription import Subscription
from infrastructure.postgres import rows, tables
from infrastructure.postgres.rows import A, AggregateMapping
from infrastructure.postgres.tables import payment_methods, payments, plan_prices, plans, refunds, subscriptions, users


class Book(Generic[A]):
    """One table of aggregates. Loads each row once; `flush` writes what has changed, guarded by its version."""

    def __init__(self, connection: AsyncConnection, mapping: AggregateMapping[A]) -> None:
        self._connection = connection
        self._mapping = mapping
        self._loaded: dict[UUID, tuple[A, dict[str, Any]]] = {}
        self._added: list[A] = []

    def add(self, aggregate: A) -> None:
        self._added.append(aggregate)

    async def flush(self) -> list[A]:
        """Write changes, then additions; returns what was written, its version raised."""
        written: list[A] = []
        table = self._mapping.table
        for aggregate, before in self._loaded.values():
            after = self._mapping.to_row(aggregate)
            changed = {name: value for name, value in after.items() if value != before[name]}
            if not changed:
                continue
            result = await self._connection.execute(
                update(table)
                .where(table.c.id == aggregate.id, table.c.version == aggregate.version)
                .values(**changed, version=aggregate.version + 1)
            )
            if result.rowcount != 1:
                raise IllegalTransition(f"{table.name} {aggregate.id} was changed without its lock")
            aggregate.version += 1
            written.append(aggregate)
        for aggregate in self._added:
            aggregate.version = 1
            await self._connection.execute(
                insert(table).values(id=aggregate.id, version=1, **self._mapping.to_row(aggregate))
            )
            written.append(aggregate)
        return written

    async def _one(self, query: Select[Any], *, lock: bool) -> A | None:
        return next(iter(await self._all(query, lock=lock)), None)

    async def _all(self, query: Select[Any], *, lock: bool) -> list[A]:
        if lock:
            query = query.with_for_update(of=self._mapping.table)
        found = (await self._connection.execute(query)).mappings().all()
        return [self._seen(row, keep=lock) for row in found]

    async def _by_reference(self, source: str, reference: str) -> A | None:
        """Of two transactions that ask for the same reference, the second finds what the first one has written."""
        table = self._mapping.table
        name = f"{table.name} {source} {reference}"
        await self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
        return await self._one(
            select(table).where(table.c.source == source, table.c.reference == reference), lock=False
        )

    def _seen(self, row: Mapping[str, Any], *, keep: bool) -> A:
        known = self._loaded.get(row["id"])
        if known is not None:
            return known[0]
        aggregate = self._mapping.from_row(row)
        if keep:
            self._loaded[aggregate.id] = (aggregate, self._mapping.to_row(aggregate))
        return aggregate


class PlanBook(Book[Plan]):
    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        super().__init__(connection, rows.PLANS)
        self._now = now
        self._prices: list[tuple[Plan, Money, datetime]] = []

    async def by_code(self, code: str) -> Plan | None:
        return await self._one(self._query().where(plans.c.code == code), lock=False)

    async def by_id(self, plan_id: UUID) -> Plan:
        plan = await self._one(self._query().where(plans.c.id == plan_id), lock=False)
        if plan is None:
            raise LookupError(f"no plan {plan_id}")
        return plan

    async def lock(self, code: str) -> Plan | None:
        return await self._one(self._query().where(plans.c.code == code), lock=True)

    async def is_used(self, plan_id: UUID) -> bool:
        used = select(exists().where(subscriptions.c.plan_id == plan_id))
        return bool((await self._connection.execute(used)).scalar_one())

    def set_price(self, plan: Plan, price: Money, valid_from: datetime) -> None:
        plan.price = price
        self._prices.append((plan, price, valid_from))

    async def delete(self, plan: Plan) -> None:
        self._loaded.pop(plan.id, None)
        await self._connection.execute(delete(plans).where(plans.c.id == plan.id))

    async def flush(self) -> list[Plan]:
        written = await super().flush()
        for plan, price, valid_from in self._prices:
            latest = select(func.max(plan_prices.c.valid_from)).where(plan_prices.c.plan_id == plan.id)
            last = (await self._connection.execute(latest)).scalar_one()
            if last == valid_from:  # two prices at one instant, as a held clock brings: the later one holds
                await self._connection.execute(
                    update(plan_prices)
                    .where(plan_prices.c.plan_id == plan.id, plan_prices.c.valid_from == last)
                    .values(amount=price.minor, currency=price.currency)
                )
                continue
            await self._connection.execute(
                insert(plan_prices).values(
                    plan_id=plan.id, valid_from=valid_from, amount=price.minor, currency=price.currency
                )
            )
        return written

    def _query(self) -> Select[Any]:
        holding = (
            select(plan_prices.c.amount, plan_prices.c.currency)
            .where(plan_prices.c.plan_id == plans.c.id, plan_prices.c.valid_from <= self._now)
            .order_by(plan_prices.c.valid_from.desc())
            .limit(1)
            .lateral()
        )
        return select(plans, holding.c.amount, holding.c.currency).join(holding, onclause=plans.c.id == plans.c.id)


class SubscriptionBook(Book[Subscription]):
    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, rows.SUBSCRIPTIONS)

    async def owner(self, subscription_id: UUID) -> UUID | None:
        query = select(subscriptions.c.user_id).where(subscriptions.c.id == subscription_id)
        owner: UUID | None = (await self._connection.execute(query)).scalar_one_or_none()
        return owner

    async def find(self, subscription_id: UUID) -> Subscription | None:
        return await self._one(self._query().where(subscriptions.c.id == subscription_id), lock=False)

    async def lock(self, subscription_id: UUID) -> Subscription | None:
        return await self._one(self._query().where(subscriptions.c.id == subscription_id), lock=True)

    async def running_of(self, user_id: UUID, plan_id: UUID) -> Subscription | None:
        mine = (subscriptions.c.user_id == user_id) & (subscriptions.c.plan_id == plan_id)
        running = subscriptions.c.status.not_in(["canceled", "expired"])
        return await self._one(self._query().where(mine, running), lock=True)

    async def lock_of_method(self, payment_method_id: UUID) -> list[Subscription]:
        """Those not ended that would be charged through it."""
        running = subscriptions.c.status.not_in(["canceled", "expired"])
        query = self._query().where(subscriptions.c.payment_method_id == payment_method_id, running)
        return await self._all(query.order_by(subscriptions.c.id), lock=True)

    @staticmethod
    def _query() -> Select[Any]:
        return select(
            subscriptions, plans.c.code.label("plan_code"), plans.c.period_unit, plans.c.period_count
        ).join_from(subscriptions, plans)


class PaymentBook(Book[Payment]):
    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, rows.PAYMENTS)

    async def find(self, payment_id: UUID) -> Payment | None:
        return await self._one(select(payments).where(payments.c.id == payment_id), lock=False)

    async def find_by_provider_id(self, payment_system: str, provider_payment_id: str) -> Payment | None:
        theirs = (payments.c.payment_system == payment_system) & (payments.c.provider_payment_id == provider_payment_id)
        return await self._one(select(payments).where(theirs), lock=False)

    async def find_by_reference(self, source: str, reference: str) -> Payment | None:
        return await self._by_reference(source, reference)

    async def find_named(self, subscription_id: UUID, source: str, name: str) -> Payment | None:
        named = [
            (payments.c.source == source) & (payments.c.reference == name),
            payments.c.provider_payment_id == name,
            cast(payments.c.id, String) == name.lower(),
        ]
        query = select(payments).where(_of_subscription(subscription_id), or_(*named))
        order = case(*((condition, place) for place, condition in enumerate(named)))
        return await self._one(query.order_by(order).limit(1), lock=False)

    async def lock(self, payment_id: UUID) -> Payment | None:
        return await self._one(select(payments).where(payments.c.id == payment_id), lock=True)

    async def of_current_period(self, subscription_id: UUID, period_number: int) -> Payment | None:
        query = select(payments).where(
            payments.c.subscription_id == subscription_id,
            payments.c.period_number == period_number,
            payments.c.status == PaymentStatus.SUCCEEDED.value,
            payments.c.period_start.is_not(None),
        )
        return await self._one(query, lock=True)

    async def written_ago(self, payment_id: UUID) -> timedelta:
        query = select(func.clock_timestamp() - payments.c.sent_by).where(payments.c.id == payment_id)
        ago: timedelta | None = (await self._connection.execute(query)).scalar_one_or_none()
        return ago or timedelta(0)

    async def attempts(self, subscription_id: UUID, period_number: int) -> int:
        query = (
            select(func.count())
            .select_from(payments)
            .where(_of_subscription(subscription_id), payments.c.period_number == period_number)
        )
        return int((await self._connection.execute(query)).scalar_one())


def _of_subscription(subscription_id: UUID) -> ColumnElement[bool]:
    """By way of its owner, whose payments are few and have an index."""
    owner = select(subscriptions.c.user_id).where(subscriptions.c.id == subscription_id).scalar_subquery()
    return (payments.c.user_id == owner) & (payments.c.subscription_id == subscription_id)


class RefundBook(Book[Refund]):
    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, rows.REFUNDS)

    async def find(self, refund_id: UUID) -> Refund | None:
        return await self._one(select(refunds).where(refunds.c.id == refund_id), lock=False)

    async def find_by_provider_id(self, payment_system: str, provider_refund_id: str) -> Refund | None:
        theirs = (refunds.c.payment_system == payment_system) & (refunds.c.provider_refund_id == provider_refund_id)
        return await self._one(select(refunds).where(theirs), lock=False)

    async def find_by_reference(self, source: str, reference: str) -> Refund | None:
        return await self._by_reference(source, reference)

    async def lock(self, refund_id: UUID) -> Refund | None:
        return await self._one(select(refunds).where(refunds.c.id == refund_id), lock=True)

    async def open_of(self, payment_id: UUID) -> Refund | None:
        running = refunds.c.status.in_(["pending", "unknown"])
        return await self._one(select(refunds).where(refunds.c.payment_id == payment_id, running), lock=False)


class PaymentMethodBook(Book[PaymentMethod]):
    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, rows.PAYMENT_METHODS)

    async def find(self, method_id: UUID) -> PaymentMethod | None:
        return await self._one(select(payment_methods).where(payment_methods.c.id == method_id), lock=False)

    async def lock(self, method_id: UUID) -> PaymentMethod | None:
        return await self._one(select(payment_methods).where(payment_methods.c.id == method_id), lock=True)

    async def by_provider_id(self, user_id: UUID, payment_system: str, provider_method_id: str) -> PaymentMethod | None:
        query = select(payment_methods).where(
            payment_methods.c.user_id == user_id,
            payment_methods.c.payment_system == payment_system,
            payment_methods.c.provider_method_id == provider_method_id,
        )
        return await self._one(query, lock=True)

    async def all_of(self, user_id: UUID) -> list[PaymentMethod]:
        mine = (payment_methods.c.user_id == user_id) & payment_methods.c.removed_at.is_(None)
        return await self._all(select(payment_methods).where(mine).order_by(payment_methods.c.id), lock=True)


class RegistrationBook(Book[PaymentSystemRegistration]):
    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection, rows.REGISTRATIONS)

    async def by_code(self, code: str) -> PaymentSystemRegistration | None:
        table = tables.payment_systems
        return await self._one(select(table).where(table.c.code == code), lock=False)

    async def lock(self, code: str) -> PaymentSystemRegistration | None:
        table = tables.payment_systems
        return await self._one(select(table).where(table.c.code == code), lock=True)

    async def is_used(self, code: str) -> bool:
        used = select(exists().where(subscriptions.c.payment_system == code))
        return bool((await self._connection.execute(used)).scalar_one())

    async def delete(self, registration: PaymentSystemRegistration) -> None:
        self._loaded.pop(registration.id, None)
        table = tables.payment_systems
        await self._connection.execute(delete(table).where(table.c.id == registration.id))


async def zone_of(connection: AsyncConnection, user_id: UUID) -> str | None:
    zone: str | None = (
        await connection.execute(select(users.c.zone).where(users.c.id == user_id))
    ).scalar_one_or_none()
    return zone
