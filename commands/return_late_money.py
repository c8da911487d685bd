"""Money that arrives for what has ended goes back in full, by itself (`api.md`, "Money for what has ended").

So does money for a period that was paid otherwise meanwhile.
"""

from __future__ import annotations

from commands.begin_refund import begin_refund
from commands.world import World
from domain.payment import PAID_OTHERWISE, Payment
from domain.plan import Plan
from domain.ports import UnitOfWork
from domain.refund import RefundOrigin


async def return_late_money(payment: Payment, plan: Plan, uow: UnitOfWork, world: World) -> None:
    """Reserve a refund of all of it; the refund's job asks the payment system."""
    otherwise = payment.period_number == PAID_OTHERWISE
    begin_refund(
        payment,
        payment.left_to_refund,
        RefundOrigin.LATE_MONEY,
        plan,
        uow,
        world,
        ends_subscription=False,
        reason="the period was paid otherwise" if otherwise else "the subscription had ended",
    )
