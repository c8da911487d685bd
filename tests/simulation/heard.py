"""What the auditor hears, as plain values: the payment system's ledger, the service's events, rows and mails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LedgerPayment:
    """A payment as the payment system's books have it; minor units."""

    provider_id: str
    payment_id: UUID
    status: str
    amount: int
    refunded: int
    method: str | None


@dataclass(frozen=True, slots=True)
class LedgerRefund:
    """A refund as the payment system's books have it; `refund_id` None was made in its cabinet."""

    provider_id: str
    payment_provider_id: str
    refund_id: UUID | None
    status: str
    amount: int


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """A row of the service's `events`: when it learned what."""

    id: UUID
    at: datetime
    type: str
    user_id: UUID
    subscription_id: UUID
    payment_id: UUID | None
    refund_id: UUID | None
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """What the service has written of a subscription."""

    id: UUID
    status: str
    period_number: int
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool
    next_charge_at: datetime | None
    end_at: datetime | None
    open_payment_id: UUID | None
    refunding: bool
    has_method: bool
    plan_code: str
    next_plan_code: str | None
    balance: int
    period_credit: int
