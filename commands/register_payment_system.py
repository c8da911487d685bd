"""Register a payment system (PAY-11, ADM-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from commands.sealed_settings import sealed_settings
from commands.world import World
from domain.errors import AlreadyExists
from domain.payment_system_registration import PaymentSystemRegistration
from domain.ports import Adapters, UnitOfWork


@dataclass(frozen=True, slots=True)
class RegisterPaymentSystem:
    """`settings`: what the adapter is given instead of the service's own settings; some are secrets."""

    code: str
    name: str
    adapter: str
    enabled: bool
    settings: Mapping[str, str] = field(repr=False)


async def register_payment_system(
    command: RegisterPaymentSystem, uow: UnitOfWork, world: World, adapters: Adapters
) -> PaymentSystemRegistration:
    """Make it known by its code; people may choose it at once where it is enabled."""
    if await uow.registrations.lock_by_code(command.code) is not None:
        raise AlreadyExists(f"There is a payment system {command.code}.")
    adapters.check(command.adapter, command.settings)
    registration_id = world.new_id()
    registration = PaymentSystemRegistration(
        id=registration_id,
        code=command.code,
        name=command.name,
        adapter=command.adapter,
        enabled=command.enabled,
        settings=sealed_settings(command.settings, registration_id, world),
    )
    uow.registrations.add(registration)
    return registration
