"""Whether a charge that was decided on may be sent, or sent again: people and time go on meanwhile."""

from __future__ import annotations

from commands.change_plan import still_stands
from domain.payment import Payment, PaymentKind, PaysWith
from domain.ports import UnitOfWork
from domain.subscription import Subscription


async def may_charge_it(payment: Payment, uow: UnitOfWork) -> bool:
    """False where what became of it is only looked for: what would have to be given back is not charged.

    That is so of what has ended, is ending, was paid otherwise or cannot be changed any more; and a method that its
    owner removed is never charged again (invariant 13).
    """
    subscription = await uow.subscriptions.find(payment.subscription_id)
    if subscription is None or not _is_wanted(payment, subscription):
        return False
    if not await _is_there_to_be_charged(payment, uow):
        return False
    if payment.kind is not PaymentKind.PLAN_CHANGE:
        return True
    await uow.lock_person(payment.user_id)
    return await still_stands(payment, subscription, uow)


def _is_wanted(payment: Payment, subscription: Subscription) -> bool:
    if subscription.has_ended or subscription.refunding or subscription.cancel_at_period_end:
        return False
    # Not by a renewal of a subscription that lost its method then, though it was saved anew for another.
    if not payment.by_person and subscription.payment_method_id != payment.payment_method_id:
        return False
    return subscription.waits_for(payment.period_number)


async def _is_there_to_be_charged(payment: Payment, uow: UnitOfWork) -> bool:
    if payment.pays_with is PaysWith.SAVED and payment.payment_method_id is not None:
        method = await uow.payment_methods.find(payment.payment_method_id)
        return method is not None and method.removed_at is None
    if payment.card_id is not None:
        card = await uow.cards.find(payment.card_id)
        return card is not None and card.removed_at is None
    return True
