"""Ask the payment system to return money, or learn what became of it; with no transaction open (invariant 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from commands.patience import (
    IN_FLIGHT,
    KEY_MARGIN,
    LIST_PATIENCE_S,
    TO_SPARE,
    is_from_the_future,
    once_more,
    said_twice,
    searched,
    worth_a_list,
)
from commands.settle_refund import RefundNews, SettleRefund, settle_refund
from commands.world import World
from domain.errors import NotFoundHere, PaymentSystemUnavailable
from domain.payment import Payment
from domain.payment_system import NotFound, RefundRequest, RefundSnapshot, Refused, Silence
from domain.ports import CLAIM, OpenUnitOfWork, PaymentSystem, UnitOfWork
from domain.refund import Refund


@dataclass(frozen=True, slots=True)
class SendRefund:
    """`claim`: until when the caller holds the work at it, if it does."""

    refund_id: UUID
    claim: datetime | None = None


async def send_refund(command: SendRefund, open_uow: OpenUnitOfWork, world: World) -> Refund:
    """For the first call, its repetition and the janitor alike: the refund's id is the key."""
    async with open_uow() as uow:
        held, (refund, sent_ago) = None, await _as_it_stands(command.refund_id, uow)
        payment = await uow.payments.find(refund.payment_id)
        if payment is None or payment.payment_system is None:
            raise NotFoundHere("refund")
        if refund.is_open and refund.provider_refund_id is None:
            # Of two who send the same at a time, one might be refused and give up what the other one gets through.
            held = await uow.refunds.claim(refund.id, command.claim)
            refund, sent_ago = await _as_it_stands(command.refund_id, uow)  # now that nobody else is at it
        if not refund.is_open or (held is None and refund.provider_refund_id is None):
            return refund
    news: RefundNews
    try:
        system = await world.payment_systems.by_code(payment.payment_system)
        age = max(world.clock.now() - refund.key_since, sent_ago)
        is_first = not refund.asks and sent_ago < IN_FLIGHT  # else an earlier request may be at work there still
        news = await _news_of(refund, age, payment, system, open_uow, world, is_first=is_first)
    except PaymentSystemUnavailable as cannot_ask:
        news = Silence(f"it cannot be asked: {cannot_ask}")
    settled = await settle_refund(SettleRefund(refund.id, news), open_uow, world)
    if held is not None:
        async with open_uow() as uow:
            await uow.refunds.unclaim(refund.id, held)
    return settled


async def _as_it_stands(refund_id: UUID, uow: UnitOfWork) -> tuple[Refund, timedelta]:
    found = await uow.refunds.find_with_age(refund_id)
    if found is None:
        raise NotFoundHere("refund")
    return found


async def _news_of(
    refund: Refund,
    age: timedelta,
    payment: Payment,
    system: PaymentSystem,
    open_uow: OpenUnitOfWork,
    world: World,
    *,
    is_first: bool,
) -> RefundNews:
    """`age`: of its key, by our clock or by the database's, whichever is more."""
    if refund.provider_refund_id is not None:
        return await _told_of(refund, refund.provider_refund_id, system, world)
    if payment.provider_payment_id is None:
        return Silence("the payment's id at the payment system is not known")
    lifetime = timedelta(seconds=system.capabilities.key_lifetime_s)
    had_lapsed, ahead = refund.key_lapsed, is_from_the_future(refund.key_since, world)
    if ahead or (age >= lifetime - KEY_MARGIN and not refund.key_lapsed):
        refund = await _with_lapsed_key(refund, open_uow, world)
    if not refund.key_lapsed:
        request = _request(refund, payment, payment.provider_payment_id)
        said = await _sent(request, refund, system, world, is_first=is_first)
        return await _or_listed(said, refund, system, world)
    began = world.wall.now()
    found = await _find(refund, system, world)
    if not isinstance(found, NotFound):
        return found
    # Where its key has lapsed all at once, as when a clock was put right, it may have been sent a moment ago; where the
    # looking took long, others may be at it by now.
    in_doubt = not had_lapsed or age < lifetime + KEY_MARGIN + IN_FLIGHT
    if in_doubt or world.wall.now() - began > CLAIM / 2:
        return once_more("the payment system does not list it yet")
    # It never got there, as after a long downtime: the money is still owed, and asked for under a new key.
    renewed = await _with_new_key(refund, open_uow, world)
    request = _request(renewed, payment, payment.provider_payment_id)
    return await _sent(request, renewed, system, world, is_first=False)


