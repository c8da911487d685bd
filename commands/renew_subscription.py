"""Renew a subscription whose period is over, or try again what was refused (PAY-2, SUB-5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.begin_payment import begin_payment
from commands.instruments import SavedMethod, method_to_charge
from commands.own_subscription import own_subscription
from commands.renew_from_credit import RenewedFromCredit, renew_from_credit
from commands.world import World
from domain.errors import NotDue, PaymentInProgress
from domain.payment import Payment, PaymentKind
from domain.plan_change import bill
from domain.ports import UnitOfWork
from domain.subscription import SubscriptionStatus


@dataclass(frozen=True, slots=True)
class RenewSubscription:
    """`early`: where a refused charge waits for its next try, make one now; if it is refused, that one is made too."""

    subscription_id: UUID
    early: bool = False


class NothingToCharge(NotDue):
    """It is due, and its payment method is gone or cannot be charged: the person has to be asked for another."""


async def renew_subscription(command: RenewSubscription, uow: UnitOfWork, world: World) -> Payment | RenewedFromCredit:
    """Write the intent to charge the saved method, at the price that holds now; `collect_payment` goes on.

    Each period exactly once, by whomever and however often this is called: the second finds a payment
    open, or nothing due. Raises NothingToCharge: `ask_for_method` is what goes on then.
    """
    subscription = await own_subscription(command.subscription_id, None, uow)
    if subscription.open_payment_id is not None:
        raise PaymentInProgress(subscription.open_payment_id)
    due_at = subscription.next_charge_at
    takes_the_next_try = command.early and subscription.status is SubscriptionStatus.PAST_DUE
    is_due = due_at is not None and (due_at <= world.clock.now() or takes_the_next_try)
    if not is_due or subscription.refunding:
        raise NotDue("Nothing of this subscription is due.")
    if await uow.reconciliations.has_unheard_money(subscription.id):
        raise NotDue("The payment system has a payment for it that the books do not know; a person has to look at it.")
    plan = await uow.plans.by_id(subscription.renews_to)
    owed = bill(plan.price, subscription.balance)
    if owed.is_waived:
        return renew_from_credit(subscription, plan, owed, uow, world)
    system = await world.payment_systems.by_code(subscription.payment_system)
    method = await method_to_charge(subscription, system, uow)
    if method is None:
        raise NothingToCharge("There is no payment method that this subscription could be charged to.")
    choice = SavedMethod(method.id)
    return await begin_payment(
        subscription, plan, PaymentKind.RENEWAL, choice, system, uow, world, by_person=False, owed=owed
    )
