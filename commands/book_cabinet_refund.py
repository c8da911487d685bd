"""Book a refund that was made in the payment system's own cabinet."""

from __future__ import annotations

from dataclasses import dataclass

from commands.book_refund import Returned, book_refund
from commands.world import World
from domain.errors import NotFoundHere
from domain.payment import Payment
from domain.payment_system import ProviderStatus, RefundSnapshot
from domain.ports import OpenUnitOfWork, UnitOfWork
from domain.refund import RefundOrigin

NOT_YET = "not yet"
"""How an outcome begins that has to be waited for: it is to be booked again later."""


@dataclass(frozen=True, slots=True)
class BookCabinetRefund:
    payment_system: str
    snapshot: RefundSnapshot


async def book_cabinet_refund(command: BookCabinetRefund, open_uow: OpenUnitOfWork, world: World) -> str:
    """Book it once, like ours; what goes beyond the books is shown to a person. Returns what came of it."""
    snapshot = command.snapshot
    if snapshot.status is not ProviderStatus.SUCCEEDED:
        return (
            f"{NOT_YET}: it is pending there" if snapshot.status is ProviderStatus.PENDING else "nothing was returned"
        )
    async with open_uow() as uow:
        found = await uow.payments.find_by_provider_id(command.payment_system, snapshot.provider_payment_id)
        if found is None:
            return "not ours: there is no such payment"
        await uow.lock_person(found.user_id)
        if await uow.refunds.find_by_provider_id(command.payment_system, snapshot.provider_refund_id) is not None:
            return "booked before"
        payment = await uow.payments.lock(found.id)
        if payment is None:
            raise NotFoundHere("payment")
        if obstacle := await _why_not(payment, snapshot, uow):
            return obstacle
        same = snapshot.amount.currency == payment.amount.currency
        if not same or snapshot.amount.minor > payment.left_to_refund.minor:
            detail = f"In the payment system's cabinet {snapshot.amount} were returned, more than the books have left."
            subject = f"{command.payment_system}:{snapshot.provider_refund_id}"
            await uow.cases.open(
                "cabinet_refund_exceeds",
                subject,
                detail,
                world.clock.now(),
                user_id=payment.user_id,
                payment_id=payment.id,
            )
            return "flagged: more than is left"
        returned = Returned(
            amount=snapshot.amount,
            origin=RefundOrigin.CABINET,
            at=world.clock.now(),
            payment_system=payment.payment_system,
            provider_refund_id=snapshot.provider_refund_id,
        )
        await book_refund(payment, returned, uow, world)
    return "booked"


async def _why_not(payment: Payment, snapshot: RefundSnapshot, uow: UnitOfWork) -> str | None:
    """What stands against booking it as another refund, or against doing so now."""
    if payment.is_open:  # news of it is on its way still; so far nothing of it can be returned here
        return f"{NOT_YET}: here the payment has not ended"
    sums = await uow.reconciliations.refund_sums(payment.id) if snapshot.refund_id is not None else None
    if sums not in (None, (payment.refunded, payment.refund_reserved)):  # it would be counted twice
        return "left to the reconciliation: it names a refund whose row is gone, and which its payment counts still"
    under_way = await uow.refunds.open_of(payment.id)
    if under_way is None or under_way.provider_refund_id is not None:
        return None
    if under_way.amount == snapshot.amount:
        return f"{NOT_YET}: a refund of ours over as much is under way, and this may be it"
    if snapshot.amount.minor > payment.left_to_refund.minor:
        return f"{NOT_YET}: a refund of ours is under way, and what it has reserved may come free"
    return None
