"""The aggregates' collections inside one transaction: what they load with a lock they write back at its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Generic
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
)

from domain.errors import IllegalTransition
from domain.money import Money
from domain.payment import Payment, PaymentStatus
from domain.payment_method import PaymentMethod
from domain.payment_system_registration import PaymentSystemRegistration
from domain.plan import Plan
from domain.refund import Refund
from domain.stored_card import StoredCard
from domain.subscription import Subscription
from infrastructure.postgres import rows, tables
from infrastructure.postgres.line import PostgresLine, Prepared, Row
from infrastructure.postgres.rows import A, AggregateMapping
from infrastructure.postgres.tables import payment_methods, payments, plan_prices, plans, refunds, subscriptions, users
from infrastructure.postgres.wall import WALL_NOW

Values = dict[str, Any]
Query = Prepared | Select[Any]


class Book(Generic[A]):
    """One table of aggregates. Loads each row once; `flush` writes what has changed, guarded by its version."""

    def __init__(self, line: PostgresLine, mapping: AggregateMapping[A], given: Values | None = None) -> None:
        """`given`: what the mapping's query takes, whatever it is asked for."""
        self._line = line
        self._mapping = mapping
        self._given: Values = given or {}
        self._loaded: dict[UUID, tuple[A, dict[str, Any]]] = {}
        self._added: list[A] = []

    def add(self, aggregate: A) -> None:
        self._added.append(aggregate)

    async def find(self, its_id: UUID) -> A | None:
        return await self._one(self._mapping.by_id, {"its_id": its_id})

    async def lock(self, its_id: UUID) -> A | None:
        return await self._one(self._mapping.by_id_locked, {"its_id": its_id}, lock=True)

    async def claim(self, its_id: UUID, held: datetime | None) -> datetime | None:
        """See domain.ports.Claims."""
        until: datetime | None = await self._line.value(self._mapping.claim, {"its_id": its_id, "held": held})
        return until

    async def unclaim(self, its_id: UUID, held: datetime) -> None:
        await self._line.change(self._mapping.unclaim, {"its_id": its_id, "held": held})

    async def flush(self) -> list[A]:
        """Write changes, then additions; returns what was written, its version raised."""
        written: list[A] = []
        mapping = self._mapping
        for aggregate, before in self._loaded.values():
            after = mapping.to_row(aggregate)
            changed = {name: value for name, value in after.items() if name not in before or value != before[name]}
            if not changed:
                continue
            place = {"its_id": aggregate.id, "its_version": aggregate.version, "version": aggregate.version + 1}
            if await self._line.change(mapping.change, place | changed) != 1:
                raise IllegalTransition(f"{mapping.table.name} {aggregate.id} was changed without its lock")
            aggregate.version += 1
            written.append(aggregate)
        for aggregate in self._added:
            aggregate.version = 1
            row = {"id": aggregate.id, "version": 1, **mapping.to_row(aggregate)}
            await self._line.change(mapping.addition, row)
            written.append(aggregate)
        return written

    async def _one(self, query: Query, values: Values | None = None, *, lock: bool = False) -> A | None:
        return next(iter(await self._all(query, values, lock=lock)), None)

    async def _all(self, query: Query, values: Values | None = None, *, lock: bool = False) -> list[A]:
        """`lock`: the query locks what it finds, and what becomes of that is written back."""
        found = await self._line.rows(query, self._given | (values or {}))
        return [self._seen(row, keep=lock) for row in found]

    async def _by_reference(self, source: str, reference: str) -> A | None:
        """Of two transactions that ask for the same reference, the second finds what the first one has written."""
        table = self._mapping.table
        name = f"{table.name} {source} {reference}"
        await self._line.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
        return await self._one(select(table).where(table.c.source == source, table.c.reference == reference))

    def _seen(self, row: Row, *, keep: bool) -> A:
        known = self._loaded.get(row["id"])
        if known is not None:
            return known[0]
        aggregate = self._mapping.from_row(row)
        if keep:
            self._loaded[aggregate.id] = (aggregate, self._mapping.to_row(aggregate))
        return aggregate


_BY_CODE = rows.PLANS.query.where(plans.c.code == bindparam("code"))
_PLAN_BY_CODE = Prepared(_BY_CODE)
_PLAN_BY_CODE_LOCKED = Prepared(_BY_CODE.with_for_update(of=plans))


