"""Objects as callers see them, each built in one place from rows of Postgres.

Replies of commands, queries and the projector all use these, so no two of them can show one object differently.
The dicts are ready for JSON: money `{"value": "499.00", "currency": "RUB"}`, times RFC 3339 in UTC with `Z`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import NotFoundHere
from domain.money import Money
from domain.payment import PAID_OTHERWISE
from domain.rules import Rules
from infrastructure.postgres.rows import price_at
from infrastructure.postgres.tables import (
    cards,
    cases,
    inbox,
    payment_methods,
    payment_systems,
    payments,
    plans,
    refunds,
    subscriptions,
)

Row = Mapping[Any, Any]
Document = dict[str, Any]


class PostgresDocuments:
    """Implements domain.ports.Documents on one connection, thus inside the caller's transaction.

    `now`: the instant at which a plan's price is looked up; the present where left out. What is not there
    raises NotFoundHere; the batch functions leave it out.
    """

    def __init__(self, connection: AsyncConnection, base_url: str, rules: Rules, now: datetime | None = None) -> None:
        self._connection = connection
        self._base_url = base_url
        self._rules = rules
        self._now = now or datetime.now(UTC)

    async def subscription(self, subscription_id: UUID) -> Document:
        return _only(await self.subscriptions([subscription_id]), subscription_id, "subscription")

    async def payment(self, payment_id: UUID) -> Document:
        """Without `refunds[]`, which the payment has only by itself."""
        return _only(await self.payments([payment_id]), payment_id, "payment")

    async def refund(self, refund_id: UUID) -> Document:
        return _only(await self.refunds([refund_id]), refund_id, "refund")

    async def plan(self, plan_id: UUID) -> Document:
        return _only(await self.plans([plan_id]), plan_id, "plan")

    async def payment_method(self, method_id: UUID) -> Document:
        return _only(await self.payment_methods([method_id]), method_id, "payment method")

    async def card(self, card_id: UUID) -> Document:
        rows = await self._rows(select(*CARD).where(cards.c.id == card_id))
        return _only({row["id"]: card_document(row) for row in rows}, card_id, "card")

    async def payment_system(self, registration_id: UUID) -> Document:
        rows = await self._rows(select(payment_systems).where(payment_systems.c.id == registration_id))
        return _only({row["id"]: payment_system_document(row) for row in rows}, registration_id, "payment system")

    async def notification(self, entry_id: UUID) -> Document:
        rows = await self._rows(notification_rows().where(inbox.c.id == entry_id))
        return _only({row["id"]: notification_document(row) for row in rows}, entry_id, "notification")

    async def case(self, case_id: UUID) -> Document:
        rows = await self._rows(select(cases).where(cases.c.id == case_id))
        return _only({row["id"]: case_document(row) for row in rows}, case_id, "case")

    async def subscriptions(self, ids: Iterable[UUID]) -> dict[UUID, Document]:
        rows = await self._rows(subscription_rows(self._now).where(subscriptions.c.id.in_(list(ids))))
        return {row["id"]: subscription_document(row) for row in rows}

    async def payments(self, ids: Iterable[UUID]) -> dict[UUID, Document]:
        rows = await self._rows(payment_rows().where(payments.c.id.in_(list(ids))))
        return {row["id"]: payment_document(row, self._base_url) for row in rows}

    async def refunds(self, ids: Iterable[UUID]) -> dict[UUID, Document]:
        rows = await self._rows(select(refunds).where(refunds.c.id.in_(list(ids))))
        return {row["id"]: refund_document(row, self._base_url) for row in rows}

    async def refunds_of(self, payment_id: UUID) -> list[Document]:
        """The refunds of one payment, oldest first."""
        query = select(refunds).where(refunds.c.payment_id == payment_id).order_by(refunds.c.created_at, refunds.c.id)
        return [refund_document(row, self._base_url) for row in await self._rows(query)]

    async def plans(self, ids: Iterable[UUID]) -> dict[UUID, Document]:
        rows = await self._rows(plan_rows(self._now).where(plans.c.id.in_(list(ids))))
        return {row["plan_id"]: plan_document(row) for row in rows}

    async def payment_methods(self, ids: Iterable[UUID]) -> dict[UUID, Document]:
        rows = await self._rows(select(payment_methods).where(payment_methods.c.id.in_(list(ids))))
        return {row["id"]: payment_method_document(row) for row in rows}

    async def _rows(self, query: Select[Any]) -> Iterable[Row]:
        rows: Iterable[Row] = (await self._connection.execute(query)).mappings()
        return rows


# --- what each builder needs -----------------------------------------------------------------------
_PLAN = (
    plans.c.id.label("plan_id"),
    plans.c.code.label("plan_code"),
    plans.c.name.label("plan_name"),
    plans.c.description.label("plan_description"),
    plans.c.period_unit,
    plans.c.period_count,
    plans.c.trial_days,
    plans.c.available,
    plans.c.archived_at,
)
_NEXT_PLANS = plans.alias("next_plans")
_NEXT_PLAN = (_NEXT_PLANS.c.code.label("next_plan_code"), _NEXT_PLANS.c.name.label("next_plan_name"))
_METHOD = (
    payment_methods.c.kind.label("method_kind"),
    payment_methods.c.title.label("method_title"),
    payment_methods.c.first6.label("method_first6"),
    payment_methods.c.last4.label("method_last4"),
)
# What a payment's document shows; the rest of the table stays where it is, sealed tokens above all.
_PAYMENT = tuple(
    payments.c[name]
    for name in (
        *("id", "user_id", "subscription_id", "kind", "attempt", "status", "amount", "currency", "refunded"),
        *("period_start", "period_end", "description", "payment_system", "payment_method_id", "provider_payment_id"),
        *("confirmation_url", "cancel_reason", "cancel_party", "created_at", "settled_at", "version"),
        "period_number",
    )
)

CARD = tuple(cards.c[name] for name in ("id", "first6", "last4", "exp_month", "exp_year"))
"""What a card's document shows; its secret is not even read."""


