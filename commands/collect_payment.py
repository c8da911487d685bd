"""Ask the payment system for the money, with no transaction open, and hand on what it says (invariants 1 and 2)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from commands.card_payment import BringItAgain, can_be_sent, card_data, what_it_means
from commands.instruments import binding_request, charge_request
from commands.may_charge import may_charge_it
from commands.patience import (
    KEY_MARGIN,
    LIST_PATIENCE_S,
    TO_SPARE,
    is_from_the_future,
    once_more,
    said_twice,
    searched,
    worth_a_list,
)
from commands.settle_payment import Collected, News, SettlePayment, settle_payment
from commands.world import World
from domain.cards import Cvc
from domain.errors import NotFoundHere, PaymentSystemUnavailable
from domain.payment import Payment, PaymentKind, PaysWith
from domain.payment_system import BindingRequest, ChargeRequest, NotFound, PaymentSnapshot, Refused, Silence
from domain.ports import CLAIM, OpenUnitOfWork, PaymentSystem, UnitOfWork


@dataclass(frozen=True, slots=True)
class CollectPayment:
    """`claim`: until when the caller holds the work at it, if it does.

    `keyed`: the reply is kept under the caller's key for good, so that one told to come again does better than one
    answered too early. Jobs have no key, and look again by themselves.
    """

    payment_id: UUID
    claim: datetime | None = None
    keyed: bool = False


async def collect_payment(
    command: CollectPayment, open_uow: OpenUnitOfWork, world: World, cvc: Cvc | None = None
) -> Payment:
    """Make the charge, or learn what became of it: for the first call, its repetition and the janitor alike.

    `cvc`: brought again by the caller's next try; without it a card's payment is only looked for. Raises BringItAgain
    to a caller with a key where somebody else is sending it this moment: a reply made now would keep its link from
    the person for as long as the key lives, and lose the CVC.
    """
    async with open_uow() as uow:
        held, (payment, written_ago) = None, await _as_it_stands(command.payment_id, uow)
        may_charge = payment.provider_payment_id is None and can_be_sent(payment, cvc)
        may_charge = may_charge and await may_charge_it(payment, uow)
        if may_charge and payment.is_open:
            # Of two who send the same at a time, one might be refused and give up what the other one gets through.
            held = await uow.payments.claim(payment.id, command.claim)
            payment, written_ago = await _as_it_stands(command.payment_id, uow)  # now that nobody else is at it
            if held is None and command.keyed and payment.is_open and payment.provider_payment_id is None:
                raise BringItAgain
            if held is None:
                await uow.lock_person(payment.user_id)
                uow.conclude(Collected(payment.subscription_id, payment.id))
                return payment
    try:
        collected = await collect(
            payment, open_uow, world, may_charge=may_charge, first_call=False, written_ago=written_ago, cvc=cvc
        )
    except BringItAgain:  # it was not sent: the try that is asked for need not wait for this one's claim to run out
        await _let_go(payment, held, open_uow)
        raise
    await _let_go(payment, held, open_uow)
    return collected


async def _let_go(payment: Payment, held: datetime | None, open_uow: OpenUnitOfWork) -> None:
    if held is not None:
        async with open_uow() as uow:
            await uow.payments.unclaim(payment.id, held)


async def _as_it_stands(payment_id: UUID, uow: UnitOfWork) -> tuple[Payment, timedelta]:
    found = await uow.payments.find_with_age(payment_id)
    if found is None or found[0].payment_system is None:
        raise NotFoundHere("payment")
    return found


async def collect(
    payment: Payment,
    open_uow: OpenUnitOfWork,
    world: World,
    *,
    may_charge: bool = True,
    first_call: bool = True,
    written_ago: timedelta = timedelta(0),
    cvc: Cvc | None = None,
    keyed: bool = False,
) -> Payment:
    """As `collect_payment`, for a payment just committed; without `may_charge` it is only looked for.

    `keyed`: as in CollectPayment, where it turns out that others may have sent it.
    `written_ago`: by the database's clock. Ours may have been wrong when it was made, and may be wrong now.
    """
    if not payment.is_open or payment.payment_system is None:
        return await settle_payment(SettlePayment(payment.id, Silence("nothing to ask")), open_uow, world)
    if first_call and not _is_alone(payment, world):
        return await collect_payment(CollectPayment(payment.id, keyed=keyed), open_uow, world, cvc)
    news: News
    began = world.wall.now()
    try:
        system = await world.payment_systems.by_code(payment.payment_system)
        had_lapsed = payment.key_lapsed
        age = max(world.clock.now() - payment.created_at, written_ago)
        payment = await _noting_a_lapse(payment, age, system, open_uow, world)
        request = await _request(payment, cvc, open_uow, world) if may_charge else "it may not be sent again"
        news = await _news_of(payment, age, system, request, world)
        if payment.pays_with is PaysWith.CARD:
            news = what_it_means(news, request, first_call=first_call)
        if isinstance(news, NotFound) and not had_lapsed:
            # Its key has lapsed all at once, as where a clock was put right: it may have been sent a moment ago.
            news = once_more("it is not listed; asked once more")
        if isinstance(news, Refused) or (isinstance(news, Silence) and news.conflict):
            news = await _believed(news, payment, system, world, first_call=first_call, began=began)
    except (PaymentSystemUnavailable, ValueError) as cannot_ask:  # ours to mend; a case is opened in time
        news = Silence(f"it cannot be asked: {cannot_ask}")
    return await settle_payment(SettlePayment(payment.id, news), open_uow, world)


def _is_alone(payment: Payment, world: World) -> bool:
    """Whether nobody else can have sent it.

    A process may stand still for hours, as in a machine that was put to sleep, and find that the janitor has been
    there, or that its key has lapsed.
    """
    if payment.ask_again_at is None or payment.ask_again_by is None:
        return False
    return world.clock.now() < payment.ask_again_at - TO_SPARE and world.wall.now() < payment.ask_again_by - TO_SPARE


async def _news_of(
    payment: Payment, age: timedelta, system: PaymentSystem, request: ChargeRequest | BindingRequest | str, world: World
) -> News:
    """The object where its id is known; the same key again while it is remembered; then the list (invariant 4)."""
    binds = payment.kind is PaymentKind.BINDING
    if payment.provider_payment_id is not None:
        look = system.get_binding if binds else system.get_payment
        found = await look(payment.provider_payment_id)
        if isinstance(found, NotFound):  # an object that was there does not vanish: it is no news of how it ended
            found = Silence("the payment system does not find its own payment")
        return await _or_listed(found, payment, system, world)
    if isinstance(request, BindingRequest):
        return await system.create_binding(request)
    if isinstance(request, ChargeRequest):
        return await _or_listed(await system.create_payment(request), payment, system, world)
    found = await _find(payment, system, world)
    if isinstance(found, NotFound) and not _is_forgotten(age, system):
        # It may still be on its way there: only a payment system that has forgotten the key is believed.
        return Silence(f"{request}, and the payment system does not list it yet")
    return found


async def _believed(
    said: Refused | Silence, payment: Payment, system: PaymentSystem, world: World, *, first_call: bool, began: datetime
) -> News:
    """A 'no' to a repeated request says nothing of the earlier one, which may have used up the person's token.

    Nor is it the last word where the earlier one may be at work still: only a second 'no' is believed, a minute later.
    And it is worth nothing once others may have sent it as well: theirs may get through.
    """
    if first_call:
        return said if _is_alone(payment, world) else Silence("others may have sent it meanwhile")
    found = await _find(payment, system, world)
    if not isinstance(found, NotFound):
        return found
    if world.wall.now() - began > CLAIM - TO_SPARE:
        return Silence("others may have sent it meanwhile")
    return said_twice(said, payment.last_silence)


async def _or_listed(
    said: PaymentSnapshot | Refused | Silence, payment: Payment, system: PaymentSystem, world: World
) -> PaymentSnapshot | Refused | Silence:
    """Where asking in other ways leads to nothing, the list may tell; that it does not says nothing of how it ended."""
    window = worth_a_list(said, payment.asks, payment.created_at, world)
    if window is None or payment.kind is PaymentKind.BINDING:
        return said
    with suppress(TimeoutError):
        async with asyncio.timeout(LIST_PATIENCE_S):
            found = await system.find_payment(payment.id, *window)
        known_as = payment.provider_payment_id
        if isinstance(found, PaymentSnapshot) and known_as in (None, found.provider_payment_id):
            return found
    return said


async def _find(payment: Payment, system: PaymentSystem, world: World) -> PaymentSnapshot | NotFound | Silence:
    if payment.kind is PaymentKind.BINDING:
        return NotFound()  # there is no list of them, and no money in them
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s)
    made_at = payment.created_at
    return await system.find_payment(payment.id, *searched(made_at, made_at, payment.sent_by, lifetime, world))


async def _noting_a_lapse(
    payment: Payment, age: timedelta, system: PaymentSystem, open_uow: OpenUnitOfWork, world: World
) -> Payment:
    """Written down before anything is done about it: no clock that goes back brings the key to life again."""
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s)
    ahead = is_from_the_future(payment.created_at, world)
    lapsed = ahead or age >= lifetime - KEY_MARGIN
    if payment.key_lapsed or payment.provider_payment_id is not None or not lapsed:
        return payment
    async with open_uow() as uow:
        await uow.lock_person(payment.user_id)
        locked = await uow.payments.lock(payment.id)
        if locked is None:
            raise NotFoundHere("payment")
        locked.key_lapsed = True
        if ahead and locked.sent_by is not None:  # it was sent before this instant, whatever the clocks said then
            locked.sent_by = min(locked.sent_by, world.clock.now())
        return locked


async def _request(
    payment: Payment, cvc: Cvc | None, open_uow: OpenUnitOfWork, world: World
) -> ChargeRequest | BindingRequest | str:
    """The request to be sent, or sent again; or why that cannot be, and it can only be looked for."""
    if payment.key_lapsed:
        return "its key has lapsed"
    try:
        if payment.kind is PaymentKind.BINDING:
            return binding_request(payment)
        if payment.pays_with is not PaysWith.CARD:
            return charge_request(payment, world)
        return charge_request(payment, world, await card_data(payment, cvc, open_uow, world.vault))
    except ValueError as cannot:  # as where its token was sealed under a key that is gone; it may have been sent before
        return f"it cannot be sent again ({cannot})"


def _is_forgotten(age: timedelta, system: PaymentSystem) -> bool:
    """Whether the payment system knows nothing of the key any more, so that no request under it is on its way."""
    return age > timedelta(seconds=system.capabilities.key_lifetime_s) + KEY_MARGIN
