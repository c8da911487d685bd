"""The objects for /openapi.json. Nothing is validated against them at run time: documents.py builds them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class MoneyShape(BaseModel):
    value: str
    currency: str


class PeriodLengthShape(BaseModel):
    unit: str
    count: int


class PeriodShape(BaseModel):
    start: datetime
    end: datetime


class PlanShape(BaseModel):
    code: str
    name: str
    description: str
    price: MoneyShape | None
    period: PeriodLengthShape
    trial_days: int
    available: bool


class PlanName(BaseModel):
    code: str
    name: str


class UsedMethod(BaseModel):
    id: UUID
    title: str
    kind: str
    first6: str | None
    last4: str | None


class SubscriptionShape(BaseModel):
    id: UUID
    plan: PlanShape
    status: str
    current_period: PeriodShape | None
    cancel_at_period_end: bool
    next_plan: PlanName | None
    next_charge_at: datetime | None
    payment_method: UsedMethod | None
    balance: MoneyShape
    created_at: datetime
    version: int


class CancellationShape(BaseModel):
    reason: str
    party: str


class PaymentShape(BaseModel):
    id: UUID
    kind: str
    attempt: int
    status: str
    amount: MoneyShape
    refunded: MoneyShape
    period: PeriodShape | None
    subscription_id: UUID
    plan: PlanName
    payment_system: str | None
    payment_method: UsedMethod | None
    provider_payment_id: str | None
    cancellation: CancellationShape | None
    confirmation_url: str | None
    status_url: str
    created_at: datetime
    settled_at: datetime | None
    version: int


class RefundShape(BaseModel):
    id: UUID
    status: str
    amount: MoneyShape
    payment_id: UUID
    provider_refund_id: str | None
    reason: str | None
    status_url: str
    created_at: datetime
    settled_at: datetime | None


class PaymentWithRefunds(PaymentShape):
    refunds: list[RefundShape]


class PaymentMethodShape(BaseModel):
    id: UUID
    payment_system: str
    kind: str
    title: str
    first6: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    default: bool
    created_at: datetime


class CardShape(BaseModel):
    id: UUID
    first6: str
    last4: str
    exp_month: int
    exp_year: int


class ActorShape(BaseModel):
    kind: str
    id: str


class EventShape(BaseModel):
    id: UUID
    type: str
    at: datetime
    actor: ActorShape
    subscription_id: UUID
    data: dict[str, Any]


class RefundPreview(BaseModel):
    amount: MoneyShape
    full: bool
    payment_id: UUID | None
    credit_not_returned: MoneyShape


class ChangePlanPreview(BaseModel):
    credit: MoneyShape
    price: MoneyShape
    charge: MoneyShape
    balance_after: MoneyShape
    period: PeriodShape


class MonthShape(BaseModel):
    month: str
    paid: MoneyShape
    refunded: MoneyShape
    count: int


class Summary(BaseModel):
    items: list[MonthShape]


class PaymentSystemShape(BaseModel):
    code: str
    name: str
    adapter: str
    enabled: bool


class ActiveSubscriptionShape(BaseModel):
    id: UUID
    plan_code: str
    status: str
    ends_at: datetime


class ActiveSubscriptionsShape(BaseModel):
    user_id: UUID
    version: int
    subscriptions: list[ActiveSubscriptionShape]


class TokenClaims(BaseModel):
    subs: list[tuple[str, int]]
    sub_ver: int


class NotificationShape(BaseModel):
    id: UUID
    payment_system: str
    event: str
    provider_object_id: str
    status: str
    received: int
    received_at: datetime
    attempts: int
    outcome: str | None


class Page(BaseModel):
    next_cursor: str | None


class PlanList(Page):
    items: list[PlanShape]


class SubscriptionList(Page):
    items: list[SubscriptionShape]


class EventList(Page):
    items: list[EventShape]


class PaymentList(Page):
    items: list[PaymentShape]


class PaymentMethodList(Page):
    items: list[PaymentMethodShape]


class CardList(Page):
    items: list[CardShape]


class NotificationList(Page):
    items: list[NotificationShape]


class PaymentSystemList(Page):
    items: list[PaymentSystemShape]