def plan_rows(now: datetime) -> Select[Any]:
    """Plans with the price that holds at `now`; `price_amount` is NULL where none holds yet."""
    joined, price = _with_price(plans, now)
    return select(*_PLAN, *price).select_from(joined)


def subscription_rows(now: datetime) -> Select[Any]:
    """Subscriptions with plan, price and payment method, as `subscription_document` needs them."""
    methods = payment_methods.c.id == subscriptions.c.payment_method_id
    base = subscriptions.join(plans, plans.c.id == subscriptions.c.plan_id).outerjoin(payment_methods, methods)
    base = base.outerjoin(_NEXT_PLANS, _NEXT_PLANS.c.id == subscriptions.c.next_plan_id)
    joined, price = _with_price(base, now)
    return select(subscriptions, *_PLAN[1:], *_NEXT_PLAN, *price, *_METHOD).select_from(joined)


def payment_rows() -> Select[Any]:
    """Payments with plan and payment method, as `payment_document` needs them."""
    methods = payment_methods.c.id == payments.c.payment_method_id
    joined = payments.join(plans, plans.c.id == payments.c.plan_id).outerjoin(payment_methods, methods)
    return select(*_PAYMENT, *_PLAN[1:3], *_METHOD).select_from(joined)


def notification_rows() -> Select[Any]:
    """Notifications without their bodies, which nobody is shown: they hold what a payment system says of a person."""
    shown = ("id", "payment_system", "event", "provider_object_id", "received", "received_at", "status", "attempts")
    return select(*(inbox.c[name] for name in shown), inbox.c.outcome)


def _with_price(base: FromClause, now: datetime) -> tuple[FromClause, list[ColumnElement[Any]]]:
    price = price_at(now)
    return base.outerjoin(price, true()), [
        price.c.amount.label("price_amount"),
        price.c.currency.label("price_currency"),
    ]


# --- the builders ----------------------------------------------------------------------------------
def plan_document(row: Row) -> Document:
    """A `plan` as callers see it, from `plan_rows` or `subscription_rows`. An archived plan is not available."""
    has_price = row["price_amount"] is not None
    return {
        "code": row["plan_code"],
        "name": row["plan_name"],
        "description": row["plan_description"],
        "price": money(row["price_amount"], row["price_currency"]) if has_price else None,
        "period": {"unit": row["period_unit"], "count": row["period_count"]},
        "trial_days": row["trial_days"],
        "available": row["available"] and row["archived_at"] is None,
    }


def case_document(row: Row) -> Document:
    """What a person has to look at, and what was found."""
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "subject": row["subject"],
        "detail": row["detail"],
        "opened_at": moment(row["opened_at"]),
        "resolved_at": moment(row["resolved_at"]) if row["resolved_at"] else None,
        "resolution": row["resolution"],
    }


def subscription_document(row: Row) -> Document:
    """A `subscription` as callers see it, from `subscription_rows`."""
    return {
        "id": str(row["id"]),
        "plan": plan_document(row),
        "status": row["status"],
        "current_period": _period(row),
        "cancel_at_period_end": row["cancel_at_period_end"],
        "next_plan": _next_plan(row),
        "next_charge_at": moment(row["next_charge_at"]),
        "payment_method": _method(row),
        "balance": money(row["balance"], row["currency"]),
        "created_at": moment(row["created_at"]),
        "version": row["version"],
    }


