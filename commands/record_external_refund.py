"""Accept that a subscription's money was returned outside the service (SUB-4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from commands.book_refund import Returned, book_refund
from commands.outside_money import require_past
from commands.own_subscription import own_subscription
from commands.world import World
from domain.errors import InvalidField, NotFoundHere, ReferenceUsed, RefundExceedsPayment
from domain.money import Money
from domain.payment import Payment
from domain.ports import UnitOfWork
from domain.refund import Refund, RefundOrigin


@dataclass(frozen=True, slots=True)
class RecordExternalRefund:
    """`payment_reference`: the payment's reference at the same source, its id at its payment system, or its id here."""

    subscription_id: UUID
    amount: Money
    refunded_at: datetime
    source: str
    reference: str
    payment_reference: str


@dataclass(frozen=True, slots=True)
class RecordedRefund:
    """`is_new`: False where it was here already."""

    subscription_id: UUID
    refund_id: UUID
    is_new: bool


async def record_external_refund(command: RecordExternalRefund, uow: UnitOfWork, world: World) -> RecordedRefund:
    """Book it as succeeded, once; the subscription ends where the rest of the current period's payment is returned."""
    subscription = await own_subscription(command.subscription_id, None, uow)
    found = await uow.payments.find_named(subscription.id, command.source, command.payment_reference)
    known = await uow.refunds.find_by_reference(command.source, command.reference)
    if known is not None:
        _require_same(known, found, command)
        return RecordedRefund(known.subscription_id, known.id, is_new=False)
    require_past("refunded_at", command.refunded_at, world)
    payment = await uow.payments.lock(found.id) if found is not None else None
    if payment is None:
        raise NotFoundHere("payment of this subscription")
    if command.amount.currency != payment.amount.currency:
        raise InvalidField("amount.currency", f"has to be the payment's, {payment.amount.currency}")
    if command.amount.minor > payment.left_to_refund.minor:
        raise RefundExceedsPayment(f"Of this payment {payment.left_to_refund} can still be returned.")
    returned = Returned(
        amount=command.amount,
        origin=RefundOrigin.EXTERNAL,
        at=command.refunded_at,
        source=command.source,
        reference=command.reference,
    )
    refund = await book_refund(payment, returned, uow, world)
    return RecordedRefund(subscription.id, refund.id, is_new=True)


def _require_same(known: Refund, payment: Payment | None, command: RecordExternalRefund) -> None:
    payment_id = payment.id if payment is not None else None
    said = (command.subscription_id, payment_id, command.amount, command.refunded_at)
    if (known.subscription_id, known.payment_id, known.amount, known.settled_at) != said:
        raise ReferenceUsed("This source and reference name another refund.")
