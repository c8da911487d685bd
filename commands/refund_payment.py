"""Return money of a payment, from inside, with an amount (PAY-6)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.begin_refund import begin_refund
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import InvalidField, NotFoundHere, NothingToRefund, RefundInProgress
from domain.money import Money
from domain.payment import PaymentKind, PaymentStatus
from domain.ports import UnitOfWork
from domain.refund import Refund, RefundOrigin


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """`amount` None returns all that is left."""

    payment_id: UUID
    amount: Money | None
    reason: str


async def refund_payment(command: RefundPayment, uow: UnitOfWork, world: World) -> Refund:
    """An internal refund; it ends the subscription only where it returns the rest of the current period's payment."""
    found = await uow.payments.find(command.payment_id)
    if found is None:
        raise NotFoundHere("payment")
    subscription = await own_subscription(found.subscription_id, None, uow)
    payment = await uow.payments.lock(command.payment_id)
    if payment is None or payment.status is not PaymentStatus.SUCCEEDED or payment.kind is PaymentKind.EXTERNAL:
        raise NothingToRefund("Only a payment that has succeeded through a payment system can be returned.")
    if await uow.refunds.open_of(payment.id) is not None:
        raise RefundInProgress("A refund of this payment is under way.")
    left = payment.left_to_refund
    if command.amount is not None and command.amount.currency != left.currency:
        raise InvalidField("amount.currency", f"has to be the payment's, {left.currency}")
    if not left.minor:
        raise NothingToRefund("Nothing of this payment is left to return: it went back, or is credit by now.")
    amount = payment.returnable(command.amount or left, world.rules.least_left_after_refund)
    if not amount.minor:
        raise NothingToRefund(
            "What is left of this payment cannot go back: what beside it is credit leaves too little to stay there."
        )
    current = subscription.is_running and payment.period and payment.period_number == subscription.period_number
    ends = bool(current) and amount == left
    subscription.refunding = subscription.refunding or ends
    plan = await uow.plans.by_id(payment.plan_id)
    return begin_refund(
        payment,
        amount,
        RefundOrigin.INTERNAL,
        plan,
        uow,
        world,
        ends_subscription=ends,
        reason=command.reason,
    )