class PlanBook(Book[Plan]):
    def __init__(self, line: PostgresLine, now: datetime) -> None:
        super().__init__(line, rows.PLANS, {"now": now})
        self._prices: list[tuple[Plan, Money, datetime]] = []

    async def by_code(self, code: str) -> Plan | None:
        return await self._one(_PLAN_BY_CODE, {"code": code})

    async def by_id(self, plan_id: UUID) -> Plan:
        plan = await self.find(plan_id)
        if plan is None:
            raise LookupError(f"no plan {plan_id}")
        return plan

    async def lock_by_code(self, code: str) -> Plan | None:
        return await self._one(_PLAN_BY_CODE_LOCKED, {"code": code}, lock=True)

    async def is_used(self, plan_id: UUID) -> bool:
        """By whatever points at it: a payment for a change that came to nothing is in the books as well."""
        named = (
            subscriptions.c.plan_id,
            subscriptions.c.next_plan_id,
            subscriptions.c.trial_plan_id,
            payments.c.plan_id,
        )
        used = select(or_(*(exists().where(column == plan_id) for column in named)))
        return bool((await self._line.connection.execute(used)).scalar_one())

    def set_price(self, plan: Plan, price: Money, valid_from: datetime) -> None:
        plan.price = price
        self._prices.append((plan, price, valid_from))

    async def delete(self, plan: Plan) -> None:
        self._loaded.pop(plan.id, None)
        await self._line.connection.execute(delete(plans).where(plans.c.id == plan.id))

    async def flush(self) -> list[Plan]:
        written = await super().flush()
        for plan, price, valid_from in self._prices:
            await self._write_price(plan, price, valid_from)
        return written

    async def _write_price(self, plan: Plan, price: Money, valid_from: datetime) -> None:
        """The price that was set last holds from its instant on.

        One that lies ahead by its clock was set before it all the same, one of the two clocks being wrong, and would
        take its place in time; one of the same instant is what a held clock brings. Both go, and what held before that
        instant stays.
        """
        mine = plan_prices.c.plan_id == plan.id
        await self._line.connection.execute(delete(plan_prices).where(mine, plan_prices.c.valid_from >= valid_from))
        held = select(plan_prices.c.amount, plan_prices.c.currency).where(mine)
        last = await self._line.connection.execute(held.order_by(plan_prices.c.valid_from.desc()).limit(1))
        if last.one_or_none() != (price.minor, price.currency):
            new = {"plan_id": plan.id, "valid_from": valid_from, "amount": price.minor, "currency": price.currency}
            await self._line.connection.execute(insert(plan_prices).values(**new))


_OWNER = Prepared(select(subscriptions.c.user_id).where(subscriptions.c.id == bindparam("its_id")))
_RUNNING = (subscriptions.c.status != "canceled") & (subscriptions.c.status != "expired")
_OF_PLAN = or_(subscriptions.c.plan_id == bindparam("plan_id"), subscriptions.c.next_plan_id == bindparam("plan_id"))
_RUNNING_OF = rows.SUBSCRIPTIONS.query.where(
    subscriptions.c.user_id == bindparam("user_id"), _OF_PLAN, _RUNNING
).order_by(subscriptions.c.id)
_RUNNING_OF_SHOWN = Prepared(_RUNNING_OF)
_RUNNING_OF_LOCKED = Prepared(_RUNNING_OF.with_for_update(of=subscriptions))
_HAD_TRIAL = Prepared(
    select(
        exists().where(
            subscriptions.c.user_id == bindparam("user_id"), subscriptions.c.trial_plan_id == bindparam("plan_id")
        )
    )
)
_RUNNING_OF_PERSON = Prepared(
    rows.SUBSCRIPTIONS.query.where(subscriptions.c.user_id == bindparam("user_id"), _RUNNING)
    .order_by(subscriptions.c.id)
    .with_for_update(of=subscriptions)
)
_RUNNING_BY_METHOD = Prepared(
    rows.SUBSCRIPTIONS.query.where(subscriptions.c.payment_method_id == bindparam("method_id"), _RUNNING)
    .order_by(subscriptions.c.id)
    .with_for_update(of=subscriptions)
)


