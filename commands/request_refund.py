"""Ask for money back, by the person under the policy (PAY-4)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.begin_refund import begin_refund
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import NothingToRefund, RefundInProgress
from domain.payment import PaymentKind
from domain.ports import UnitOfWork
from domain.refund import Refund, RefundOrigin, quote_refund


@dataclass(frozen=True, slots=True)
class RequestRefund:
    """Of the payment for the current period, as much as the policy gives."""

    user_id: UUID
    subscription_id: UUID
    reason: str | None


async def request_refund(command: RequestRefund, uow: UnitOfWork, world: World) -> Refund:
    """Compute, reserve and commit; a job asks the payment system. Until it has ended nothing is charged."""
    subscription = await own_subscription(command.subscription_id, command.user_id, uow)
    payment = await uow.payments.of_current_period(subscription.id, subscription.period_number)
    if payment is None or not subscription.is_running or payment.kind is PaymentKind.EXTERNAL:
        raise NothingToRefund("There is no payment of a current period to return.")
    if subscription.refunding or await uow.refunds.open_of(payment.id) is not None:
        raise RefundInProgress("A refund of this payment is under way.")
    quote = quote_refund(payment, world.clock.now(), world.rules)
    if not quote.amount.minor:
        raise NothingToRefund("Nothing of this payment is left to return.")
    plan = await uow.plans.by_id(payment.plan_id)
    subscription.refunding = True
    return begin_refund(
        payment,
        quote.amount,
        RefundOrigin.PERSON,
        plan,
        uow,
        world,
        ends_subscription=True,
        reason=command.reason,
    )
