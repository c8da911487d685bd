"""Ask the payment system to return money, or learn what became of it; with no transaction open (invariant 2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from commands.patience import IN_FLIGHT
from commands.settle_refund import RefundNews, SettleRefund, settle_refund
from commands.world import World
from domain.errors import NotFoundHere
from domain.payment import Payment
from domain.payment_system import NotFound, RefundRequest, Silence
from domain.ports import OpenUnitOfWork, PaymentSystem
from domain.refund import Refund

_MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SendRefund:
    refund_id: UUID


async def send_refund(command: SendRefund, open_uow: OpenUnitOfWork, world: World) -> Refund:
    """For the first call, its repetition and the janitor alike: the refund's id is the key."""
    async with open_uow() as uow:
        refund = await uow.refunds.find(command.refund_id)
        payment = await uow.payments.find(refund.payment_id) if refund else None
    if refund is None or payment is None or payment.payment_system is None:
        raise NotFoundHere("refund")
    if not refund.is_open:
        return refund
    system = await world.payment_systems.by_code(payment.payment_system)
    news = await _news_of(refund, payment, system, world)
    return await settle_refund(SettleRefund(refund.id, news), open_uow, world)


async def _news_of(refund: Refund, payment: Payment, system: PaymentSystem, world: World) -> RefundNews:
    if refund.provider_refund_id is not None:
        found = await system.get_refund(refund.provider_refund_id)
        return Silence("the payment system does not find its own refund") if isinstance(found, NotFound) else found
    if payment.provider_payment_id is None:
        return Silence("the payment's id at the payment system is not known")
    age, lifetime = world.clock.now() - refund.created_at, timedelta(seconds=system.capabilities.key_lifetime_s)
    if age < lifetime - _MARGIN:
        return await system.create_refund(_request(refund, payment, payment.provider_payment_id))
    found = await system.find_refund(refund.id, refund.created_at - _MARGIN, world.clock.now() + _MARGIN)
    if isinstance(found, NotFound) and age < lifetime + _MARGIN + IN_FLIGHT:
        return Silence("the payment system does not list it yet")
    return found


def _request(refund: Refund, payment: Payment, provider_payment_id: str) -> RefundRequest:
    return RefundRequest(
        refund_id=refund.id,
        idempotency_key=str(refund.id),
        payment_id=payment.id,
        provider_payment_id=provider_payment_id,
        amount=refund.amount,
        description=payment.description,
    )