class SubscriptionBook(Book[Subscription]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.SUBSCRIPTIONS)

    async def owner(self, subscription_id: UUID) -> UUID | None:
        owner: UUID | None = await self._line.value(_OWNER, {"its_id": subscription_id})
        return owner

    async def running_of(self, user_id: UUID, plan_id: UUID) -> list[Subscription]:
        return await self._all(_RUNNING_OF_LOCKED, {"user_id": user_id, "plan_id": plan_id}, lock=True)

    async def shown_running_of(self, user_id: UUID, plan_id: UUID) -> list[Subscription]:
        """The same to be looked at: nothing is locked."""
        return await self._all(_RUNNING_OF_SHOWN, {"user_id": user_id, "plan_id": plan_id})

    async def had_trial(self, user_id: UUID, plan_id: UUID) -> bool:
        return bool(await self._line.value(_HAD_TRIAL, {"user_id": user_id, "plan_id": plan_id}))

    async def lock_running(self, user_id: UUID) -> list[Subscription]:
        return await self._all(_RUNNING_OF_PERSON, {"user_id": user_id}, lock=True)

    async def lock_of_method(self, payment_method_id: UUID) -> list[Subscription]:
        """Those not ended that would be charged through it."""
        return await self._all(_RUNNING_BY_METHOD, {"method_id": payment_method_id}, lock=True)


def _of_subscription(subscription_id: UUID | ColumnElement[UUID]) -> ColumnElement[bool]:
    """By way of its owner, whose payments are few and have an index."""
    owner = select(subscriptions.c.user_id).where(subscriptions.c.id == subscription_id).scalar_subquery()
    return (payments.c.user_id == owner) & (payments.c.subscription_id == subscription_id)


_PAYMENT_BY_PROVIDER_ID = Prepared(
    select(payments).where(
        payments.c.payment_system == bindparam("payment_system"),
        payments.c.provider_payment_id == bindparam("provider_id"),
    )
)
_PAYMENT_WITH_AGE = Prepared(rows.PAYMENTS.one.add_columns((WALL_NOW - payments.c.sent_by).label("written_ago")))
_PAYMENT_OF_PERIOD = select(payments).where(
    payments.c.subscription_id == bindparam("subscription_id"),
    payments.c.period_number == bindparam("period_number"),
    payments.c.status == PaymentStatus.SUCCEEDED.value,
    payments.c.period_start.is_not(None),
)
_PAYMENT_OF_PERIOD_SHOWN = Prepared(_PAYMENT_OF_PERIOD)
_PAYMENT_OF_PERIOD_LOCKED = Prepared(_PAYMENT_OF_PERIOD.with_for_update(of=payments))
_ATTEMPTS = Prepared(
    select(func.count())
    .select_from(payments)
    .where(_of_subscription(bindparam("subscription_id")), payments.c.period_number == bindparam("period_number"))
)


class PaymentBook(Book[Payment]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.PAYMENTS)

    async def find_with_age(self, payment_id: UUID) -> tuple[Payment, timedelta] | None:
        found = await self._line.row(_PAYMENT_WITH_AGE, {"its_id": payment_id})
        return None if found is None else (self._seen(found, keep=False), found["written_ago"] or timedelta(0))

    async def find_by_provider_id(self, payment_system: str, provider_payment_id: str) -> Payment | None:
        theirs = {"payment_system": payment_system, "provider_id": provider_payment_id}
        return await self._one(_PAYMENT_BY_PROVIDER_ID, theirs)

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
        return await self._one(query.order_by(order).limit(1))

    async def of_current_period(self, subscription_id: UUID, period_number: int) -> Payment | None:
        period = {"subscription_id": subscription_id, "period_number": period_number}
        return await self._one(_PAYMENT_OF_PERIOD_LOCKED, period, lock=True)

    async def shown_of_current_period(self, subscription_id: UUID, period_number: int) -> Payment | None:
        """To be read only."""
        return await self._one(
            _PAYMENT_OF_PERIOD_SHOWN, {"subscription_id": subscription_id, "period_number": period_number}
        )

    async def attempts(self, subscription_id: UUID, period_number: int) -> int:
        period = {"subscription_id": subscription_id, "period_number": period_number}
        return int(await self._line.value(_ATTEMPTS, period))


_REFUND_BY_PROVIDER_ID = Prepared(
    select(refunds).where(
        refunds.c.payment_system == bindparam("payment_system"),
        refunds.c.provider_refund_id == bindparam("provider_id"),
    )
)
_REFUND_WITH_AGE = Prepared(rows.REFUNDS.one.add_columns((WALL_NOW - refunds.c.sent_by).label("sent_ago")))
_OPEN_REFUND = Prepared(select(refunds).where(refunds.c.payment_id == bindparam("payment_id"), rows.is_open(refunds)))


