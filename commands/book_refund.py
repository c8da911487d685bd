"""Book money that has gone back already, without this service: by the payment system's cabinet, or outside of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from commands import facts
from commands.world import World
from domain.errors import NotFoundHere
from domain.events import Event, EventType
from domain.money import Money
from domain.payment import Payment
from domain.ports import UnitOfWork
from domain.refund import Refund, RefundOrigin, RefundStatus


@dataclass(frozen=True, slots=True)
class Returned:
    """What went back, and when; named by the payment system's id, or by a source outside and its reference."""

    amount: Money
    origin: RefundOrigin
    at: datetime
    payment_system: str | None = None
    provider_refund_id: str | None = None
    source: str | None = None
    reference: str | None = None


async def book_refund(payment: Payment, returned: Returned, uow: UnitOfWork, world: World) -> Refund:
    """A refund that has succeeded; ends the subscription where it returns the rest of the current period's payment.

    The caller holds the person's lock and the payment's, and has seen that so much is left of it.
    """
    now, plan = world.clock.now(), await uow.plans.by_id(payment.plan_id)
    subscription = await uow.subscriptions.lock(payment.subscription_id)
    if subscription is None:
        raise NotFoundHere("subscription")
    current = payment.period is not None and payment.period_number == subscription.period_number
    ends = current and subscription.is_running and returned.amount == payment.left_to_refund
    refund = Refund(
        id=world.new_id(),
        payment_id=payment.id,
        subscription_id=payment.subscription_id,
        user_id=payment.user_id,
        amount=returned.amount,
        status=RefundStatus.SUCCEEDED,
        origin=returned.origin,
        ends_subscription=ends,
        created_at=now,
        key_since=now,
        payment_system=returned.payment_system,
        provider_refund_id=returned.provider_refund_id,
        settled_at=returned.at,
        source=returned.source,
        reference=returned.reference,
    )
    payment.refunded += refund.amount.minor
    uow.refunds.add(refund)
    who = (payment.user_id, payment.subscription_id, payment.id, refund.id)
    uow.record(Event(EventType.REFUND_SUCCEEDED, now, *who, data=facts.of_refund(refund, payment, plan)))
    if ends:
        subscription.end_as_canceled(now)
        told = facts.of_subscription(subscription, plan)
        uow.record(Event(EventType.SUBSCRIPTION_CANCELED, now, *who[:2], data=told))
    return refund
