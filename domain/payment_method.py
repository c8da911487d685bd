"""Payment methods: the link between a person and their token at a payment system (PAY-12)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(slots=True)
class PaymentMethod:
    """A method that the payment system keeps for one person. Once removed it is never charged again (invariant 13)."""

    id: UUID
    user_id: UUID
    payment_system: str
    provider_method_id: str
    kind: str
    title: str
    created_at: datetime
    first6: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None
    is_default: bool = False
    removed_at: datetime | None = None
    version: int = 0
    is_new: bool = field(default=False, compare=False)
