"""What commands reply, for /openapi.json. Nothing is validated against it at run time: the routes build it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from infrastructure.http.shapes import NotificationShape, PaymentShape, RefundShape, SubscriptionShape


class Paid(BaseModel):
    payment: PaymentShape


class PaidOrNothingDue(BaseModel):
    """`payment` is null where credit was enough."""

    payment: PaymentShape | None


class Sale(BaseModel):
    subscription: SubscriptionShape
    payment: PaymentShape


class SaleOrNothingDue(BaseModel):
    """`payment` is null where nothing is due."""

    subscription: SubscriptionShape
    payment: PaymentShape | None


class Subscribed(BaseModel):
    subscription: SubscriptionShape


class WillEndReply(BaseModel):
    """Those that will end for lack of a payment method."""

    subscriptions: list[SubscriptionShape]


class Refunded(BaseModel):
    refund: RefundShape


class RefundedOutside(BaseModel):
    subscription: SubscriptionShape
    refund: RefundShape


class ErasedReply(BaseModel):
    user_id: UUID
    erased_at: datetime
    ended: list[UUID]


class ReplayedReply(BaseModel):
    notification: NotificationShape


class CaseShape(BaseModel):
    id: UUID
    kind: str
    subject: str
    detail: str
    opened_at: datetime
    resolved_at: datetime | None
    resolution: str | None


class ResolvedReply(BaseModel):
    case: CaseShape


def replies(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these statuses answer with this."""
    return {status: {"model": model} for status in statuses}
