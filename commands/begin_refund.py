"""The intent to return money: reserved on the payment before anybody is asked (invariants 1 and 7)."""

from __future__ import annotations

from commands import facts
from commands.world import World
from domain.errors import RefundExceedsPayment
from domain.events import Event, EventType
from domain.money import Money
from domain.payment import Payment
from domain.plan import Plan
from domain.ports import UnitOfWork
from domain.refund import Refund, RefundOrigin, RefundStatus


def begin_refund(
    payment: Payment,
    amount: Money,
    origin: RefundOrigin,
    plan: Plan,
    uow: UnitOfWork,
    world: World,
    *,
    ends_subscription: bool,
    reason: str | None,
) -> Refund:
    """Reserve `amount` of a payment that the caller holds locked; `send_refund` takes it from there at once."""
    if amount.currency != payment.amount.currency or not 0 < amount.minor <= payment.left_to_refund.minor:
        raise RefundExceedsPayment(f"Of this payment {payment.left_to_refund} can still be returned.")
    now = world.clock.now()
    refund = Refund(
        id=world.new_id(),
        payment_id=payment.id,
        subscription_id=payment.subscription_id,
        user_id=payment.user_id,
        amount=amount,
        status=RefundStatus.PENDING,
        origin=origin,
        ends_subscription=ends_subscription,
        created_at=now,
        key_since=now,
        payment_system=payment.payment_system,
        reason=reason,
        ask_again_at=now,
        ask_again_by=world.wall.now(),
    )
    payment.refund_reserved += amount.minor
    uow.refunds.add(refund)
    _record(refund, payment, plan, uow)
    return refund


def _record(refund: Refund, payment: Payment, plan: Plan, uow: UnitOfWork) -> None:
    uow.record(
        Event(
            EventType.REFUND_REQUESTED,
            refund.created_at,
            refund.user_id,
            refund.subscription_id,
            payment_id=payment.id,
            refund_id=refund.id,
            data=facts.of_refund(refund, payment, plan),
        )
    )
