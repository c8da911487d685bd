"""How the domain's objects lie in their tables: one mapping an aggregate, both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    Table,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from domain.money import Money
from domain.payment import Payment, PaymentKind, PaymentStatus, PaysWith
from domain.payment_method import PaymentMethod
from domain.payment_system import Cancellation
from domain.payment_system_registration import PaymentSystemRegistration
from domain.periods import Period, PeriodLength, PeriodUnit
from domain.plan import Plan
from domain.ports import CLAIM
from domain.refund import Refund, RefundOrigin, RefundStatus
from domain.stored_card import StoredCard
from domain.subscription import Subscription, SubscriptionStatus
from infrastructure.postgres import tables
from infrastructure.postgres.line import Prepared, Row
from infrastructure.postgres.wall import WALL_NOW


class Aggregate(Protocol):
    id: UUID
    version: int
    is_new: bool


A = TypeVar("A", bound=Aggregate)


def is_free(table: Table) -> ColumnElement[bool]:
    """SQL: nobody holds a claim; one that lies further ahead than any was made by a clock that was ahead."""
    until, now = table.c.claimed_until, WALL_NOW
    return or_(until.is_(None), until < now, until > now + 2 * CLAIM)


def is_open(table: Table) -> ColumnElement[bool]:
    """SQL: a payment or refund that has not ended."""
    return or_(table.c.status == "pending", table.c.status == "unknown")


@dataclass(frozen=True)
class AggregateMapping(Generic[A]):
    """`table` holds what `to_row` writes, without `id` and `version`; `from_row` reads back what `query` finds.

    Its statements are built once: building one takes longer than running it.
    """

    table: Table
    to_row: Callable[[A], dict[str, Any]]
    from_row: Callable[[Row], A]
    query: Select[Any]

    @cached_property
    def by_id(self) -> Prepared:
        """Takes `its_id`."""
        return Prepared(self.one)

    @cached_property
    def by_id_locked(self) -> Prepared:
        return Prepared(self.one.with_for_update(of=self.table))

    @cached_property
    def claim(self) -> Prepared:
        """Of what has not ended. Takes `its_id` and `held`, the end of a claim that the caller has."""
        table = self.table
        mine = or_(is_free(table), self._is_held)
        taken = update(table).where(table.c.id == bindparam("its_id"), is_open(table), mine)
        return Prepared(taken.values(claimed_until=WALL_NOW + CLAIM).returning(table.c.claimed_until))

    @cached_property
    def unclaim(self) -> Prepared:
        """Takes `its_id` and `held`."""
        held = update(self.table).where(self.table.c.id == bindparam("its_id"), self._is_held)
        return Prepared(held.values(claimed_until=None))

    @property
    def one(self) -> Select[Any]:
        return self.query.where(self.table.c.id == bindparam("its_id"))

    @property
    def _is_held(self) -> ColumnElement[bool]:
        until = self.table.c.claimed_until
        return until == bindparam("held", type_=until.type)

    @cached_property
    def change(self) -> Prepared:
        """Takes `its_id`, `its_version` and the columns that change."""
        at_version = self.table.c.version == bindparam("its_version")
        return Prepared(update(self.table).where(self.table.c.id == bindparam("its_id"), at_version))

    @cached_property
    def addition(self) -> Prepared:
        return Prepared(insert(self.table))


def _plan_to_row(plan: Plan) -> dict[str, Any]:
    return {
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "period_unit": plan.period.unit.value,
        "period_count": plan.period.count,
        "trial_days": plan.trial_days,
        "available": plan.available,
        "archived_at": plan.archived_at,
    }


def plan_from_row(row: Row) -> Plan:
    """`row` also has the price that holds: `amount`, `currency`."""
    return Plan(
        id=row["id"],
        code=row["code"],
        name=row["name"],
        description=row["description"],
        price=Money(row["amount"], row["currency"]),
        period=PeriodLength(PeriodUnit(row["period_unit"]), row["period_count"]),
        trial_days=row["trial_days"],
        available=row["available"],
        archived_at=row["archived_at"],
        version=row["version"],
    )


def _subscription_to_row(s: Subscription) -> dict[str, Any]:
    return {
        "user_id": s.user_id,
        "plan_id": s.plan_id,
        "status": s.status.value,
        "zone": s.zone,
        "payment_system": s.payment_system,
        "payment_method_id": s.payment_method_id,
        "period_number": s.period_number,
        "period_start": s.period.start if s.period else None,
        "period_end": s.period.end if s.period else None,
        "anchor_at": s.anchor_at,
        "cancel_at_period_end": s.cancel_at_period_end,
        "next_charge_at": s.next_charge_at,
        "remind_at": s.remind_at,
        "end_at": s.end_at,
        "open_payment_id": s.open_payment_id,
        "refunding": s.refunding,
        "first_failed_at": s.first_failed_at,
        "failed_tries": s.failed_tries,
        "balance": s.balance.minor,
        "period_credit": s.period_credit.minor,
        "next_plan_id": s.next_plan_id,
        "trial_plan_id": s.trial_plan_id,
        "currency": s.balance.currency,
        "created_at": s.created_at,
        "ended_at": s.ended_at,
        "cancel_reason": s.cancel_reason,
    }


def _subscription_from_row(row: Row) -> Subscription:
    """`row` also has the plan's `plan_code`, `period_unit` and `period_count`."""
    return Subscription(
        id=row["id"],
        user_id=row["user_id"],
        plan_id=row["plan_id"],
        plan_code=row["plan_code"],
        length=PeriodLength(PeriodUnit(row["period_unit"]), row["period_count"]),
        status=SubscriptionStatus(row["status"]),
        zone=row["zone"],
        payment_system=row["payment_system"],
        created_at=row["created_at"],
        period_number=row["period_number"],
        period=_period(row),
        anchor_at=row["anchor_at"],
        payment_method_id=row["payment_method_id"],
        cancel_at_period_end=row["cancel_at_period_end"],
        next_charge_at=row["next_charge_at"],
        remind_at=row["remind_at"],
        end_at=row["end_at"],
        open_payment_id=row["open_payment_id"],
        refunding=row["refunding"],
        first_failed_at=row["first_failed_at"],
        failed_tries=row["failed_tries"],
        balance=Money(row["balance"], row["currency"]),
        period_credit=Money(row["period_credit"], row["currency"]),
        next_plan_id=row["next_plan_id"],
        trial_plan_id=row["trial_plan_id"],
        ended_at=row["ended_at"],
        cancel_reason=row["cancel_reason"],
        version=row["version"],
    )


