"""Pay a past-due subscription (SUB-3)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.begin_payment import begin_payment
from commands.instruments import PaymentChoice, usable_system
from commands.own_subscription import own_subscription
from commands.renew_from_credit import RenewedFromCredit, renew_from_credit
from commands.world import World
from domain.errors import NothingToPay, PaymentInProgress
from domain.payment import Payment, PaymentKind
from domain.payment_system import Redirect
from domain.plan_change import bill
from domain.ports import UnitOfWork
from domain.subscription import Subscription, SubscriptionStatus


@dataclass(frozen=True, slots=True)
class PaySubscription:
    user_id: UUID
    subscription_id: UUID
    payment: PaymentChoice
    payment_system: str | None


@dataclass(frozen=True, slots=True)
class StillWaits:
    """A payment page is open already: the person gets the same one again, not a second."""

    payment_id: UUID


async def pay_subscription(
    command: PaySubscription, uow: UnitOfWork, world: World
) -> Payment | StillWaits | RenewedFromCredit:
    """Write the intent to collect for the period that is owed; `collect_payment` goes on from there."""
    subscription = await own_subscription(command.subscription_id, command.user_id, uow)
    if subscription.has_ended or subscription.cancel_at_period_end:
        raise NothingToPay("The subscription has ended, or is going to: nothing is owed for it.")
    if subscription.open_payment_id is not None:
        open_payment = await uow.payments.find(subscription.open_payment_id)
        if open_payment is not None and _is_offered(open_payment, command, subscription):
            if subscription.waits_for(open_payment.period_number):
                return StillWaits(open_payment.id)
            raise NothingToPay("What that page asks for was paid otherwise meanwhile.")
        raise PaymentInProgress(subscription.open_payment_id)
    if subscription.status is not SubscriptionStatus.PAST_DUE or subscription.refunding:
        raise NothingToPay("Nothing is owed for this subscription now.")
    plan = await uow.plans.by_id(subscription.renews_to)
    owed = bill(plan.price, subscription.balance)
    if owed.is_waived:  # the price has fallen since
        return renew_from_credit(subscription, plan, owed, uow, world)
    code = command.payment_system or subscription.payment_system
    system = await usable_system(code, uow, world)
    return await begin_payment(
        subscription, plan, PaymentKind.RENEWAL, command.payment, system, uow, world, payment_system=code, owed=owed
    )


def _is_offered(open_payment: Payment, command: PaySubscription, subscription: Subscription) -> bool:
    """A page that waits for who asks for one; not one for another plan, nor while money is on its way back."""
    waits = isinstance(command.payment, Redirect) and open_payment.waits_for_person
    return waits and open_payment.kind is not PaymentKind.PLAN_CHANGE and not subscription.refunding