class RefundBook(Book[Refund]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.REFUNDS)

    async def find_with_age(self, refund_id: UUID) -> tuple[Refund, timedelta] | None:
        found = await self._line.row(_REFUND_WITH_AGE, {"its_id": refund_id})
        return None if found is None else (self._seen(found, keep=False), found["sent_ago"] or timedelta(0))

    async def find_by_provider_id(self, payment_system: str, provider_refund_id: str) -> Refund | None:
        theirs = {"payment_system": payment_system, "provider_id": provider_refund_id}
        return await self._one(_REFUND_BY_PROVIDER_ID, theirs)

    async def find_by_reference(self, source: str, reference: str) -> Refund | None:
        return await self._by_reference(source, reference)

    async def open_of(self, payment_id: UUID) -> Refund | None:
        return await self._one(_OPEN_REFUND, {"payment_id": payment_id})


_METHOD_BY_PROVIDER_ID = Prepared(
    select(payment_methods)
    .where(
        payment_methods.c.user_id == bindparam("user_id"),
        payment_methods.c.payment_system == bindparam("payment_system"),
        payment_methods.c.provider_method_id == bindparam("provider_id"),
    )
    .with_for_update(of=payment_methods)
)
_METHODS_OF = Prepared(
    select(payment_methods)
    .where(payment_methods.c.user_id == bindparam("user_id"), payment_methods.c.removed_at.is_(None))
    # The default one first, so that it is written first where another takes its place: there is one at most, always.
    .order_by(payment_methods.c.is_default.desc(), payment_methods.c.id)
    .with_for_update(of=payment_methods)
)


class PaymentMethodBook(Book[PaymentMethod]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.PAYMENT_METHODS)

    async def by_provider_id(self, user_id: UUID, payment_system: str, provider_method_id: str) -> PaymentMethod | None:
        theirs = {"user_id": user_id, "payment_system": payment_system, "provider_id": provider_method_id}
        return await self._one(_METHOD_BY_PROVIDER_ID, theirs, lock=True)

    async def all_of(self, user_id: UUID) -> list[PaymentMethod]:
        return await self._all(_METHODS_OF, {"user_id": user_id}, lock=True)


_CARDS_OF = Prepared(
    select(tables.cards)
    .where(tables.cards.c.user_id == bindparam("user_id"), tables.cards.c.removed_at.is_(None))
    .order_by(tables.cards.c.id)
    .with_for_update(of=tables.cards)
)


class CardBook(Book[StoredCard]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.CARDS)

    async def by_fingerprint(self, user_id: UUID, fingerprints: Sequence[str]) -> StoredCard | None:
        table = tables.cards
        kept = select(table).where(
            table.c.user_id == user_id, table.c.fingerprint.in_(fingerprints), table.c.removed_at.is_(None)
        )
        current_first = kept.order_by((table.c.fingerprint == fingerprints[0]).desc(), table.c.id).limit(1)
        return await self._one(current_first.with_for_update(of=table), lock=True)

    async def all_of(self, user_id: UUID) -> list[StoredCard]:
        return await self._all(_CARDS_OF, {"user_id": user_id}, lock=True)


_BY_ITS_CODE = select(tables.payment_systems).where(tables.payment_systems.c.code == bindparam("code"))
_REGISTRATION = Prepared(_BY_ITS_CODE)
_REGISTRATION_LOCKED = Prepared(_BY_ITS_CODE.with_for_update())


class RegistrationBook(Book[PaymentSystemRegistration]):
    def __init__(self, line: PostgresLine) -> None:
        super().__init__(line, rows.REGISTRATIONS)

    async def by_code(self, code: str) -> PaymentSystemRegistration | None:
        return await self._one(_REGISTRATION, {"code": code})

    async def lock_by_code(self, code: str) -> PaymentSystemRegistration | None:
        return await self._one(_REGISTRATION_LOCKED, {"code": code}, lock=True)

    async def delete(self, registration: PaymentSystemRegistration) -> None:
        self._loaded.pop(registration.id, None)
        table = tables.payment_systems
        await self._line.connection.execute(delete(table).where(table.c.id == registration.id))


_ZONE = Prepared(select(users.c.zone).where(users.c.id == bindparam("user_id")))


async def zone_of(line: PostgresLine, user_id: UUID) -> str | None:
    zone: str | None = await line.value(_ZONE, {"user_id": user_id})
    return zone
