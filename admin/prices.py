"""What a plan costs now, and what a subscription is charged next."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from admin.models import PlanPrice, Subscription
from domain.money import Money
from domain.plan_change import bill


def price_at(plan_id: UUID, at: datetime) -> PlanPrice | None:
    return PlanPrice.objects.filter(plan_id=plan_id, valid_from__lte=at).order_by("-valid_from").first()


def charge_due(subscription: Subscription, at: datetime) -> Money | None:
    """What would be charged for the next period at this instant; None where no charge is planned.

    By the price that holds then, of the plan that it goes on with, and less its credit; a later price changes it.
    """
    if subscription.next_charge_at is None:
        return None
    price = price_at(subscription.next_plan_id or subscription.plan_id, at)
    if price is None:
        return None
    return bill(Money(price.amount, price.currency), Money(subscription.balance, subscription.currency)).charge
