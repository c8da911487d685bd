"""Choose which of the saved payment methods is offered first (PAY-12)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.errors import NotFoundHere
from domain.payment_method import PaymentMethod
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class ChoosePaymentMethod:
    user_id: UUID
    payment_method_id: UUID


async def choose_payment_method(command: ChoosePaymentMethod, uow: UnitOfWork) -> PaymentMethod:
    """Make it the default one, in the place of whichever was. Running subscriptions keep what they are paid with."""
    await uow.lock_person(command.user_id)
    mine = await uow.payment_methods.all_of(command.user_id)
    chosen = next((method for method in mine if method.id == command.payment_method_id), None)
    if chosen is None:
        raise NotFoundHere("payment method")
    for method in mine:
        method.is_default = method is chosen
    return chosen
