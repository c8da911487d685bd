"""What has happened. Kept for ever, append-only, in the transaction that made it happen (invariant 8, SUB-7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EventType(StrEnum):
    SUBSCRIPTION_REQUESTED = "subscription.requested"
    SUBSCRIPTION_ACTIVATED = "subscription.activated"
    SUBSCRIPTION_TRIAL_STARTED = "subscription.trial_started"
    SUBSCRIPTION_RENEWED = "subscription.renewed"
    SUBSCRIPTION_PAST_DUE = "subscription.past_due"
    SUBSCRIPTION_PLAN_CHANGED = "subscription.plan_changed"
    SUBSCRIPTION_PLAN_CHANGE_PLANNED = "subscription.plan_change_planned"
    SUBSCRIPTION_PLAN_CHANGE_DROPPED = "subscription.plan_change_dropped"
    SUBSCRIPTION_CHARGE_PLANNED = "subscription.charge_planned"
    SUBSCRIPTION_CANCELLATION_PLANNED = "subscription.cancellation_planned"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_CANCELED = "subscription.canceled"
    SUBSCRIPTION_EXPIRED = "subscription.expired"
    PAYMENT_REQUESTED = "payment.requested"
    PAYMENT_PENDING = "payment.pending"
    PAYMENT_UNKNOWN = "payment.unknown"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    REFUND_REQUESTED = "refund.requested"
    REFUND_PENDING = "refund.pending"
    REFUND_UNKNOWN = "refund.unknown"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    PAYMENT_METHOD_REMOVED = "payment_method.removed"


class ActorKind(StrEnum):
    """Who made it happen."""

    USER = "user"
    SERVICE = "service"
    ADMIN = "admin"
    SYSTEM = "system"
    PAYMENT_SYSTEM = "payment_system"


@dataclass(frozen=True, slots=True)
class Actor:
    kind: ActorKind
    id: str


SYSTEM = Actor(ActorKind.SYSTEM, "billing")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one person's subscription. `data` is JSON: money as text, times as RFC 3339."""

    type: EventType
    at: datetime
    user_id: UUID
    subscription_id: UUID
    payment_id: UUID | None = None
    refund_id: UUID | None = None
    data: Mapping[str, object] = field(default_factory=dict)
