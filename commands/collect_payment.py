"""Ask the payment system for the money, with no transaction open, and hand on what it says (invariants 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from commands.instruments import charge_request
from commands.settle_payment import News, SettlePayment, settle_payment
from commands.world import World
from domain.errors import NotFoundHere, PaymentSystemUnavailable
from domain.payment import Payment, PaysWith
from domain.payment_system import NotFound, Silence
from domain.ports import OpenUnitOfWork, PaymentSystem, UnitOfWork

_KEY_MARGIN = timedelta(hours=1)
"""A key is trusted for this much less than the payment system promises: a call takes time to arrive."""
_SEARCH_MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CollectPayment:
    payment_id: UUID


async def collect_payment(command: CollectPayment, open_uow: OpenUnitOfWork, world: World) -> Payment:
    """Make the charge, or learn what became of it: for the first call, its repetition and the janitor alike."""
    async with open_uow() as uow:
        payment = await uow.payments.find(command.payment_id)
        charged = payment is not None and await _may_charge(payment, uow)
    if payment is None or payment.payment_system is None:
        raise NotFoundHere("payment")
    return await collect(payment, open_uow, world, may_charge=charged)


async def _may_charge(payment: Payment, uow: UnitOfWork) -> bool:
    """Whether the request may be sent, or sent again, or what became of it is only looked for.

    A method that its owner removed is never charged again (invariant 13), and what has ended, is ending
    or was paid otherwise is not charged to be refunded.
    """
    if payment.pays_with is PaysWith.SAVED and payment.payment_method_id is not None:
        method = await uow.payment_methods.find(payment.payment_method_id)
        if method is None or method.removed_at is not None:
            return False
    subscription = await uow.subscriptions.find(payment.subscription_id)
    if subscription is None or subscription.has_ended or subscription.refunding:
        return False
    if not subscription.waits_for(payment.period_number):
        return False
    return not subscription.cancel_at_period_end


async def collect(payment: Payment, open_uow: OpenUnitOfWork, world: World, *, may_charge: bool = True) -> Payment:
    """As `collect_payment`, for a payment just committed; without `may_charge` it is only looked for."""
    if not payment.is_open or payment.payment_system is None:
        return await settle_payment(SettlePayment(payment.id, Silence("nothing to ask")), open_uow, world)
    news: News
    try:
        system = await world.payment_systems.by_code(payment.payment_system)
        news = await _news_of(payment, system, world, may_charge=may_charge)
    except (PaymentSystemUnavailable, ValueError) as cannot_ask:  # ours to mend; a case is opened in time
        news = Silence(f"it cannot be asked: {cannot_ask}")
    return await settle_payment(SettlePayment(payment.id, news), open_uow, world)


async def _news_of(payment: Payment, system: PaymentSystem, world: World, *, may_charge: bool) -> News:
    """The object where its id is known; the same key again while it is remembered; then the list (invariant 4)."""
    if payment.provider_payment_id is not None:
        found = await system.get_payment(payment.provider_payment_id)
        # An object that was there does not vanish: not finding it is no news of how it ended.
        return Silence("the payment system does not find its own payment") if isinstance(found, NotFound) else found
    if may_charge and _may_repeat(payment, system, world):
        return await system.create_payment(charge_request(payment, world))
    since = payment.created_at - _SEARCH_MARGIN
    found = await system.find_payment(payment.id, since, world.clock.now() + _SEARCH_MARGIN)
    if isinstance(found, NotFound) and not _key_has_lapsed(payment, system, world):
        # It may still be on its way there: only a payment system that has forgotten the key is believed.
        return Silence("the payment system does not list it yet")
    return found


def _may_repeat(payment: Payment, system: PaymentSystem, world: World) -> bool:
    if payment.pays_with is PaysWith.CARD:  # the CVC was never kept: it cannot be sent again (PAY-13)
        return False
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s) - _KEY_MARGIN
    return world.clock.now() - payment.created_at < lifetime


def _key_has_lapsed(payment: Payment, system: PaymentSystem, world: World) -> bool:
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s) + _KEY_MARGIN
    return world.clock.now() - payment.created_at > lifetime
