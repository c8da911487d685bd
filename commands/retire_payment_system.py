"""Take a payment system out of use (PAY-11, ADM-2)."""

from __future__ import annotations

from dataclasses import dataclass

from commands.deleted import Deleted
from commands.world import World
from domain.errors import NotFoundHere
from domain.payment_system_registration import PaymentSystemRegistration
from domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class RetirePaymentSystem:
    code: str


async def retire_payment_system(
    command: RetirePaymentSystem, uow: UnitOfWork, world: World
) -> PaymentSystemRegistration | Deleted:
    """Delete one that nobody ever paid through; archive one that is in use."""
    registration = await uow.registrations.lock_by_code(command.code)
    if registration is None:
        raise NotFoundHere("payment system")
    if registration.used:
        registration.archived_at = registration.archived_at or world.clock.now()
        return registration
    await uow.registrations.delete(registration)
    return Deleted()