def payment_document(row: Row, base_url: str) -> Document:
    """A `payment` as callers see it, from `payment_rows`; `refunded` is what was returned for certain."""
    canceled = row["cancel_reason"] is not None
    # Nobody is sent to pay what was paid otherwise.
    page = row["confirmation_url"] if row["period_number"] != PAID_OTHERWISE else None
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "attempt": row["attempt"],
        "status": row["status"],
        "amount": money(row["amount"], row["currency"]),
        "refunded": money(row["refunded"], row["currency"]),
        "period": _period(row),
        "subscription_id": str(row["subscription_id"]),
        "plan": {"code": row["plan_code"], "name": row["plan_name"]},
        "payment_system": row["payment_system"],
        "payment_method": _method(row),
        "provider_payment_id": row["provider_payment_id"],
        "cancellation": {"reason": row["cancel_reason"], "party": row["cancel_party"]} if canceled else None,
        "confirmation_url": page,
        "status_url": payment_url(base_url, row["id"]),
        "created_at": moment(row["created_at"]),
        "settled_at": moment(row["settled_at"]),
        "version": row["version"],
    }


def refund_document(row: Row, base_url: str) -> Document:
    """A `refund` as callers see it, from a row of `refunds`."""
    return {
        "id": str(row["id"]),
        "status": row["status"],
        "amount": money(row["amount"], row["currency"]),
        "payment_id": str(row["payment_id"]),
        "provider_refund_id": row["provider_refund_id"],
        "reason": row["reason"],
        "status_url": f"{base_url}/v1/refunds/{row['id']}",
        "created_at": moment(row["created_at"]),
        "settled_at": moment(row["settled_at"]),
    }


def payment_method_document(row: Row) -> Document:
    """A saved payment method, from a row of `payment_methods`."""
    return {
        "id": str(row["id"]),
        "payment_system": row["payment_system"],
        "kind": row["kind"],
        "title": row["title"],
        "first6": row["first6"],
        "last4": row["last4"],
        "exp_month": row["exp_month"],
        "exp_year": row["exp_year"],
        "default": row["is_default"],
        "created_at": moment(row["created_at"]),
    }


def card_document(row: Row) -> Document:
    """A `card` as callers see it, from the columns `CARD`."""
    shown = ("first6", "last4", "exp_month", "exp_year")
    return {"id": str(row["id"]), **{name: row[name] for name in shown}}


def payment_system_document(row: Row) -> Document:
    """A payment system of the registry, from a row of `payment_systems`; its settings are never read."""
    return {
        "code": row["code"],
        "name": row["name"],
        "adapter": row["adapter"],
        "enabled": row["enabled"] and row["archived_at"] is None,
    }


def event_document(row: Row) -> Document:
    """An `event` as callers see it, from a row of `events`."""
    return {
        "id": str(row["id"]),
        "type": row["type"],
        "at": moment(row["at"]),
        "actor": {"kind": row["actor_kind"], "id": row["actor_id"]},
        "subscription_id": str(row["subscription_id"]),
        "data": row["data"],
    }


def notification_document(row: Row) -> Document:
    """A payment system's notification, from `notification_rows`; `outcome` is the last error where it was set aside."""
    return {
        "id": str(row["id"]),
        "payment_system": row["payment_system"],
        "event": row["event"],
        "provider_object_id": row["provider_object_id"],
        "status": row["status"],
        "received": row["received"],
        "received_at": moment(row["received_at"]),
        "attempts": row["attempts"],
        "outcome": row["outcome"],
    }


def payment_url(base_url: str, payment_id: UUID) -> str:
    return f"{base_url}/v1/payments/{payment_id}"


def money(minor: int, currency: str) -> Document:
    return {"value": Money(minor, currency).value, "currency": currency}


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with `Z`."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _period(row: Row) -> Document | None:
    if row["period_end"] is None:
        return None
    return {"start": moment(row["period_start"]), "end": moment(row["period_end"])}


def _next_plan(row: Row) -> Document | None:
    """What the next period will be of, where the person has planned a change."""
    if row["next_plan_id"] is None:
        return None
    return {"code": row["next_plan_code"], "name": row["next_plan_name"]}


def _method(row: Row) -> Document | None:
    if row["payment_method_id"] is None:
        return None
    return {
        "id": str(row["payment_method_id"]),
        "title": row["method_title"],
        "kind": row["method_kind"],
        "first6": row["method_first6"],
        "last4": row["method_last4"],
    }


def _only(found: dict[UUID, Document], wanted: UUID, what: str) -> Document:
    if wanted not in found:
        raise NotFoundHere(what)
    return found[wanted]