def _payment_to_row(p: Payment) -> dict[str, Any]:
    return {
        "user_id": p.user_id,
        "subscription_id": p.subscription_id,
        "plan_id": p.plan_id,
        "kind": p.kind.value,
        "attempt": p.attempt,
        "status": p.status.value,
        "amount": p.amount.minor,
        "currency": p.amount.currency,
        "credit": p.credit.minor,
        "refunded": p.refunded,
        "refund_reserved": p.refund_reserved,
        "credited": p.credited,
        "period_number": p.period_number,
        "period_start": p.period.start if p.period else None,
        "period_end": p.period.end if p.period else None,
        "description": p.description,
        "pays_with": p.pays_with.value,
        "by_person": p.by_person,
        "payment_system": p.payment_system,
        "return_url": p.return_url,
        "sealed_token": p.sealed_token,
        "card_id": p.card_id,
        "payment_method_id": p.payment_method_id,
        "provider_method_id": p.provider_method_id,
        "provider_payment_id": p.provider_payment_id,
        "confirmation_url": p.confirmation_url,
        **_canceled(p.cancellation),
        "key_lapsed": p.key_lapsed,
        "source": p.source,
        "reference": p.reference,
        "created_at": p.created_at,
        "settled_at": p.settled_at,
        "asks": p.asks,
        "ask_again_at": p.ask_again_at,
        "ask_again_by": p.ask_again_by,
        "last_silence": p.last_silence,
        **({"sent_by": p.sent_by} if p.sent_by is not None else {}),  # at first it is the database that writes it
    }


def _payment_from_row(row: Row) -> Payment:
    return Payment(
        id=row["id"],
        user_id=row["user_id"],
        subscription_id=row["subscription_id"],
        plan_id=row["plan_id"],
        kind=PaymentKind(row["kind"]),
        attempt=row["attempt"],
        status=PaymentStatus(row["status"]),
        amount=Money(row["amount"], row["currency"]),
        period_number=row["period_number"],
        description=row["description"],
        pays_with=PaysWith(row["pays_with"]),
        created_at=row["created_at"],
        payment_system=row["payment_system"],
        credit=Money(row["credit"], row["currency"]),
        by_person=row["by_person"],
        return_url=row["return_url"],
        sealed_token=row["sealed_token"],
        card_id=row["card_id"],
        payment_method_id=row["payment_method_id"],
        provider_method_id=row["provider_method_id"],
        provider_payment_id=row["provider_payment_id"],
        confirmation_url=row["confirmation_url"],
        cancellation=_cancellation(row),
        period=_period(row),
        refunded=row["refunded"],
        refund_reserved=row["refund_reserved"],
        credited=row["credited"],
        settled_at=row["settled_at"],
        source=row["source"],
        reference=row["reference"],
        asks=row["asks"],
        ask_again_at=row["ask_again_at"],
        ask_again_by=row["ask_again_by"],
        last_silence=row["last_silence"],
        sent_by=row["sent_by"],
        key_lapsed=row["key_lapsed"],
        version=row["version"],
    )