async def _told_of(refund: Refund, provider_refund_id: str, system: PaymentSystem, world: World) -> RefundNews:
    """Of one that is known there by its id."""
    found = await system.get_refund(provider_refund_id)
    if isinstance(found, NotFound):
        found = Silence("the payment system does not find its own refund")
    return await _or_listed(found, refund, system, world)


async def _sent(
    request: RefundRequest, refund: Refund, system: PaymentSystem, world: World, *, is_first: bool
) -> RefundNews:
    """It may have been sent before: a 'no' to this call says nothing of an earlier one, or of one by others since."""
    began = world.wall.now()
    said = await system.create_refund(request)
    if not isinstance(said, Refused) and not (isinstance(said, Silence) and said.conflict):
        return said
    found = await _find(refund, system, world)
    if not isinstance(found, NotFound):
        return found
    if world.wall.now() - began > CLAIM / 2 - TO_SPARE:
        return Silence("others may have sent it meanwhile")
    return said if is_first else said_twice(said, refund.last_silence)


async def _or_listed(said: RefundNews, refund: Refund, system: PaymentSystem, world: World) -> RefundNews:
    """Where asking in other ways leads to nothing, the list may tell; that it does not says nothing of how it ended."""
    window = worth_a_list(said, refund.asks, refund.key_since, world)
    if window is None:
        return said
    with suppress(TimeoutError):
        async with asyncio.timeout(LIST_PATIENCE_S):
            found = await system.find_refund(refund.id, *window)
        if isinstance(found, RefundSnapshot) and refund.provider_refund_id in (None, found.provider_refund_id):
            return found
    return said


async def _find(refund: Refund, system: PaymentSystem, world: World) -> RefundSnapshot | NotFound | Silence:
    lifetime, sent_by = timedelta(seconds=system.capabilities.key_lifetime_s), refund.sent_by or refund.key_since
    window = searched(refund.created_at, refund.key_since, sent_by, lifetime, world)
    return await system.find_refund(refund.id, *window)


async def _with_lapsed_key(seen: Refund, open_uow: OpenUnitOfWork, world: World) -> Refund:
    """Written down before anything is done about it: no clock that goes back brings the key to life again."""

    def lapse(refund: Refund) -> None:
        refund.key_lapsed = True
        if is_from_the_future(refund.key_since, world):  # it was sent before this instant, whatever the clock said
            refund.key_since = world.clock.now()
            refund.sent_by = min(refund.sent_by or refund.key_since, refund.key_since)

    return await _with_its_key(seen, lapse, open_uow)


async def _with_new_key(seen: Refund, open_uow: OpenUnitOfWork, world: World) -> Refund:
    now, wall_now = world.clock.now(), world.wall.now()
    return await _with_its_key(seen, lambda refund: refund.take_new_key(now, wall_now), open_uow)


async def _with_its_key(seen: Refund, change: Callable[[Refund], None], open_uow: OpenUnitOfWork) -> Refund:
    """Committed before it is used; of two who come here at once the second goes on with the first one's key."""
    async with open_uow() as uow:
        await uow.lock_person(seen.user_id)
        refund = await uow.refunds.lock(seen.id)
        if refund is None:
            raise NotFoundHere("refund")
        if refund.key_number == seen.key_number:
            change(refund)
        return refund


def _request(refund: Refund, payment: Payment, provider_payment_id: str) -> RefundRequest:
    return RefundRequest(
        refund_id=refund.id,
        idempotency_key=refund.idempotency_key,
        payment_id=payment.id,
        provider_payment_id=provider_payment_id,
        amount=refund.amount,
        description=payment.description,
    )
