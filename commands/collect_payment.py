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
from domain.payment_system import ChargeRequest, NotFound, PaymentSnapshot, Refused, Silence
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
    return await collect(payment, open_uow, world, may_charge=charged, first_call=False)


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


async def collect(
    payment: Payment, open_uow: OpenUnitOfWork, world: World, *, may_charge: bool = True, first_call: bool = True
) -> Payment:
    """As `collect_payment`, for a payment just committed; without `may_charge` it is only looked for."""
    if not payment.is_open or payment.payment_system is None:
        return await settle_payment(SettlePayment(payment.id, Silence("nothing to ask")), open_uow, world)
    news: News
    try:
        system = await world.payment_systems.by_code(payment.payment_system)
        payment = await _noting_a_lapse(payment, system, open_uow, world)
        news = await _news_of(payment, system, world, may_charge=may_charge)
        if isinstance(news, Refused) and not first_call:
            news = await _unless_it_is_there(news, payment, system, world)
    except (PaymentSystemUnavailable, ValueError) as cannot_ask:  # ours to mend; a case is opened in time
        news = Silence(f"it cannot be asked: {cannot_ask}")
    return await settle_payment(SettlePayment(payment.id, news), open_uow, world)


async def _news_of(payment: Payment, system: PaymentSystem, world: World, *, may_charge: bool) -> News:
    """The object where its id is known; the same key again while it is remembered; then the list (invariant 4)."""
    if payment.provider_payment_id is not None:
        found = await system.get_payment(payment.provider_payment_id)
        # An object that was there does not vanish: not finding it is no news of how it ended.
        return Silence("the payment system does not find its own payment") if isinstance(found, NotFound) else found
    request = _request(payment, world) if may_charge else "it may not be sent again"
    if isinstance(request, ChargeRequest):
        return await system.create_payment(request)
    found = await _find(payment, system, world)
    if isinstance(found, NotFound) and not _is_forgotten(payment, system, world):
        # It may still be on its way there: only a payment system that has forgotten the key is believed.
        return Silence(f"{request}, and the payment system does not list it yet")
    return found


async def _unless_it_is_there(refused: Refused, payment: Payment, system: PaymentSystem, world: World) -> News:
    """A 'no' to a repeated request says nothing of the earlier one, which may have used up the person's token."""
    found = await _find(payment, system, world)
    return refused if isinstance(found, NotFound) else found


async def _find(payment: Payment, system: PaymentSystem, world: World) -> PaymentSnapshot | NotFound | Silence:
    since = min(payment.created_at, world.clock.now()) - _SEARCH_MARGIN
    return await system.find_payment(payment.id, since, world.clock.now() + _SEARCH_MARGIN)


async def _noting_a_lapse(payment: Payment, system: PaymentSystem, open_uow: OpenUnitOfWork, world: World) -> Payment:
    """Written down before anything is done about it: no clock that goes back brings the key to life again."""
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s)
    if payment.key_lapsed or payment.provider_payment_id is not None or _age(payment, world) < lifetime - _KEY_MARGIN:
        return payment
    async with open_uow() as uow:
        await uow.lock_person(payment.user_id)
        locked = await uow.payments.lock(payment.id)
        if locked is None:
            raise NotFoundHere("payment")
        locked.key_lapsed = True
        return locked


def _request(payment: Payment, world: World) -> ChargeRequest | str:
    """The request to be sent, or sent again; or why that cannot be, and it can only be looked for."""
    if payment.pays_with is PaysWith.CARD:
        return "the CVC was never kept"  # (PAY-13)
    if payment.key_lapsed:
        return "its key has lapsed"
    if _age(payment, world) < -_KEY_MARGIN:
        return "it was made in the future: the clock has gone back, and nobody can say how old its key is"
    try:
        return charge_request(payment, world)
    except ValueError as cannot:  # as where its token was sealed under a key that is gone; it may have been sent before
        return f"it cannot be sent again ({cannot})"


def _age(payment: Payment, world: World) -> timedelta:
    return world.clock.now() - payment.created_at


def _is_forgotten(payment: Payment, system: PaymentSystem, world: World) -> bool:
    """Whether the payment system knows nothing of the key any more, so that no request under it is on its way."""
    return _age(payment, world) > timedelta(seconds=system.capabilities.key_lifetime_s) + _KEY_MARGIN
