"""Money that arrives for what has ended goes back in full, by itself.

So does money for a period that was paid otherwise meanwhile, and for a change of plan that cannot be made any more.
"""

from __future__ import annotations

from commands.begin_refund import begin_refund
from commands.world import World
from domain.payment import PAID_OTHERWISE, Payment, PaymentKind
from domain.plan import Plan
from domain.ports import UnitOfWork
from domain.refund import RefundOrigin


async def return_late_money(payment: Payment, plan: Plan, uow: UnitOfWork, world: World) -> None:
    """Reserve a refund of all of it; the refund's job asks the payment system."""
    begin_refund(
        payment,
        payment.left_to_refund,
        RefundOrigin.LATE_MONEY,
        plan,
        uow,
        world,
        ends_subscription=False,
        reason=await _why(payment, uow),
    )


async def _why(payment: Payment, uow: UnitOfWork) -> str:
    if payment.kind is PaymentKind.PLAN_CHANGE:
        return "the plan could not be changed any more"
    if payment.period_number == PAID_OTHERWISE:
        return "the period was paid otherwise"
    subscription = await uow.subscriptions.find(payment.subscription_id)
    ended = subscription is None or subscription.has_ended
    return "the subscription had ended" if ended else "the subscription was about to end"