def _refund_to_row(r: Refund) -> dict[str, Any]:
    return {
        "payment_id": r.payment_id,
        "subscription_id": r.subscription_id,
        "user_id": r.user_id,
        "amount": r.amount.minor,
        "currency": r.amount.currency,
        "status": r.status.value,
        "origin": r.origin.value,
        "ends_subscription": r.ends_subscription,
        "reason": r.reason,
        "payment_system": r.payment_system,
        "provider_refund_id": r.provider_refund_id,
        **_canceled(r.cancellation),
        "source": r.source,
        "reference": r.reference,
        "created_at": r.created_at,
        "key_number": r.key_number,
        "key_since": r.key_since,
        "key_lapsed": r.key_lapsed,
        **({"sent_by": r.sent_by} if r.sent_by is not None else {}),  # at first it is the database that writes it
        "settled_at": r.settled_at,
        "asks": r.asks,
        "ask_again_at": r.ask_again_at,
        "ask_again_by": r.ask_again_by,
        "last_silence": r.last_silence,
    }


def _refund_from_row(row: Row) -> Refund:
    return Refund(
        id=row["id"],
        payment_id=row["payment_id"],
        subscription_id=row["subscription_id"],
        user_id=row["user_id"],
        amount=Money(row["amount"], row["currency"]),
        status=RefundStatus(row["status"]),
        origin=RefundOrigin(row["origin"]),
        ends_subscription=row["ends_subscription"],
        created_at=row["created_at"],
        key_since=row["key_since"],
        key_number=row["key_number"],
        key_lapsed=row["key_lapsed"],
        sent_by=row["sent_by"],
        payment_system=row["payment_system"],
        reason=row["reason"],
        provider_refund_id=row["provider_refund_id"],
        cancellation=_cancellation(row),
        settled_at=row["settled_at"],
        source=row["source"],
        reference=row["reference"],
        asks=row["asks"],
        ask_again_at=row["ask_again_at"],
        ask_again_by=row["ask_again_by"],
        last_silence=row["last_silence"],
        version=row["version"],
    )


_METHOD = [
    *("user_id", "payment_system", "provider_method_id", "kind", "title", "created_at"),
    *("first6", "last4", "exp_month", "exp_year", "is_default", "removed_at"),
]
_CARD = [
    *("user_id", "first6", "last4", "exp_month", "exp_year", "created_at"),
    *("fingerprint", "sealed", "key_id", "removed_at"),
]
_REGISTRATION = ["code", "name", "adapter", "enabled", "settings", "used", "archived_at"]


def _same_names(names: list[str]) -> Callable[[Any], dict[str, Any]]:
    return lambda aggregate: {name: getattr(aggregate, name) for name in names}


def _canceled(why: Cancellation | None) -> dict[str, Any]:
    return {"cancel_reason": why.reason if why else None, "cancel_party": why.party if why else None}


def _cancellation(row: Row) -> Cancellation | None:
    return Cancellation(row["cancel_reason"], row["cancel_party"]) if row["cancel_reason"] else None


def _period(row: Row) -> Period | None:
    return Period(row["period_start"], row["period_end"]) if row["period_end"] else None


def price_at(now: datetime | BindParameter[datetime]) -> FromClause:
    """SQL: a plan's price that holds then, for a join with `plans`; its first one for a clock that has gone back."""
    prices = tables.plan_prices.c
    nearest = func.abs(func.extract("epoch", prices.valid_from - now))
    held = select(prices.amount, prices.currency).where(prices.plan_id == tables.plans.c.id)
    return held.order_by(prices.valid_from > now, nearest).limit(1).lateral("price")


_PRICE = price_at(bindparam("now"))
_ITS_PLAN = (tables.plans.c.code.label("plan_code"), tables.plans.c.period_unit, tables.plans.c.period_count)

PLANS = AggregateMapping(
    tables.plans,
    _plan_to_row,
    plan_from_row,
    # With the price that holds at `now`.
    select(tables.plans, _PRICE.c.amount, _PRICE.c.currency).join_from(tables.plans, _PRICE, true()),
)
SUBSCRIPTIONS = AggregateMapping(
    tables.subscriptions,
    _subscription_to_row,
    _subscription_from_row,
    select(tables.subscriptions, *_ITS_PLAN).join_from(
        tables.subscriptions, tables.plans, tables.plans.c.id == tables.subscriptions.c.plan_id
    ),
)
PAYMENTS = AggregateMapping(tables.payments, _payment_to_row, _payment_from_row, select(tables.payments))
REFUNDS = AggregateMapping(tables.refunds, _refund_to_row, _refund_from_row, select(tables.refunds))
PAYMENT_METHODS: AggregateMapping[PaymentMethod] = AggregateMapping(
    tables.payment_methods,
    _same_names(_METHOD),
    lambda row: PaymentMethod(id=row["id"], version=row["version"], **{name: row[name] for name in _METHOD}),
    select(tables.payment_methods),
)
CARDS: AggregateMapping[StoredCard] = AggregateMapping(
    tables.cards,
    _same_names(_CARD),
    lambda row: StoredCard(id=row["id"], version=row["version"], **{name: row[name] for name in _CARD}),
    select(tables.cards),
)
REGISTRATIONS: AggregateMapping[PaymentSystemRegistration] = AggregateMapping(
    tables.payment_systems,
    _same_names(_REGISTRATION),
    lambda row: PaymentSystemRegistration(
        id=row["id"], version=row["version"], **{name: row[name] for name in _REGISTRATION}
    ),
    select(tables.payment_systems),
)
